/**
 * What a unit does when etcd, or what it knows of etcd, is not what it was: rows that the cluster
 * simulation has found.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { etcdEndpoints } from '../../../src/charm/decide/etcd.ts';
import { patroni, wantedConfig } from '../../../src/charm/decide/patroni.ts';
import { status } from '../../../src/charm/decide/status.ts';
import { voters } from '../../../src/charm/decide/voters.ts';
import { clientUrl, peerUrl } from '../../../src/charm/model/etcd-facts.ts';
import type { ServiceFacts, Snapshot } from '../../../src/charm/model/snapshot.ts';
import {
  type AgentWorld,
  type ClusterMember,
  known,
  unknown,
} from '../../../src/charm/model/world.ts';
import { IDENTIFIER, joining, UnitWorld } from '../../support/world.ts';

const kinds = (decisions: ReturnType<typeof patroni>) =>
  decisions.flatMap((each) => (each.type === 'step' ? [each.kind] : []));

const voter = (number: number, silentMs = 0) => ({
  id: `${number}`,
  name: `postgresql-${number}`,
  peerUrl: peerUrl(`10.0.0.1${number}`),
  learner: false,
  healthy: silentMs === 0,
  silentMs,
  inSync: silentMs === 0,
});

describe('an etcd that was founded elsewhere', () => {
  const leads = (planned: string[], leaving: string[] = []): Snapshot => {
    const world = joining();
    world.isLeader = true;
    world.others = [];
    world.planned = planned;
    world.leaving = leaving;
    return world.snapshot();
  };

  test('is not founded again by a leader that has not met its unit yet', () => {
    assert.deepEqual(etcdEndpoints(leads(['postgresql/0', 'postgresql/1'])), []);
  });

  test('is not founded again while a unit that it has not met yet is only leaving', () => {
    assert.deepEqual(etcdEndpoints(leads(['postgresql/0'], ['postgresql/1'])), []);
  });

  test('is founded again when its unit is gone and no database was made', () => {
    assert.deepEqual(kinds(etcdEndpoints(leads(['postgresql/0']))), ['peer-set']);
  });
});

describe('the first etcd and the first database', () => {
  const starts = (kinds: string[], plan: string[], name: string) =>
    kinds.some((kind, n) => kind === 'start-service' && plan[n]?.includes(`"name":"${name}"`));

  test('are founded by the event after the one that says where', async () => {
    const world = new UnitWorld();
    const first = await world.hook();
    assert.ok(world.committed.app['etcd-endpoints'] !== undefined);
    assert.ok(!starts(first.kinds, first.plan, 'etcd'));
    assert.ok(!starts(first.kinds, first.plan, 'patroni'));
    const second = await world.hook();
    assert.ok(starts(second.kinds, second.plan, 'etcd'));
    assert.ok(starts(second.kinds, second.plan, 'patroni'));
  });

  test('are founded where it says, also when another unit leads by then', async () => {
    const world = new UnitWorld();
    await world.hook();
    world.isLeader = false;
    const second = await world.hook();
    assert.ok(starts(second.kinds, second.plan, 'etcd'));
    assert.ok(starts(second.kinds, second.plan, 'patroni'));
  });

  test('stay beside each other: no voter moves before there is a database', () => {
    const world = joining();
    world.isLeader = true;
    const snapshot = world.snapshot();
    const etcd = known({ members: [voter(1)], leader: 'postgresql-1' });
    const view = (initialized: string | undefined): Snapshot => {
      const peers = { 'postgresql/1': known({ generation: 1 }) };
      const members = [member({ name: 'postgresql-0', role: 'primary' })];
      const told = { initialized, members, dynamic: {}, paused: false, failsafe: true };
      const agent = { etcd, cluster: known(told), peers } as unknown as AgentWorld;
      return { ...snapshot, agent: known(agent) };
    };
    assert.deepEqual(voters(view(undefined)), []);
    assert.deepEqual(kinds(voters(view(IDENTIFIER))), ['add-learner']);
  });
});

describe('the last voter that everybody knows of', () => {
  /** The leader has moved the voter from unit 1, which leaves, to its own. */
  const moved = (kept: Record<string, string>, epoch = '1'): Snapshot => {
    const world = joining();
    world.isLeader = true;
    world.planned = ['postgresql/0'];
    world.committed.app = { ...world.committed.app, 'system-identifier': IDENTIFIER, ...kept };
    const pending = structuredClone(world.committed);
    pending.app = { ...pending.app, 'etcd-endpoints': clientUrl('10.0.0.10'), 'etcd-epoch': epoch };
    const etcd = known({ members: [voter(0), voter(1)], leader: 'postgresql-0' });
    const members = [member({ name: 'postgresql-0', role: 'primary' })];
    const view = { initialized: IDENTIFIER, members, dynamic: {}, paused: false, failsafe: true };
    const agent = { etcd, cluster: known(view), peers: {} } as unknown as AgentWorld;
    return { ...world.snapshot(pending), agent: known(agent) };
  };

  test('stays until an earlier event has said where another is', () => {
    assert.deepEqual(kinds(voters(moved({}))), []);
    const said = { 'etcd-endpoints': clientUrl('10.0.0.10') };
    assert.deepEqual(kinds(voters(moved(said))), ['remove-voter']);
    assert.deepEqual(kinds(voters(moved(said, '2'))), []);
  });

  test('stays while a primary that leaves knows no other', () => {
    const said = { 'etcd-endpoints': clientUrl('10.0.0.10') };
    const snapshot = moved(said);
    const [leaving] = snapshot.peers.others;
    assert.ok(leaving && snapshot.agent.known && snapshot.agent.value.etcd.known);
    const primary = { name: 'postgresql-2', data: { ip: '10.0.0.12' } };
    const view = (hosts: string[]): Snapshot => {
      const data = { ...primary.data, 'etcd-hosts': hosts.map((host) => clientUrl(host)).join() };
      const others = [leaving, { name: 'postgresql/2', data, dying: true }];
      const members = [member({ name: primary.name, role: 'primary' })];
      const told = { initialized: IDENTIFIER, members, dynamic: {}, paused: false, failsafe: true };
      const peers = { 'postgresql/2': known({ generation: 1 }) };
      assert.ok(snapshot.agent.known);
      const agent = known({ ...snapshot.agent.value, cluster: known(told), peers });
      return { ...snapshot, peers: { ...snapshot.peers, others }, agent };
    };
    assert.deepEqual(kinds(voters(view(['10.0.0.11']))), []);
    assert.deepEqual(kinds(voters(view(['10.0.0.11', '10.0.0.10']))), ['remove-voter']);
  });
});

