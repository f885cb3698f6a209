/**
 * The `postgresql_watcher` interface as pgcharm speaks it: a cluster that keeps its state in etcd,
 * and a watcher that holds one more member of that etcd. Endpoint, interface and the keys that mean
 * the same are the reference's; its other keys are about Raft, which nobody has here.
 *
 * Both sides, text only. What is read comes from others: what is not an address, a request or an
 * identifier is as if it were not there.
 */
import { changedKeys, type Databag, type DatabagChange, parseJson } from './databag.ts';
import { onePem } from './pem.ts';
import { parseSubnet, unitSubnets } from './subnets.ts';

/** A member of the cluster's etcd. */
export interface WatchedMember {
  /** Hexadecimal. */
  id: string;
  /** Empty until it has started once. */
  name: string;
  peerUrl: string;
  learner: boolean;
}

/** What the cluster's leader tells the watcher, in the application databag. */
export interface WatcherOffer {
  /** Name of the cluster: of its application. */
  cluster: string;
  /** URI of the secret with its CA and the certificates that it has issued. */
  certificates: string;
  members: readonly WatchedMember[];
  /** The last membership that was given to an address, also when it has ended. */
  memberships: Readonly<Record<string, { id: string; name: string }>>;
}

/** What a unit of the watcher says of itself. */
export interface WatcherUnit {
  address: string;
  zone: string | undefined;
  /** Request for a certificate, PEM. */
  request: string;
  /** Addresses that its connections come from. */
  sources: readonly string[];
  /** Digest of the CA that it trusts; undefined: it has no certificate in force. */
  trusts: string | undefined;
  /** Id of the last membership of which nothing is left on its disk. */
  finished: string | undefined;
}

/** Fields of the secret: the CA, and the certificate that answers a request. */
export const AUTHORITY_FIELD = 'authority';
export const certificateField = (requestDigest: string): string => `certificate-${requestDigest}`;

const KEYS = {
  cluster: 'cluster-name',
  certificates: 'certificate-secret-id',
  members: 'etcd-members',
  memberships: 'etcd-memberships',
} as const;

/** Application databag of the cluster: the keys that are out of date. */
export function offerChanges(offer: WatcherOffer, current: Databag): DatabagChange {
  const { members, memberships } = offer;
  const sorted = Object.entries(memberships).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const wanted = {
    [KEYS.cluster]: offer.cluster,
    [KEYS.certificates]: offer.certificates,
    [KEYS.members]: JSON.stringify(members.map(memberText)),
    [KEYS.memberships]: JSON.stringify(Object.fromEntries(sorted)),
  };
  return changedKeys(wanted, current);
}

/** Undefined until the cluster has issued certificates. */
export function readOffer(bag: Databag): WatcherOffer | undefined {
  const { [KEYS.cluster]: cluster = '', [KEYS.certificates]: certificates = '' } = bag;
  if (cluster === '' || certificates === '') return undefined;
  const members = parseJson(bag[KEYS.members] ?? '');
  return {
    cluster,
    certificates,
    members: Array.isArray(members) ? members.filter(isMember).map(memberText) : [],
    memberships: readMemberships(bag),
  };
}

export function readMemberships(bag: Databag): WatcherOffer['memberships'] {
  const value = parseJson(bag[KEYS.memberships] ?? '');
  const entries: [string, unknown][] =
    typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const read = entries.flatMap(([address, said]) => {
    const { id, name } = (said ?? {}) as { id?: unknown; name?: unknown };
    return isId(id) && isName(name) ? [[address, { id, name }] as const] : [];
  });
  return Object.fromEntries(read);
}

/** Unit databag of the watcher: the keys that are out of date. */
export function unitChanges(unit: Omit<WatcherUnit, 'sources'>, current: Databag): DatabagChange {
  const wanted = {
    'unit-address': unit.address,
    'unit-az': unit.zone,
    csr: unit.request,
    'trusted-ca': unit.trusts,
    'finished-membership': unit.finished,
  };
  return changedKeys(wanted, current);
}

/** Undefined while it has not asked for a certificate, or asks for none that could be given. */
export function readUnit(bag: Databag): WatcherUnit | undefined {
  const { 'unit-address': address = '', csr = '' } = bag;
  const request = onePem(csr, 'CERTIFICATE REQUEST');
  if (single(parseSubnet(address)) !== address || request === undefined) return undefined;
  const { 'unit-az': zone, 'trusted-ca': trusts, 'finished-membership': finished } = bag;
  return {
    address,
    zone,
    request,
    sources: unitSubnets(bag).flatMap((network) => single(network) ?? []),
    trusts,
    finished: isId(finished) ? finished : undefined,
  };
}

/** The address of a network of one. */
function single(network: string | undefined): string | undefined {
  return /^([^/]+)\/(?:32|128)$/.exec(network ?? '')?.[1];
}

function memberText({ id, name, peerUrl, learner }: WatchedMember): WatchedMember {
  return { id, name, peerUrl, learner };
}

function isMember(value: unknown): value is WatchedMember {
  const { id, name, peerUrl, learner } = (value ?? {}) as Partial<WatchedMember>;
  const isUrl = typeof peerUrl === 'string' && /^https:\/\/[^\s,=]+$/.test(peerUrl);
  return isId(id) && (name === '' || isName(name)) && isUrl && typeof learner === 'boolean';
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{1,16}$/.test(value);
}

/** It becomes part of etcd's list of members, in which `=` and `,` separate. */
function isName(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z0-9][a-z0-9-]*$/.test(value);
}
