/** Holding the clients of all poolers for a switchover: all or none, and who is told what. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../../lib/std/errors.ts';
import { logTo } from '../../../lib/std/log.ts';
import { END_TRANSACTIONS, FORCE, hold } from '../../../src/agent/work/hold.ts';
import type { WorkContext } from '../../../src/agent/work/kind.ts';
import { known } from '../../../src/charm/model/world.ts';
import { aMember, aWorld, clusterOf } from './cluster.ts';

type Answer = Record<string, string> | Error;
const HELD = { held: 'true', clients: '0' };
const OPEN_TRANSACTION = { refused: 'pooler-timeout', reason: 'it did not answer' };
const SILENT = new OperatorError({ code: 'peer-failed', message: 'no answer', retry: 'now' });
const UNREACHABLE = { refused: 'pooler-unreachable', reason: 'cannot reach PgBouncer' };

/** Unit n answers with the n-th list, one answer after the other, the last one again and again. */
function aContext(answers: Answer[][], params: Record<string, string> = {}) {
  const members = answers.map((_, n) => ({
    unit: `pg/${n}`,
    member: `pg-${n}`,
    address: `addr-${n}`,
  }));
  const notes: string[] = [];
  const ended: string[] = [];
  const asked: string[] = [];
  const silent = new Set<string>();
  const postgres = { superuser: 'operator', replicationUser: 'replication' };
  const running = members.map(({ member }) => aMember(member));
  const context = {
    desired: { members, postgres },
    params,
    log: logTo(() => undefined),
    world: () => aWorld({ cluster: known(clusterOf(running)) }),
    note: async (line: string) => void notes.push(line),
    sleep: async () => undefined,
    async ask({ unit }: { unit: string }, task: string) {
      if (task === 'answer') {
        asked.push(unit);
        if (silent.has(unit) && asked.filter((each) => each === unit).length < 3) throw SILENT;
        return {};
      }
      const left = answers[Number(unit.split('/')[1])] ?? [];
      const answer = left.length > 1 ? left.shift() : left[0];
      if (answer instanceof Error) throw answer;
      return answer;
    },
    async primarySql() {
      return {
        query: async (text: string) => {
          ended.push(text);
          return [{}, {}];
        },
        close: async () => undefined,
      };
    },
  };
  return { context: context as unknown as WorkContext, notes, ended, running, asked, silent };
}

describe('holding clients', () => {
  test('says at how many poolers they wait', async () => {
    const { context, notes } = aContext([[HELD], [HELD]]);
    await hold(context);
    assert.deepEqual(notes, ['clients wait at 2 of 2 poolers']);
  });

  test('of session pools is no obstacle: they are counted and told', async () => {
    const { context, notes } = aContext([[{ held: 'false', clients: '7' }], [HELD]]);
    await hold(context);
    assert.deepEqual(notes, [
      'pg/0: 7 clients of session pools lose their connection',
      'clients wait at 1 of 2 poolers',
    ]);
  });

  test('fails while a transaction stays open, and ends none', async () => {
    const { context, ended } = aContext([[HELD], [OPEN_TRANSACTION]]);
    await assert.rejects(hold(context), {
      code: 'clients-not-held',
      message: 'cannot hold the clients of pg/1: a transaction stays open',
      hint: /end-transactions=true/,
    });
    assert.deepEqual(ended, []);
  });

  test('ends open transactions where that is asked for, and tries once more', async () => {
    const params = { [END_TRANSACTIONS]: 'true' };
    const { context, notes, ended } = aContext([[HELD], [OPEN_TRANSACTION, HELD]], params);
    await hold(context);
    assert.equal(ended.length, 1);
    assert.deepEqual(notes, ['2 open transactions ended', 'clients wait at 2 of 2 poolers']);
    const stubborn = aContext([[OPEN_TRANSACTION]], params);
    await assert.rejects(hold(stubborn.context), { code: 'clients-not-held' });
  });

  test('fails at a pooler that does not answer, unless forced', async () => {
    await assert.rejects(hold(aContext([[HELD], [UNREACHABLE]]).context), {
      message: 'cannot hold the clients of pg/1: cannot reach PgBouncer',
      hint: /force=true/,
    });
    const forced = aContext([[HELD], [UNREACHABLE]], { [FORCE]: 'true' });
    await hold(forced.context);
    assert.equal(forced.notes[0], 'pg/1: not held: cannot reach PgBouncer');
  });

  test('asks an agent again that is being restarted', async () => {
    const { context, notes } = aContext([[new Error('refused'), HELD]]);
    await hold(context);
    assert.deepEqual(notes, ['clients wait at 1 of 1 poolers']);
  });

  test('lets nobody wait before every agent answers', async () => {
    const { context, notes, asked, silent } = aContext([[HELD], [HELD]]);
    silent.add('pg/1');
    await hold(context);
    assert.deepEqual(asked.toSorted(), ['pg/0', 'pg/1', 'pg/1', 'pg/1']);
    assert.deepEqual(notes, ['clients wait at 2 of 2 poolers']);
  });

  test('leaves a unit out that is down as a whole', async () => {
    const { context, notes, running } = aContext([[HELD], [new Error('no answer')]]);
    running.pop();
    await hold(context);
    assert.deepEqual(notes, ['pg/1: not held: the unit is down', 'clients wait at 1 of 2 poolers']);
  });
});
