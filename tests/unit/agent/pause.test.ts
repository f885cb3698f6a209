/** Who holds the clients of a pooler, and that every hold ends, also when nobody ends it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { poll } from '../../../lib/std/clock.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { logTo } from '../../../lib/std/log.ts';
import { Pause } from '../../../src/agent/pooler/pause.ts';
import type { PoolerAdmin } from '../../../src/charm/workload/ports.ts';

const LONG_MS = 60_000;
const log = logTo(() => undefined);

/** A console that knows whether it is paused; `restless`: a transaction stays open. */
function aPooler({ restless = false } = {}) {
  const pooler = { paused: false, commands: [] as string[], loggingIn: 0 };
  const admin: Partial<PoolerAdmin> = {
    async show() {
      const loggingIn = Math.max(0, pooler.loggingIn--);
      if (loggingIn > 0) pooler.commands.push('show');
      return [{ database: 'shop', sv_login: '0' }, { sv_login: String(loggingIn) }];
    },
    async pause() {
      pooler.commands.push('pause');
      pooler.paused = true;
      const error = { code: 'pooler-timeout', message: 'cannot pause' };
      if (restless) throw new OperatorError(error);
    },
    async resume() {
      pooler.commands.push('resume');
      pooler.paused = false;
    },
  };
  return { pooler, pause: new Pause(() => admin as PoolerAdmin, log) };
}

describe('a pause', () => {
  test('for work that does not come to rest holds nobody', async () => {
    const { pooler, pause } = aPooler({ restless: true });
    await assert.rejects(pause.begin(LONG_MS), { code: 'pooler-timeout' });
    assert.deepEqual([pooler.paused, pause.active], [false, false]);
  });

  test('for work cuts off no server that is logging in', async () => {
    const { pooler, pause } = aPooler();
    pooler.loggingIn = 2;
    await pause.begin(LONG_MS);
    assert.deepEqual(pooler.commands, ['show', 'show', 'pause']);
    pooler.loggingIn = 1_000_000;
    await pause.end('work');
    await pause.begin(LONG_MS);
    assert.equal(pooler.commands.at(-1), 'pause');
    await pause.end('work');
  });

  test('for a lost primary holds although statements are in flight', async () => {
    const { pooler, pause } = aPooler({ restless: true });
    await pause.seize(LONG_MS);
    assert.deepEqual([pooler.paused, pause.active], [true, true]);
    await pause.end('failover');
    assert.equal(pooler.paused, false);
  });

  test('of two ends with the second; work does not begin while the primary is lost', async () => {
    const { pooler, pause } = aPooler();
    await pause.begin(LONG_MS);
    await pause.seize(LONG_MS);
    await pause.end('work');
    assert.equal(pooler.paused, true);
    await assert.rejects(pause.begin(LONG_MS), { code: 'pooler-busy' });
    await pause.end('failover');
    assert.equal(pooler.paused, false);
    assert.deepEqual(pooler.commands, ['pause', 'resume']);
  });

  test('ends by itself when nobody ends it', async () => {
    const { pooler, pause } = aPooler();
    await pause.begin(20);
    await pause.seize(30);
    const over = await poll(async () => !pause.active || undefined, {
      timeoutMs: 30_000,
      everyMs: 5,
    });
    assert.ok(over);
    await poll(async () => !pooler.paused || undefined, { timeoutMs: 30_000, everyMs: 5 });
    assert.equal(pooler.paused, false);
  });

  test('is in force exactly while somebody holds, in any order of events', async () => {
    const step = fc.constantFrom('begin', 'seize', 'end work', 'end failover');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { pooler, pause } = aPooler();
        // All at once, as agents' loops, timers and other units' requests come.
        await Promise.allSettled(
          steps.map((name) => {
            if (name === 'begin') return pause.begin(LONG_MS);
            if (name === 'seize') return pause.seize(LONG_MS);
            return pause.end(name === 'end work' ? 'work' : 'failover');
          }),
        );
        const state = [pooler.paused, pause.active];
        await pause.end('work');
        await pause.end('failover');
        assert.equal(state[0], state[1], pooler.commands.join(' '));
        assert.equal(pooler.paused, false);
      }),
    );
  });
});
