/**
 * Who the unit and the application are to each other: passwords and the internal CA, the addresses
 * that members publish, and the certificate by which a member knows another.
 */
import { internalChain, internalTrust } from '../model/internal-ca.ts';
import { PORTS } from '../model/patroni-config.ts';
import { type Snapshot, ZONE } from '../model/snapshot.ts';
import { type Decider, step, waiting } from '../model/steps.ts';
import { fileStep } from './file.ts';

/** Fields of the application secret; their names are what operators and tests look for. */
export const SECRET_FIELDS = [
  'operator-password',
  'replication-password',
  'rewind-password',
  'monitoring-password',
  'patroni-password',
  'internal-ca',
  'internal-ca-key',
] as const;

export const passwords: Decider = (world) => {
  const fields = SECRET_FIELDS.filter((field) => world.appSecret?.content[field] === undefined);
  if (fields.length === 0) return [];
  if (!world.unit.isLeader) {
    return [waiting('no-passwords', 'waiting for the leader to make the passwords')];
  }
  return [step('create-app-secret', { fields }, 'the application has no passwords or CA yet')];
};

export const addresses: Decider = (world) => {
  const { address, clientAddress, zone } = world.unit;
  if (address === undefined || world.peers.relationId === undefined) {
    return [waiting('no-address', 'waiting for an address of the database-peers binding')];
  }
  const data = changed(world.peers.own, {
    ip: address,
    'database-peers-address': address,
    'database-address': clientAddress ?? address,
    ...(zone === undefined ? {} : { [ZONE]: zone }),
  });
  if (data === undefined) return [];
  return [step('peer-set', { scope: 'unit', data }, 'members find this unit by its address')];
};

export const certificate: Decider = (world) => {
  const wanted = certificateAddresses(world);
  const ca = internalTrust(world);
  if (wanted.length === 0 || ca === undefined) return [];
  const { certificate: held } = world;
  if (!held?.trusted || !wanted.every((address) => held.addresses.includes(address))) {
    const why = held === undefined ? 'it has none' : 'its address or the CA has changed';
    return [step('issue-certificate', { addresses: wanted }, why)];
  }
  const { tls } = world.layout;
  const key = world.unitSecret?.content['internal-key'] ?? '';
  const why = 'the certificate in force is another';
  return [
    ...fileStep(world, { path: tls.ca, text: ca, owner: 'servers', mode: 0o644 }, why),
    ...fileStep(world, { path: tls.key, text: key, owner: 'servers' }, why),
    ...fileStep(
      world,
      { path: tls.cert, text: internalChain(world), owner: 'servers', mode: 0o644 },
      why,
    ),
  ];
};

const CLIENT_PORTS = [PORTS.postgres, PORTS.pooler];

/** What clients connect to is open where the controller manages a firewall. */
export const ports: Decider = ({ openedPorts }) => {
  const closed = CLIENT_PORTS.filter((port) => !openedPorts.includes(`${port}/tcp`));
  return closed.length === 0 ? [] : [step('open-ports', { ports: closed }, 'clients use them')];
};

/** The unit's certificate is issued and all of its files are there. */
export function hasCertificate(world: Snapshot): boolean {
  const { ca, cert, key } = world.layout.tls;
  return [ca, cert, key].every((path) => world.files[path] !== undefined);
}

/**
 * Where the unit is reached, and where it comes from: etcd compares the source of a connection from
 * another member with the certificate that the member shows.
 */
function certificateAddresses({ unit }: Snapshot): string[] {
  if (unit.address === undefined) return [];
  const sources = unit.egress
    .map((network) => /^([^/]+)\/(?:32|128)$/.exec(network)?.[1])
    .filter((address) => address !== undefined);
  return [...new Set([unit.address, unit.clientAddress ?? unit.address, ...sources])];
}

/** The keys whose values differ, or undefined when none does. */
function changed(
  bag: Readonly<Record<string, string>>,
  wanted: Record<string, string>,
): Record<string, string> | undefined {
  const differing = Object.entries(wanted).filter(([key, value]) => bag[key] !== value);
  return differing.length === 0 ? undefined : Object.fromEntries(differing);
}
