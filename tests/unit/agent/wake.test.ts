/** What is worth waking the charm for, and how wakes are gathered, repeated and limited. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { poll } from '../../../lib/std/clock.ts';
import { logTo } from '../../../lib/std/log.ts';
import { coarse } from '../../../src/agent/decide/wake.ts';
import { Moments } from '../../../src/agent/wake/moments.ts';
import { Waker } from '../../../src/agent/wake/waker.ts';
import { type EtcdMember, known, unknown } from '../../../src/charm/model/world.ts';
import { aMember, aWorld, clusterOf } from './cluster.ts';

describe('what is worth a wake', () => {
  const replica = aMember('b', { streaming: true, lagBytes: 0 });
  const at = (change: Partial<typeof replica>) =>
    coarse(aWorld({ cluster: known(clusterOf([{ ...replica, ...change }])) }));

  test('lag never is; role, state and streaming are', () => {
    assert.equal(at({ lagBytes: 12345 }), at({}));
    for (const change of [
      { role: 'primary' as const },
      { state: 'starting' },
      { streaming: false },
      { pendingRestart: true },
    ]) {
      assert.notEqual(at(change), at({}), JSON.stringify(change));
    }
  });

  test('why something is unknown is not; that it is, is', () => {
    const because = (reason: string) => coarse(aWorld({ etcd: unknown(reason) }));
    assert.equal(because('timeout after 1001 ms'), because('refused'));
    assert.notEqual(coarse(aWorld({ etcd: known({ members: [], leader: 'a' }) })), because('x'));
  });

  test('silence is, when it passes a limit that somebody may decide by', () => {
    const silent = (silentMs: number) => {
      const rest = { id: '1', name: 'a', peerUrl: 'p', learner: false, inSync: false };
      const member: EtcdMember = { ...rest, healthy: false, silentMs };
      return coarse(aWorld({ etcd: known({ members: [member], leader: undefined }) }));
    };
    assert.equal(silent(31_000), silent(59_000));
    assert.notEqual(silent(59_000), silent(60_000));
  });

  test('the progress of work and jobs is not; their end is', () => {
    const job = (state: 'running' | 'done', message: string) =>
      coarse(
        aWorld({
          jobs: [
            {
              id: '1',
              kind: 'backup',
              state,
              startedAt: 0,
              endedAt: undefined,
              message,
              result: {},
            },
          ],
        }),
      );
    assert.equal(job('running', '10 %'), job('running', '20 %'));
    assert.notEqual(job('done', '20 %'), job('running', '20 %'));
  });
});

describe('waker', () => {
  const silent = logTo(() => undefined);
  const settle = (until: () => boolean) =>
    poll(async () => (until() ? true : undefined), { timeoutMs: 30_000, everyMs: 20 });

  test('wakes once for changes that come together, and not again for the same', async () => {
    let digest = 'a';
    let runs = 0;
    const run = async () => {
      runs += 1;
    };
    const waker = new Waker({ command: () => ['x'], digest: () => digest, log: silent, run });
    for (const next of ['b', 'c', 'd']) {
      digest = next;
      waker.consider();
    }
    assert.equal(await settle(() => waker.counters.wakes === 1), true);
    waker.consider();
    digest = 'e';
    waker.consider();
    assert.equal(await settle(() => waker.counters.wakes === 2), true);
    assert.equal(runs, 2);
    waker.stop();
  });

  test('has one wake outstanding, and one more when something changed meanwhile', async () => {
    let digest = 'a';
    let running = 0;
    let most = 0;
    const gate = Promise.withResolvers<void>();
    const run = async () => {
      most = Math.max(most, ++running);
      await gate.promise;
      running -= 1;
    };
    const waker = new Waker({ command: () => ['x'], digest: () => digest, log: silent, run });
    waker.demand();
    assert.equal(await settle(() => running === 1), true);
    digest = 'b';
    waker.demand();
    waker.consider();
    gate.resolve();
    assert.equal(await settle(() => waker.counters.wakes === 2), true);
    assert.equal(most, 1);
    waker.stop();
  });

  test('tries again after a failure', async () => {
    let runs = 0;
    const run = async () => {
      runs += 1;
      if (runs === 1) throw new Error('the controller is away');
    };
    const waker = new Waker({ command: () => ['x'], digest: () => 'a', log: silent, run });
    waker.demand();
    assert.equal(await settle(() => waker.counters.wakes === 1), true);
    assert.deepEqual([runs, waker.counters.failures], [2, 0]);
    waker.stop();
  });
});

describe('moments', () => {
  test('each counts once, also one that passed before anybody asked', () => {
    const moments = new Moments();
    assert.equal(moments.passed([], 100), false);
    assert.equal(moments.passed([50, 200], 100), true);
    assert.equal(moments.passed([50, 200], 150), false);
    assert.equal(moments.passed([50, 200], 200), true);
    assert.equal(moments.passed([50, 200], 300), false);
    assert.equal(moments.passed([400], 300), false);
    assert.equal(moments.passed([400], 400), true);
  });
});
