/**
 * What each step of the charm does to the simulated cluster. The real lanes and priorities are
 * kept. A kind that is not here fails the simulation: no event on these units should want it.
 */
import type { StepTable } from '../../lib/charm/reconcile.ts';
import { AUTHORITY_FIELD, certificateField } from '../../lib/relations/postgresql-watcher.ts';
import { digestOf } from '../../lib/std/digest.ts';
import { OperatorError } from '../../lib/std/errors.ts';
import { leaveBy, type Open, openOf, waitsForClone } from '../../src/agent/decide/leaving.ts';
import { postgresql } from '../../src/charm/charm.ts';
import { etcdFacts, etcdMembers, IDENTITY } from '../../src/charm/model/etcd-facts.ts';
import { isTree, type Tree } from '../../src/charm/model/merge.ts';
import type { Snapshot } from '../../src/charm/model/snapshot.ts';
import type { ServiceName, Steps } from '../../src/charm/model/steps.ts';
import { namesField } from '../../src/charm/model/witness.ts';
import type { LeaveRequest } from '../../src/charm/workload/ports.ts';
import { SimEtcd, type SimMember } from './cluster-etcd.ts';
import type { SimUnit } from './cluster-unit.ts';
import type { Pending } from './cluster-view.ts';
import type { ClusterWorld } from './cluster-world.ts';

export interface Hook {
  world: ClusterWorld;
  unit: SimUnit;
  pending: Pending;
  /** The snapshot of this round. */
  seen: Snapshot;
}

type Effects = { [K in keyof Steps]?: (args: Steps[K], hook: Hook) => void | Promise<void> };

export function stepTable(): StepTable<Steps, Hook> {
  const entries = Object.entries(postgresql.steps).map(([kind, family]) => {
    const effect = EFFECTS[kind as keyof Steps] as
      | ((args: unknown, hook: Hook) => void | Promise<void>)
      | undefined;
    const apply = async (args: unknown, hook: Hook) => {
      if (effect === undefined) hook.world.violation(`${hook.unit.name} wants ${kind}`);
      await effect?.(args, hook);
      return undefined;
    };
    return [kind, { ...family, apply }];
  });
  return Object.fromEntries(entries);
}

