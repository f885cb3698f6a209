/**
 * What etcd and Patroni of each unit do between hooks: start, join, clone, elect, follow, and go on
 * or stop when etcd is out of reach. As the real ones, they ask nobody whether it is wise.
 */
import { SimEtcd } from './cluster-etcd.ts';
import { LEARNS_AFTER_MS, type SimUnit } from './cluster-unit.ts';
import type { ClusterWorld } from './cluster-world.ts';

const TTL_MS = 30_000;

/** etcd with an empty directory founds or joins, as its configuration says. */
export function etcdTurn(world: ClusterWorld, unit: SimUnit): void {
  const text = unit.files[unit.layout.etcdConfig];
  if (!unit.runs('etcd') || text === undefined || unit.etcd !== undefined) return;
  // Made before etcd looks at the cluster that it should join (server.go, NewServer).
  unit.etcdDirectory = true;
  const config = JSON.parse(text) as Record<string, string>;
  if (config['initial-cluster-state'] === 'new') {
    const founder = { name: unit.member, peerUrl: unit.peerUrl };
    const cluster = new SimEtcd(world.etcds.length + 1, founder);
    world.etcds.push(cluster);
    world.note(`${unit.name} founds etcd ${cluster.serial}`);
    unit.etcd = { cluster, memberId: cluster.members[0]?.id ?? '' };
    return;
  }
  const peers = (config['initial-cluster'] ?? '').split(',').map((pair) => pair.split('=')[1]);
  const found = world.units.find(
    (other) => other !== unit && other.etcdRuns && peers.includes(other.peerUrl),
  );
  const cluster = found?.etcd?.cluster;
  if (cluster === undefined || !world.hasMajority(cluster)) return;
  const member = cluster.members.find((each) => each.peerUrl === unit.peerUrl);
  if (member === undefined || member.name !== '') return;
  // etcd compares the two lists and refuses to start (membership/cluster.go).
  const actual = cluster.members.map(({ peerUrl }) => peerUrl);
  if (actual.toSorted().join() !== peers.toSorted().join()) return;
  member.name = unit.member;
  member.syncedAt = world.now + world.below(8000);
  unit.etcd = { cluster, memberId: member.id };
}

export function patroniTurn(world: ClusterWorld, unit: SimUnit): void {
  if (!unit.runs('patroni')) return;
  const { pg } = unit;
  const etcd = world.etcdOf(unit);
  if (etcd === undefined) {
    withoutEtcd(world, unit);
    return;
  }
  pg.dcs = etcd;
  const { dcs } = etcd;
  if (world.now - unit.hostsAt > LEARNS_AFTER_MS) {
    const voters = world.units.filter((each) => each.etcd?.cluster === etcd && each.etcdRuns);
    unit.hosts = [...new Set([...unit.configured, ...voters.map(({ clientUrl }) => clientUrl)])];
    unit.hostsAt = world.now;
  }
  if (pg.systemIdentifier === undefined) {
    withoutData(world, unit, etcd);
    return;
  }
  if (!dcs.initialize && !pg.whole) {
    world.violation(`${unit.name} adopts a database whose making was cut short`);
  }
  if (dcs.initialize && dcs.initialize !== pg.systemIdentifier) {
    // "system ID mismatch": it ends.
    unit.stopPostgres();
    return;
  }
  dcs.members.set(unit.member, world.now + TTL_MS);
  if (!pg.alive) {
    pg.alive = true;
    pg.role = 'replica';
  }
  const holder = dcs.leader;
  if (holder?.member !== unit.member && holder !== undefined && holder.until > world.now) {
    follow(world, unit, holder.member);
  } else if (holder?.member === unit.member || mayLead(world, unit, etcd)) {
    lead(world, unit, etcd);
  } else {
    pg.role = 'replica';
  }
}

/** With failsafe_mode a primary goes on while every member answers; without, it stops writing. */
function withoutEtcd(world: ClusterWorld, unit: SimUnit): void {
  const { pg } = unit;
  if (!unit.isWritable) return;
  const others = pg.failsafe.filter((member) => member !== unit.member);
  const answering = others.map((member) => world.units.find((each) => each.member === member));
  if (answering.every((other) => other?.runs('patroni'))) {
    for (const other of answering) if (other) other.pg.quietUntil = world.now + TTL_MS;
    return;
  }
  world.note(`${unit.name} stops writing: no etcd`);
  pg.role = 'replica';
}

