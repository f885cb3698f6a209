/** The engine of work on a fake store: phases, failures, takeover, fencing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { poll } from '../../../lib/std/clock.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { logTo } from '../../../lib/std/log.ts';
import { decideWork } from '../../../src/agent/decide/work.ts';
import { RunContext } from '../../../src/agent/work/context.ts';
import { WorkEngine } from '../../../src/agent/work/engine.ts';
import { followWork } from '../../../src/agent/work/follow.ts';
import type { Phase, WorkKind } from '../../../src/agent/work/kind.ts';
import { WorkStore } from '../../../src/agent/work/record.ts';
import { fakeEtcd } from './fake-etcd.ts';

const log = logTo(() => undefined);

function kindOf(phases: Phase[], more: Partial<WorkKind> = {}): WorkKind {
  return { kind: 'switchover', limitMs: 60_000, check: async () => undefined, phases, ...more };
}

function engineOn(etcd: ReturnType<typeof fakeEtcd>, kind: WorkKind, self = 'pg/0') {
  const store = new WorkStore(
    () => etcd,
    () => 'pg',
  );
  const engine = new WorkEngine({
    store,
    etcd: () => etcd,
    kinds: [kind],
    self: () => self,
    // Phases of these tests use the record only.
    context: (run) => new RunContext({} as never, run),
    place: () => ({ desired: {} as never, log }),
    seen: () => undefined,
    log,
  });
  return { engine, store };
}

const ended = (store: WorkStore) =>
  poll(
    async () => {
      const stored = await store.read();
      return stored?.record.outcome === 'running' ? undefined : stored?.record;
    },
    { timeoutMs: 10_000, everyMs: 10 },
  );

describe('work', () => {
  test('runs its phases in order, with their facts, lines and results', async () => {
    const kind = kindOf([
      { name: 'one', run: (context) => context.remember({ seen: context.params['to'] ?? '' }) },
      {
        name: 'two',
        async run(context) {
          await context.note(`to ${context.memo['seen']}`);
          await context.result({ primary: context.memo['seen'] ?? '' });
        },
      },
    ]);
    const { engine, store } = engineOn(fakeEtcd(), kind);
    const lines: string[] = [];
    const id = await engine.start('switchover', { to: 'b' });
    const signal = new AbortController().signal;
    const ending = await followWork(store, id, (line) => lines.push(line), signal);
    assert.deepEqual([ending.outcome, ending.result], ['done', { primary: 'b' }]);
    assert.deepEqual(
      lines.map((line) => line.replace(/ in .*/, '')),
      ['one: done', 'to b', 'two: done'],
    );
    await engine.stop();
  });

  test('a refused check leaves no record; a second work is refused while one runs', async () => {
    const gate = Promise.withResolvers<void>();
    const etcd = fakeEtcd();
    let refuse = true;
    const kind = kindOf([{ name: 'wait', run: () => gate.promise }], {
      async check() {
        if (refuse) throw new OperatorError({ code: 'no', message: 'cannot do this' });
      },
    });
    const { engine, store } = engineOn(etcd, kind);
    await assert.rejects(engine.start('switchover', {}), { code: 'no' });
    assert.equal(await store.read(), undefined);
    refuse = false;
    await engine.start('switchover', {});
    await assert.rejects(engine.start('switchover', {}), { code: 'work-in-progress' });
    gate.resolve();
    assert.equal((await ended(store))?.outcome, 'done');
    await engine.stop();
  });

  test('a phase that fails ends the work as failed, undone, with the reason', async () => {
    let undone = '';
    const kind = kindOf(
      [
        {
          name: 'break',
          run: async () => {
            throw new OperatorError({ code: 'x', message: 'cannot go on', hint: 'see the log' });
          },
        },
      ],
      {
        async undo(_, reason) {
          undone = reason;
        },
      },
    );
    const { engine, store } = engineOn(fakeEtcd(), kind);
    await engine.start('switchover', {});
    const record = await ended(store);
    assert.deepEqual([record?.outcome, record?.message], ['failed', 'cannot go on (see the log)']);
    assert.equal(undone, 'cannot go on (see the log)');
    await engine.stop();
  });

  test('what one agent leaves another finishes, from the phase where it stood', async () => {
    const etcd = fakeEtcd();
    const ran: string[] = [];
    const never = Promise.withResolvers<void>();
    const kind = (self: string, stuck: boolean) =>
      kindOf([
        {
          name: 'one',
          async run(context) {
            ran.push(`${self} one`);
            await context.remember({ fact: 'kept' });
          },
        },
        {
          name: 'two',
          async run(context) {
            ran.push(`${self} two ${context.memo['fact']}`);
            if (stuck) await never.promise;
          },
        },
      ]);
    const first = engineOn(etcd, kind('first', true), 'pg/0');
    await first.engine.start('switchover', {});
    await poll(async () => (ran.length === 2 ? true : undefined), { timeoutMs: 5000, everyMs: 5 });
    await first.engine.stop();
    assert.equal((await first.store.read())?.record.outcome, 'running');

    const second = engineOn(etcd, kind('second', false), 'pg/1');
    second.engine.loop.start();
    const record = await ended(second.store);
    assert.deepEqual([record?.outcome, record?.owner], ['done', 'pg/1']);
    assert.deepEqual(ran, ['first one', 'first two kept', 'second two kept']);
    await second.engine.stop();
  });

  test('what a run left is put right once no record runs, by a unit that was away', async () => {
    const etcd = fakeEtcd();
    const gate = Promise.withResolvers<void>();
    const settled: (string | undefined)[] = [];
    const kind = (run: () => Promise<void>, settle: WorkKind['settle']) =>
      kindOf([{ name: 'wait', run }], settle === undefined ? {} : { settle });
    const owner = engineOn(
      etcd,
      kind(() => gate.promise, undefined),
    );
    await owner.engine.start('switchover', {});
    const other = engineOn(
      etcd,
      kind(
        async () => undefined,
        async (_, record) => void settled.push(record?.outcome),
      ),
      'pg/1',
    );
    other.engine.loop.start();
    await other.engine.loop.fresh();
    assert.deepEqual(settled, []);
    gate.resolve();
    await ended(owner.store);
    await other.engine.loop.fresh();
    assert.ok(settled.length > 0 && settled.every((outcome) => outcome === 'done'));
    await Promise.all([owner.engine.stop(), other.engine.stop()]);
  });

  test('an owner that was replaced writes nothing any more', async () => {
    const etcd = fakeEtcd();
    const gate = Promise.withResolvers<void>();
    const { engine, store } = engineOn(etcd, kindOf([{ name: 'wait', run: () => gate.promise }]));
    await engine.start('switchover', {});
    const stored = await store.read();
    assert.ok(stored);
    const taken = { ...stored.record, owner: 'pg/9' };
    await store.write(taken, stored.revision);
    gate.resolve();
    await engine.stop();
    assert.deepEqual((await store.read())?.record, taken);
  });
});

test('a record is adopted only when nobody carries it out, and undone when it is late', () => {
  const work = { outcome: 'running' as const, owner: 'pg/0', deadline: 1000 };
  const orphaned = { self: 'pg/1', running: false, ownerAlive: false, now: 999 };
  assert.equal(decideWork(work, orphaned).move, 'adopt');
  assert.equal(decideWork(work, { ...orphaned, now: 1000 }).move, 'abandon');
  assert.equal(decideWork(work, { ...orphaned, ownerAlive: true }).move, 'none');
  assert.equal(decideWork(work, { ...orphaned, running: true }).move, 'none');
  assert.equal(decideWork({ ...work, outcome: 'done' }, orphaned).move, 'none');
  assert.equal(decideWork(undefined, orphaned).move, 'none');
});
