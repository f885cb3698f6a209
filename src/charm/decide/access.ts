/**
 * Who may come from where: one rule for each client, from what its relation declares. Every unit
 * computes the same rules by itself, for PostgreSQL's HBA and for the pooler's.
 *
 * Decided from relations, never from the roles that exist: a rule is there before its user is, and
 * a cluster that is down loses nobody's access.
 */
import { unitSubnets } from '../../../lib/relations/subnets.ts';
import type { AccessRule } from '../model/desired.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { clientRole, clientsOf, requestOf } from './clients.ts';

/** One rule per client that may be served, ascending by relation. */
export function accessRules(world: Snapshot): AccessRule[] {
  const peers = peerNetworks(world);
  return clientsOf(world).flatMap((relation) => {
    const parsed = relation.ending ? undefined : requestOf(relation);
    if (!parsed?.ok) return [];
    // Every unit's pooler opens connections for the client, wherever the primary is.
    const own = relation.units.flatMap((unit) => unitSubnets(unit.data));
    const networks = [...new Set([...own, ...peers])].sort();
    const { database } = parsed.request;
    return [{ user: clientRole(relation.id), databases: [database], networks }];
  });
}

/** Where the connections of this application's own units come from. */
export function peerNetworks(world: Snapshot): string[] {
  const others = world.peers.others.flatMap((peer) => unitSubnets(peer.data));
  const own = unitSubnets({ 'egress-subnets': world.unit.egress.join(',') });
  return [...new Set([...own, ...others])].sort();
}

/** Where those come from who are no application: whence anybody may, and the units themselves. */
export function clientNetworks(world: Snapshot): string[] {
  const related = clientsOf(world).filter(({ ending }) => !ending);
  const networks = related.flatMap(({ units }) => units.flatMap(({ data }) => unitSubnets(data)));
  return [...new Set([...networks, ...peerNetworks(world)])].sort();
}

/** Lines of pg_hba.conf; `all` is PostgreSQL's keyword, every other name is meant literally. */
export function hbaLines(rules: readonly AccessRule[]): string[] {
  return rules.flatMap(({ user, databases, networks }) =>
    networks.map((network) => {
      const names = databases.map(word).join(',');
      return `host ${names} ${word(user)} ${network} scram-sha-256`;
    }),
  );
}

/** Quoted, a keyword is an ordinary name. */
function word(name: string): string {
  return name === 'all' ? name : `"${name.replaceAll('"', '""')}"`;
}