function withoutData(world: ClusterWorld, unit: SimUnit, etcd: SimEtcd): void {
  const { pg } = unit;
  const { dcs } = etcd;
  dcs.members.set(unit.member, world.now + TTL_MS);
  // It says that it is stopped, for as long as nobody helps.
  if (pg.debris) return;
  if (!dcs.initialize) {
    bootstrap(world, unit, etcd);
    return;
  }
  const primary = world.units.find((each) => each.isWritable && each.pg.dcs === etcd);
  if (primary === undefined) {
    // Patroni itself removes what a failed clone leaves.
    pg.cloneUntil = undefined;
    return;
  }
  pg.cloneUntil ??= world.now + world.below(20_000);
  if (pg.cloneUntil > world.now) return;
  pg.cloneUntil = undefined;
  pg.systemIdentifier = primary.pg.systemIdentifier;
  pg.whole = true;
  pg.alive = true;
  follow(world, unit, primary.member);
}

/** Only where its configuration says how, and where nobody else has begun. */
function bootstrap(world: ClusterWorld, unit: SimUnit, { dcs }: SimEtcd): void {
  const text = unit.files[unit.layout.patroniConfig] ?? '{}';
  const { bootstrap: settings } = JSON.parse(text) as { bootstrap?: { dcs?: object } };
  const { pg } = unit;
  if (pg.initUntil === undefined) {
    if (settings === undefined || dcs.initialize === '') return;
    // The answer comes too late: it asks again, and is told that somebody has begun already.
    if (world.below(10) === 0) {
      dcs.initialize = '';
      return;
    }
    world.begins(unit);
    dcs.initialize = '';
    pg.initUntil = world.now + world.below(8000);
  }
  if (pg.initUntil > world.now) return;
  const identifier = `71000000000000000${world.identifiers.size + 10}`;
  world.identifiers.add(identifier);
  pg.initUntil = undefined;
  pg.whole = true;
  pg.systemIdentifier = identifier;
  pg.alive = true;
  pg.role = 'primary';
  pg.timeline = 1;
  dcs.initialize = identifier;
  // Without settings of the charm's Patroni writes its own defaults.
  dcs.dynamic = structuredClone({ ttl: 30, loop_wait: 10, ...settings?.dcs });
  dcs.leader = { member: unit.member, until: world.now + TTL_MS };
  // The agent beside it begins the record of who is synchronous, long before a clone is whole.
  if (unit.runs('agent')) dcs.sync = [unit.member];
}

function follow(world: ClusterWorld, unit: SimUnit, leader: string): void {
  const { pg } = unit;
  pg.role = 'replica';
  const primary = world.units.find(({ member }) => member === leader);
  if (primary?.isWritable !== true) return;
  // What is ahead of the primary is rewound.
  pg.position = primary.pg.position;
  pg.timeline = primary.pg.timeline;
}

/** Only who had confirmed everything may take over, and of them who is the farthest. */
function mayLead(world: ClusterWorld, unit: SimUnit, { dcs }: SimEtcd): boolean {
  if (unit.pg.quietUntil > world.now) return false;
  const isAllowed = ({ member }: SimUnit) => dcs.sync.length === 0 || dcs.sync.includes(member);
  const rivals = world.units.filter((each) => each.runs('patroni') && each.pg.alive);
  const best = Math.max(...rivals.filter(isAllowed).map(({ pg }) => pg.position));
  return isAllowed(unit) && unit.pg.position >= best;
}

function lead(world: ClusterWorld, unit: SimUnit, { dcs }: SimEtcd): void {
  const { pg } = unit;
  if (pg.role !== 'primary') {
    pg.role = 'primary';
    pg.timeline++;
    world.note(`${unit.name} is promoted, timeline ${pg.timeline}`);
  }
  dcs.initialize ||= pg.systemIdentifier;
  dcs.leader = { member: unit.member, until: world.now + TTL_MS };
  const standbys = world.streamingFrom(unit).map(({ member }) => member);
  const count = Number(dcs.dynamic['synchronous_node_count'] ?? 1);
  dcs.sync = [unit.member, ...standbys.slice(0, count)];
  const present = [...dcs.members].filter(([, until]) => until > world.now);
  pg.failsafe = present.map(([member]) => member);
  pg.position++;
}