const EFFECTS: Effects = {
  'create-app-secret': ({ fields }, { world, pending }) => {
    const made = fields.map((field) => [field, `secret of ${field}`]);
    pending.appSecret = { ...world.appSecret, ...Object.fromEntries(made) };
  },
  'keep-identity': ({ identifier }, { world, pending }) => {
    pending.appSecret = { ...(pending.appSecret ?? world.appSecret), [IDENTITY]: identifier };
  },
  'issue-certificate': ({ addresses }, { pending }) => {
    pending.certified = addresses;
  },
  'peer-set': ({ scope, data }, { pending }) => {
    Object.assign(scope === 'app' ? pending.app : pending.own, data);
  },
  'relation-set': ({ data }, { pending }) => void Object.assign(pending.offer, data),
  'certify-witnesses': ({ authority, requests }, { pending }) => {
    const answers = requests.flatMap(({ csr, names }) => [
      [certificateField(digestOf(csr)), `certificate of ${names.join(' ')}`],
      [namesField(digestOf(csr)), names.join(' ')],
    ]);
    pending.witnessSecret = { [AUTHORITY_FIELD]: authority, ...Object.fromEntries(answers) };
  },
  'write-file': ({ path, content }, { world, unit }) => {
    unit.write(path, content.reveal(), world.now);
  },
  'start-supervisor': (_, { world, unit }) => {
    unit.supervised = true;
    if (unit.services['patroni']?.running === false) unit.startPatroni(world.now);
    for (const [name, { wantedUp }] of Object.entries(unit.services)) {
      unit.change(name as ServiceName, { running: wantedUp });
    }
  },
  'start-service': ({ name, once = false }, hook) => {
    const { world, unit } = hook;
    if (once && unit.services[name]?.once) forgetFounding(hook);
    if (name === 'patroni') load(world, unit);
    unit.change(name, { wantedUp: !once, once, running: unit.supervised });
  },
  'keep-service': ({ name }, { unit }) => unit.change(name, { wantedUp: true, once: false }),
  'stop-service': ({ name }, { world, unit }) => {
    if (name === 'patroni') stopPatroni(world, unit);
    unit.change(name, { wantedUp: false, running: false });
  },
  'reload-service': ({ name, digest }, { unit }) => unit.change(name, { loaded: digest }),
  'restart-service': ({ name }, { world, unit }) => {
    if (name === 'patroni') load(world, unit);
  },
  'note-etcd-hosts': ({ hosts }, { unit }) => {
    unit.noted = [...hosts];
  },
  'apply-desired': (_, { world, unit }) => world.look(unit),
  'leave-cluster': (request, { world, unit }) => leave(world, unit, request),
  'remove-workload': (_, { world, unit }) => {
    if (unit.life !== 'dying') world.violation(`${unit.name} removes its workload`);
    if (unit.pg.alive) stopPatroni(world, unit);
    unit.services = {};
    unit.files = {};
  },
  'add-learner': ({ peerUrl }, hook) => changeVoters(hook, (etcd) => etcd.addLearner(peerUrl)),
  'promote-learner': ({ id }, hook) => {
    mustAnswer(hook, (each) => !each.learner || each.id === id);
    changeVoters(hook, (etcd) => etcd.promote(id, hook.world.now));
  },
  'remove-voter': ({ id }, hook) => removeVoter(hook, id),
  'remove-etcd-data': (_, { world, unit }) => {
    const { etcd } = unit;
    const member = etcd?.cluster.members.find(({ id }) => id === etcd.memberId);
    if (member !== undefined && !world.isReplaced(etcd?.cluster)) {
      world.violation(`${unit.name} removes the data of a member`);
    }
    unit.etcd = undefined;
    unit.etcdDirectory = false;
    unit.write(unit.layout.etcdConfig, undefined, world.now);
  },
  'forget-founding': (_, hook) => forgetFounding(hook),
  'set-data-aside': (_, { world, unit }) => {
    if (unit.pg.whole) world.violation(`${unit.name} gives up its data`);
    unit.pg.debris = false;
    unit.pg.systemIdentifier = undefined;
  },
  'patch-dynamic': ({ patch }, { world, unit }) => {
    const asked = [unit, ...world.units].find((each) => each.runs('patroni') && world.etcdOf(each));
    const etcd = asked && world.etcdOf(asked);
    if (etcd === undefined) throw unreachable('Patroni');
    etcd.dcs.dynamic = patched(etcd.dcs.dynamic, patch);
  },
  'reform-etcd': ({ epoch, systemIdentifier }, { world, unit, pending }) => {
    const founder = { name: unit.member, peerUrl: unit.peerUrl };
    const cluster = new SimEtcd(world.etcds.length + 1, founder);
    world.etcds.push(cluster);
    cluster.dcs.initialize = systemIdentifier;
    cluster.dcs.dynamic = structuredClone(unit.pg.dcs?.dcs.dynamic ?? {});
    unit.etcd = { cluster, memberId: cluster.members[0]?.id ?? '' };
    unit.etcdDirectory = true;
    const { layout } = unit;
    const token = [world.model, 'postgresql', epoch, ''].join(' ');
    const text = JSON.stringify({ 'initial-cluster-token': token }, null, 2);
    unit.write(layout.etcdConfig, text, world.now);
    unit.change('etcd', { wantedUp: true, running: unit.supervised });
    pending.own['etcd-reformed'] = String(epoch);
    const config = JSON.parse(unit.files[layout.patroniConfig] ?? '{}');
    config.etcd3.hosts = [unit.clientUrl.replace('https://', '')];
    unit.write(layout.patroniConfig, `${JSON.stringify(config, null, 2)}\n`, world.now);
    load(world, unit);
    unit.change('patroni', { wantedUp: true, running: unit.supervised, loaded: '' });
  },
};

function forgetFounding({ world, seen }: Hook): void {
  const etcd = world.etcdAt(etcdFacts(seen)?.endpoints ?? []);
  if (etcd === undefined || !world.hasMajority(etcd)) throw unreachable('etcd');
  if (etcd.dcs.initialize === '') etcd.dcs.initialize = undefined;
}

