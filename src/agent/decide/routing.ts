/**
 * Where the pooler should lead, from what is known of the cluster and where it leads now. Pure.
 *
 * What is unknown changes nothing: a pooler that leads to the last primary is right in every case
 * but a failover, and then nobody knows better yet.
 */
import type { Desired } from '../../charm/model/desired.ts';
import type { ClusterMember, ClusterView, Observed } from '../../charm/model/world.ts';

export interface Route {
  readonly primary: string | undefined;
  /** Sorted addresses of replicas fit for reading. */
  readonly readers: readonly string[];
}

export interface RoutingInput {
  readonly now: Route;
  readonly cluster: Observed<ClusterView>;
  /** Address at which our own connection found a server out of recovery. */
  readonly confirmed: string | undefined;
  /** How long Patroni has named the present primary without that confirmation. */
  readonly unconfirmedMs: number;
  /** False while nobody can say who streams; then readers stay as they are. */
  readonly replicationKnown: boolean;
  /** A reader goes out above this lag, and comes in below a quarter of it: none flutters. */
  readonly readerLagBytes: number;
}

/** Patroni's word alone is enough after this time: our own login may be what does not work. */
export const TRUST_PATRONI_MS = 3000;

export const NO_ROUTE: Route = { primary: undefined, readers: [] };

export function decideRoute(input: RoutingInput): Route {
  const { now, cluster } = input;
  if (!cluster.known) return now;
  const leader = cluster.value.members.find((member) => member.role === 'primary');
  const primary = decidePrimary(leader, input);
  return { primary, readers: decideReaders(primary, cluster.value, input) };
}

function decidePrimary(leader: ClusterMember | undefined, input: RoutingInput): string | undefined {
  if (leader === undefined || leader.address === '') return input.now.primary;
  // Clients that reach a server before it has left recovery get errors; they wait in the pool.
  const certain = leader.address === input.confirmed || input.unconfirmedMs >= TRUST_PATRONI_MS;
  return certain ? leader.address : input.now.primary;
}

function decideReaders(
  primary: string | undefined,
  cluster: ClusterView,
  input: RoutingInput,
): string[] {
  const fit = (member: ClusterMember): boolean => {
    if (member.address === '' || member.address === primary || member.role === 'primary') {
      return false;
    }
    if (member.tags['noloadbalance'] === true) return false;
    const reads = input.now.readers.includes(member.address);
    if (!input.replicationKnown) return reads;
    const limit = reads ? input.readerLagBytes : input.readerLagBytes / 4;
    return member.streaming && (member.lagBytes ?? Number.POSITIVE_INFINITY) <= limit;
  };
  return cluster.members
    .filter(fit)
    .map((member) => member.address)
    .toSorted();
}

/** Of the readers those in this unit's zone; all of them where that is not known, or has none. */
export function nearest(
  readers: readonly string[],
  { members, unit }: Pick<Desired, 'members' | 'unit'>,
): readonly string[] {
  const zone = members.find((member) => member.unit === unit.name)?.zone;
  if (zone === undefined) return readers;
  const near = members.filter((member) => member.zone === zone).map(({ address }) => address);
  const found = readers.filter((address) => near.includes(address));
  return found.length > 0 ? found : readers;
}