describe('the rest of a clone', () => {
  test('is set aside before the supervisor of a restarted machine brings Patroni up', async () => {
    const world = joining();
    const elsewhere = { name: 'postgresql-1', address: '10.0.0.11' };
    world.elsewhere = { initialized: IDENTIFIER, members: [member(elsewhere)] };
    world.committed.app['system-identifier'] = IDENTIFIER;
    await world.settle();
    world.data = { systemIdentifier: undefined, debris: true, etcdMember: false };
    const { patroni: service, agent } = world.services;
    assert.ok(service && agent);
    world.supervised = false;
    world.services['patroni'] = { ...service, running: false, wantedUp: true };
    world.services['agent'] = { ...agent, running: false };
    assert.deepEqual(kinds(patroni(world.snapshot())), ['set-data-aside']);
  });
});

describe('where Patroni looks for etcd', () => {
  const OWN = '10.0.0.10:2379';
  const OTHER = '10.0.0.11:2379';

  async function hosts(token?: string): Promise<string[]> {
    const world = joining();
    world.elsewhere = { initialized: IDENTIFIER, members: [] };
    world.committed.app['system-identifier'] = IDENTIFIER;
    world.committed.app['etcd-endpoints'] = `https://${OTHER}`;
    await world.settle();
    const snapshot = world.snapshot();
    const { etcdConfig } = snapshot.layout;
    const files = { ...snapshot.files, [etcdConfig]: `"initial-cluster-token": "${token}"` };
    const text = wantedConfig(token === undefined ? snapshot : { ...snapshot, files });
    return JSON.parse(text ?? '').etcd3.hosts;
  }

  test('also on its own unit, where a voter may come to be', async () => {
    assert.deepEqual(await hosts(), [OTHER, OWN]);
    assert.deepEqual(await hosts('model postgresql 1 7'), [OTHER, OWN]);
  });

  test('not where the rest of an etcd lies that another has replaced', async () => {
    assert.deepEqual(await hosts('model postgresql 0 7'), [OTHER]);
  });
});

