/**
 * Certificates that somebody else issues to this unit: for what clients reach
 * (`client-certificates`) and for Patroni's REST interface (`peer-certificates`). What is known of
 * them, where they lie, and whom they make this application trust. Reads no file and no clock.
 *
 * A certificate and its key lie in files named by their content, so a new one changes the
 * configuration that names it, and every program reloads as after any other change.
 */
import { readCertificates } from '../../../lib/relations/tls-certificates.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import type { Secret } from '../../../lib/std/secret.ts';
import { internalCopy, internalTrust } from './internal-ca.ts';
import type { Layout } from './layout.ts';
import type { Relation, Snapshot } from './snapshot.ts';

export const CERTIFICATE_ENDPOINTS = ['client-certificates', 'peer-certificates'] as const;
export type CertificateEndpoint = (typeof CERTIFICATE_ENDPOINTS)[number];

export interface Certificates {
  readonly endpoints: Readonly<Record<CertificateEndpoint, CertificateState>>;
  /** The machine's own name, where it can stand in a certificate. */
  readonly hostName: string | undefined;
  /** CAs of `receive-ca-cert` that can be read, PEM. */
  readonly received: readonly string[];
  /** Patroni was last told to reload so long ago that it has, and PostgreSQL with it. */
  readonly settled: boolean;
}

export interface CertificateState {
  /** What this unit asks for, out of its secret. */
  readonly request: { readonly csr: string; readonly names: string } | undefined;
  /** What the provider answers to exactly that request. */
  readonly offer: Offer | undefined;
  /** What is in force. */
  readonly held: Held | undefined;
}

/** Why a certificate cannot be put in force. */
export type Fault = 'other-key' | 'other-authority' | 'expired';

export interface Offer {
  /** Names the content: certificate, key and authorities. */
  readonly id: string;
  /** The certificate and what leads from it to a root, PEM. */
  readonly chain: string;
  readonly key: Secret;
  readonly authority: string;
  readonly revoked: boolean;
  readonly fault: Fault | undefined;
  /** Nine tenths of its life are over. */
  readonly due: boolean;
}

export interface Held {
  readonly id: string;
  readonly authority: string;
  readonly expired: boolean;
  /** Moments, in milliseconds since 1970, at which the charm has to look at it again. */
  readonly lookAt: readonly number[];
}

const NOTHING: CertificateState = { request: undefined, offer: undefined, held: undefined };
export const NO_CERTIFICATES: Certificates = {
  endpoints: { 'client-certificates': NOTHING, 'peer-certificates': NOTHING },
  hostName: undefined,
  received: [],
  settled: true,
};

/** Label of the unit's secret with the key and the request; the name is the reference's. */
export function requestLabel(unitNumber: number, endpoint: CertificateEndpoint): string {
  return `afd8c2bccf834997afce12c2706d2ede-private-key-${unitNumber}-${endpoint}`;
}

/** `client` or `peer`: how its files begin. */
export function kindOf(endpoint: CertificateEndpoint): string {
  return endpoint.slice(0, endpoint.indexOf('-'));
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

export function certificateFiles(
  { tlsDirectory }: Layout,
  endpoint: CertificateEndpoint,
  id: string,
): CertificateFiles {
  const stem = `${tlsDirectory}/${kindOf(endpoint)}-${id}`;
  return { cert: `${stem}.cert.pem`, key: `${stem}.key.pem` };
}

/** Says which of the files are in force: the last that were accepted. */
export function markerFile({ tlsDirectory }: Layout, endpoint: CertificateEndpoint): string {
  return `${tlsDirectory}/${kindOf(endpoint)}.json`;
}

export function relationOf(world: Snapshot, endpoint: string): Relation | undefined {
  return world.relations.find((each) => each.endpoint === endpoint && !each.ending);
}

/** Files of the certificate that PostgreSQL and the pooler show clients; undefined: no TLS. */
export function clientFiles(world: Snapshot): CertificateFiles | undefined {
  return inForce(world, 'client-certificates');
}

/**
 * What Patroni shows at its REST interface. One that has expired would cut members off from each
 * other: then the internal one serves, which they all trust.
 */
export function restFiles(world: Snapshot): CertificateFiles & { ca: string } {
  const { tls } = world.layout;
  const held = world.certificates.endpoints['peer-certificates'].held;
  const files = held?.expired === false ? inForce(world, 'peer-certificates') : undefined;
  const trust = restTrust(world);
  const ca = trust !== undefined && world.files[trust.path] === trust.text ? trust.path : tls.ca;
  return { ...(files ?? internalFiles(world)), ca };
}

function internalFiles(world: Snapshot): CertificateFiles {
  const copy = internalCopy(world);
  const there = copy && world.files[copy.cert.path] && world.files[copy.key.path];
  if (copy !== undefined && there) return { cert: copy.cert.path, key: copy.key.path };
  const { cert, key } = world.layout.tls;
  return { cert, key };
}

function inForce(world: Snapshot, endpoint: CertificateEndpoint): CertificateFiles | undefined {
  const { held } = world.certificates.endpoints[endpoint];
  if (held === undefined || relationOf(world, endpoint) === undefined) return undefined;
  return certificateFiles(world.layout, endpoint, held.id);
}

/**
 * Whom members trust at each other's REST interface: the internal CA always, and beside it whoever
 * issues, or has issued what a member still shows. Undefined: nobody but the internal CA.
 */
export function restTrust(world: Snapshot): { path: string; text: string } | undefined {
  const internal = internalTrust(world);
  const others = authoritiesOf(world, 'peer-certificates');
  if (internal === undefined || others.length === 0) return undefined;
  const text = `${[internal.trim(), ...others].join('\n')}\n`;
  return { path: `${world.layout.tlsDirectory}/peer-ca-${digestOf(text)}.pem`, text };
}

/**
 * The CAs that clients need in order to trust every unit, the one of this unit first; undefined as
 * long as this unit shows no certificate. During a change of the CA both are among them.
 */
export function clientAuthorities(world: Snapshot): string[] | undefined {
  const { held } = world.certificates.endpoints['client-certificates'];
  if (held === undefined || clientFiles(world) === undefined) return undefined;
  return [...new Set([held.authority, ...authoritiesOf(world, 'client-certificates')])];
}

/** Moments at which a certificate has to be renewed or ends, ascending. */
export function lookAgainAt({ certificates }: Snapshot): number[] {
  const all = Object.values(certificates.endpoints).flatMap(({ held }) => held?.lookAt ?? []);
  return [...new Set(all)].sort((a, b) => a - b);
}

/** Key of a unit's databag under which the others find whose certificate it shows. */
export function authorityFact(endpoint: CertificateEndpoint): string {
  return `${kindOf(endpoint)}-ca`;
}

function authoritiesOf(world: Snapshot, endpoint: CertificateEndpoint): string[] {
  const relation = relationOf(world, endpoint);
  const issuing = readCertificates(relation?.remoteApp ?? {}).map(({ ca }) => ca);
  const shown = world.peers.others
    .filter(({ dying }) => !dying)
    .map(({ data }) => data[authorityFact(endpoint)] ?? '');
  const own = world.certificates.endpoints[endpoint].held?.authority ?? '';
  return [...new Set([...issuing, ...shown, own])].filter((pem) => pem !== '').sort();
}
