/** Restarting a member whose Patroni is still busy, or says no. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../../lib/std/errors.ts';
import type { WorkContext } from '../../../src/agent/work/kind.ts';
import { restartKind } from '../../../src/agent/work/restart.ts';
import { known, unknown } from '../../../src/charm/model/world.ts';
import type { SqlPort } from '../../../src/charm/workload/ports.ts';
import { aMember, aWorld, clusterOf } from './cluster.ts';

/**
 * A primary and a replica, whose Patroni gives these answers; undefined: it restarts.
 *
 * @param unseen how often the cluster is looked at in vain
 * @param behind how often the replica is found not to have read what the primary has written
 */
function replicaThatAnswers(
  answers: (string | undefined)[],
  { unseen = 0, lowered = '', behind = 0 } = {},
) {
  const members = [
    aMember('pg-0', { role: 'primary' }),
    aMember('pg-1', { role: 'sync-standby', streaming: true, pendingRestart: true }),
  ];
  const asked: string[] = [];
  const context: Partial<WorkContext> = {
    desired: {
      members: members.map(({ name, address }) => ({ unit: name, member: name, address })),
    } as unknown as WorkContext['desired'],
    params: { 'only-pending': 'true' },
    memo: { primary: 'pg-0', lowered },
    primarySql: async () =>
      ({
        async query(text: string) {
          if (text.includes('pg_current_wal_lsn')) return [{ lsn: '0/5000000' }];
          asked.push('looked');
          return behind-- > 0 ? [] : [{ pid: 7 }];
        },
        close: async () => undefined,
      }) as unknown as SqlPort,
    observe: async () =>
      aWorld({ cluster: unseen-- > 0 ? unknown('no answer') : known(clusterOf(members)) }),
    note: async () => undefined,
    remember: async () => undefined,
    sleep: async () => undefined,
    patroni: (member) =>
      ({
        async restart() {
          asked.push(member?.member ?? '');
          const message = answers.shift();
          if (message !== undefined) throw new OperatorError({ code: 'patroni-refused', message });
        },
      }) as unknown as ReturnType<WorkContext['patroni']>,
  };
  const phase = restartKind.phases.find(({ name }) => name === 'replicas');
  assert.ok(phase);
  return { asked, run: () => phase.run(context as WorkContext) };
}

describe('a member', () => {
  test('whose Patroni still ends something else is asked again', async () => {
    const busy = 'Patroni answers "manual failover: demote already in progress"';
    const { asked, run } = replicaThatAnswers([busy, busy, undefined]);
    await run();
    assert.deepEqual(asked, ['pg-1', 'pg-1', 'pg-1']);
  });

  test('is restarted though the cluster was not to be seen for a moment', async () => {
    const { asked, run } = replicaThatAnswers([undefined], { unseen: 3 });
    await run();
    assert.deepEqual(asked, ['pg-1']);
  });

  test('waits, where a parameter is lowered, until it has read that from the primary', async () => {
    const lowered = 'max_worker_processes';
    const { asked, run } = replicaThatAnswers([undefined], { lowered, behind: 2 });
    await run();
    assert.deepEqual(asked, ['looked', 'looked', 'looked', 'pg-1']);
  });

  test('whose Patroni says no is not', async () => {
    const { asked, run } = replicaThatAnswers(['Patroni answers "restart failed"']);
    await assert.rejects(run(), { code: 'patroni-refused', message: /restart failed/ });
    assert.deepEqual(asked, ['pg-1']);
  });
});