describe('a Patroni that was started with other voters', () => {
  const OTHER = clientUrl('10.0.0.12');

  /** The own member as etcd has it, and the voters that Patroni was started with. */
  async function running(self: Partial<ClusterMember> | undefined, startedWith: string[]) {
    const world = joining();
    world.elsewhere = { initialized: IDENTIFIER, members: [] };
    world.committed.app['system-identifier'] = IDENTIFIER;
    world.committed.app['etcd-endpoints'] = [clientUrl('10.0.0.11'), OTHER].join(',');
    await world.settle();
    const snapshot = world.snapshot();
    assert.ok(snapshot.agent.known && snapshot.agent.value.cluster.known);
    const { services } = snapshot;
    const cluster = { ...snapshot.agent.value.cluster.value };
    cluster.members = self === undefined ? [] : [member(self)];
    const etcd = known({ members: [voter(1), voter(2)], leader: 'postgresql-1' });
    const agent = known({ ...snapshot.agent.value, etcd, cluster: known(cluster) });
    const service = { ...services['patroni'], startedWith } as (typeof services)[string];
    return { ...snapshot, agent, services: { ...services, patroni: service } };
  }

  test('starts anew when none of them is left, also where it has never got through', async () => {
    const gone = [clientUrl('10.0.0.19')];
    assert.ok(kinds(patroni(await running(undefined, gone))).includes('restart-service'));
    assert.ok(kinds(patroni(await running({}, gone))).includes('restart-service'));
  });

  test('is left alone while it clones', async () => {
    const clones = await running({ state: 'creating replica' }, [clientUrl('10.0.0.19')]);
    assert.ok(!kinds(patroni(clones)).includes('restart-service'));
  });

  test('starts anew when etcd answers and does not hear of it', async () => {
    const one = [OTHER];
    assert.ok(kinds(patroni(await running(undefined, one))).includes('restart-service'));
    assert.ok(!kinds(patroni(await running({}, one))).includes('restart-service'));
  });

  test('is known to have heard of more as soon as it must have, and stays known to', async () => {
    const world = await running({}, [clientUrl('10.0.0.11')]);
    const service = { ...world.services['patroni'], learnt: [OTHER] } as ServiceFacts;
    const heard = { ...world, services: { ...world.services, patroni: service } };
    const [step] = patroni(heard).filter((each) => each.type === 'step');
    assert.deepEqual([step?.kind, step?.args], ['note-etcd-hosts', { hosts: [OTHER] }]);
    const noted = { ...service, noted: [OTHER, clientUrl('10.0.0.19')], learnt: [] };
    const later = { ...world, services: { ...world.services, patroni: noted } };
    const [next] = patroni(later).filter((each) => each.type === 'step');
    assert.deepEqual(next?.args, { hosts: [OTHER] });
  });

  test('counts as having heard of nobody while etcd does not list it', async () => {
    const world = await running(undefined, [clientUrl('10.0.0.11')]);
    const service = { ...world.services['patroni'], learnt: [OTHER] } as ServiceFacts;
    const unheard = { ...world, services: { ...world.services, patroni: service } };
    assert.ok(!kinds(patroni(unheard)).includes('note-etcd-hosts'));
  });

  test('has not heard of its own unit while that holds no voter', async () => {
    const world = await running({}, [clientUrl('10.0.0.11'), OTHER]);
    const service = { ...world.services['patroni'], learnt: [clientUrl('10.0.0.10')] };
    const alone = { ...world, services: { ...world.services, patroni: service as ServiceFacts } };
    assert.ok(!kinds(patroni(alone)).includes('note-etcd-hosts'));
  });

  test('starts anew when it is cut off, whatever is noted of it', async () => {
    const all = [clientUrl('10.0.0.11'), OTHER];
    const noting = async (self: Partial<ClusterMember> | undefined, startedWith: string[]) => {
      const world = await running(self, startedWith);
      const service = { ...world.services['patroni'], noted: all } as ServiceFacts;
      return kinds(patroni({ ...world, services: { ...world.services, patroni: service } }));
    };
    const gone = [clientUrl('10.0.0.19')];
    assert.ok((await noting(undefined, gone)).includes('restart-service'));
    assert.ok(!(await noting({}, gone)).includes('restart-service'));
    assert.ok(!(await noting(undefined, all)).includes('restart-service'));
  });

  test('gives up the rest of a clone with an orderly end', async () => {
    const world = await running(undefined, [OTHER]);
    const cut = { ...world, data: { ...world.data, systemIdentifier: undefined, debris: true } };
    assert.ok(kinds(patroni(cut)).includes('stop-service'));
  });
});

describe('a voter that is left alone', () => {
  async function says(silentMs: number): Promise<string> {
    const world = joining();
    world.elsewhere = { initialized: IDENTIFIER, members: [] };
    world.committed.app['system-identifier'] = IDENTIFIER;
    const all = [0, 1, 2].map((number) => clientUrl(`10.0.0.1${number}`));
    world.committed.app['etcd-endpoints'] = all.join(',');
    await world.settle();
    const snapshot = world.snapshot();
    assert.ok(snapshot.agent.known);
    const members = [voter(0, silentMs), voter(1, silentMs), voter(2, silentMs)];
    const etcd = known({ members, leader: undefined });
    const cluster = unknown('no answer');
    const agent = known({ ...snapshot.agent.value, etcd, cluster });
    return JSON.stringify(status({ ...snapshot, agent }));
  }

  test('names the way out when the others stay silent, not during an election', async () => {
    assert.match(await says(60_000), /promote-to-primary scope=unit force=true/);
    assert.doesNotMatch(await says(5000), /force=true/);
  });
});

function member(more: Partial<ClusterMember>): ClusterMember {
  return {
    name: 'postgresql-0',
    address: '10.0.0.10',
    role: 'replica',
    state: 'running',
    timeline: 1,
    lagBytes: 0,
    streaming: true,
    pendingRestart: false,
    tags: {},
    ...more,
  };
}