/** Patroni starts, or starts anew beside a PostgreSQL that goes on. */
function load(world: ClusterWorld, unit: SimUnit): void {
  const text = unit.files[unit.layout.patroniConfig];
  if (text === undefined) return;
  if ((unit.pg.cloneUntil ?? unit.pg.initUntil) !== undefined) unit.stopPostgres();
  unit.startPatroni(world.now);
  unit.change('patroni', { loaded: digestOf(text) });
}

/** An orderly end gives the leader's key back, when everything has reached the standbys. */
function stopPatroni(world: ClusterWorld, unit: SimUnit): void {
  if (unit.life === 'alive' && unit.pg.whole) {
    world.violation(`${unit.name} stays and its Patroni is stopped`);
  }
  const dcs = world.etcdOf(unit)?.dcs;
  if (dcs !== undefined && unit.runs('patroni')) {
    for (const other of world.streamingFrom(unit)) other.pg.position = unit.pg.position;
    if (dcs.leader?.member === unit.member) dcs.leader = undefined;
    dcs.members.delete(unit.member);
  }
  unit.stopPostgres();
}

/** Through any voter that the unit's databags name and that has a majority behind it. */
function changeVoters({ world, seen }: Hook, change: (etcd: SimEtcd) => void): void {
  const etcd = world.etcdAt(etcdFacts(seen)?.endpoints ?? []);
  if (etcd === undefined || !world.hasMajority(etcd)) throw unreachable('etcd');
  change(etcd);
  if (!world.hasMajority(etcd)) world.violation(`etcd ${etcd.serial} has lost its majority`);
}

/** What apply/etcd.ts asks just before: of these voters most answer now. */
function mustAnswer({ world, seen }: Hook, isVoterAfter: (member: SimMember) => boolean): void {
  const etcd = world.etcdAt(etcdFacts(seen)?.endpoints ?? []);
  if (etcd === undefined) throw unreachable('etcd');
  const after = etcd.members.filter(isVoterAfter);
  const answering = after.filter((each) => world.isAlive(etcd, each));
  if (answering.length <= after.length / 2) throw unreachable('most of the voters');
}

/** What the decider saw must leave a majority; that it still does is asked just before. */
function removeVoter(hook: Hook, id: string): void {
  const { world, unit, seen } = hook;
  const staying = (etcdMembers(seen) ?? []).filter((each) => each.id !== id && !each.learner);
  if (staying.filter(({ healthy }) => healthy).length <= staying.length / 2) {
    world.violation(`${unit.name} would leave etcd without a majority`);
  }
  mustAnswer(hook, (each) => !each.learner && each.id !== id);
  changeVoters(hook, (each) => each.remove(id));
}

/** The agent's work while the first hook of a leaving unit waits for it; see agent/leave.ts. */
async function leave(world: ClusterWorld, unit: SimUnit, request: LeaveRequest): Promise<void> {
  const { timeoutMs, heirs } = request;
  const startedAt = world.now;
  let since = startedAt;
  const look = (): Open | undefined => {
    world.look(unit);
    return unit.view && openOf(unit.view.world, unit.member, heirs);
  };
  for (;;) {
    if (look()?.copy === false) world.handOver(unit);
    const open = look();
    if (open === undefined || !(open.primary || open.voter || open.copy)) return;
    if (waitsForClone(open)) since = world.now;
    if (world.now >= leaveBy(open, { startedAt, since, timeoutMs })) return;
    for (const other of world.units) {
      if (other === unit || !other.runs('agent') || other.life !== 'alive') continue;
      for (const from of world.units) world.hear(other, from);
      world.look(other);
      await world.event(other, 'agent-notified');
    }
    world.pass(5000);
  }
}

function patched(tree: Tree, patch: Tree): Tree {
  const result = { ...tree };
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key];
    result[key] = isTree(value) ? patched(isTree(old) ? old : {}, value) : value;
  }
  return result;
}

function unreachable(what: string): OperatorError {
  return new OperatorError({ code: 'unreachable', message: `cannot reach ${what}`, retry: 'now' });
}
