/** How a unit makes itself superfluous, and what it reports when it cannot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Leaving, leave } from '../../../src/agent/leave.ts';
import { type AgentWorld, type EtcdMember, known } from '../../../src/charm/model/world.ts';
import { aMember, aWorld, clusterOf } from './cluster.ts';

function voter(name: string): EtcdMember {
  const rest = { id: name, peerUrl: name, learner: false, healthy: true };
  return { ...rest, name, silentMs: 0, inSync: true };
}

interface State {
  primary: string;
  voters: string[];
  /** b has no data yet. */
  clones?: boolean;
}

/** A cluster of a and b; who leads and who votes can change while the unit leaves. */
function situation(state: State, change: Partial<Leaving> = {}) {
  const asked: string[] = [];
  const world = (): AgentWorld =>
    aWorld({
      cluster: known(
        clusterOf(
          ['a', 'b'].map((name) =>
            aMember(name, name === state.primary ? { role: 'primary' } : follower(state)),
          ),
        ),
      ),
      etcd: known({ members: state.voters.map(voter), leader: state.voters[0] }),
    });
  const leaving: Leaving = {
    self: 'a',
    others: 1,
    observe: async () => world(),
    async wakePeers() {
      asked.push('wake');
      state.voters = ['b'];
      return 1;
    },
    async handOver() {
      asked.push('hand over');
      state.primary = 'b';
    },
    ...change,
  };
  return { leaving, asked };
}

function follower({ clones = false }: State) {
  return clones ? { state: 'creating replica' } : { streaming: true };
}

test('the primary hands the role over, then asks for its voter to be removed', async () => {
  const { leaving, asked } = situation({ primary: 'a', voters: ['a'] });
  const report = await leave(leaving, { timeoutMs: 10_000, heirs: [] });
  assert.deepEqual([report.complete, asked], [true, ['hand over', 'wake']]);
});

test('a unit that nothing depends on asks nobody', async () => {
  const { leaving, asked } = situation({ primary: 'b', voters: ['b'] });
  assert.equal((await leave(leaving, { timeoutMs: 10_000, heirs: [] })).complete, true);
  assert.deepEqual(asked, []);
});

test('the last unit hands nothing over', async () => {
  const { leaving, asked } = situation({ primary: 'a', voters: ['a'] }, { others: 0 });
  assert.equal((await leave(leaving, { timeoutMs: 10_000, heirs: [] })).complete, true);
  assert.deepEqual(asked, []);
});

test('what cannot be reached in time is said', async () => {
  const stubborn = {
    wakePeers: async () => 0,
    async handOver() {
      throw new Error('no member is fit to take over');
    },
  };
  const { leaving } = situation({ primary: 'a', voters: ['a'] }, stubborn);
  const report = await leave(leaving, { timeoutMs: 300, heirs: [] });
  assert.equal(report.complete, false);
  assert.ok(report.lines.includes('still primary: no member is fit to take over'));
  assert.ok(report.lines.includes('still a voter of etcd: no leader has removed it'));
});

test('who still clones is not asked to take over, but is when it has the data', async () => {
  const state = { primary: 'a', voters: ['b'], clones: true };
  const { leaving, asked } = situation(state, {
    async wakePeers() {
      asked.push('wake');
      state.clones = false;
      return 1;
    },
  });
  const report = await leave(leaving, { timeoutMs: 10_000, heirs: ['b'] });
  assert.deepEqual([report.complete, asked], [true, ['wake', 'hand over']]);
});
