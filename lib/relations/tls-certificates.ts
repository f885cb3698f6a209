/**
 * The `tls-certificates` interface, version 1, both sides: units ask with signing requests in their
 * own databags, the provider answers in its application databag, matched by the request's text.
 *
 * Lenient in reading (an entry that is no use is left out, the others count), exact in writing.
 * Verifies nothing: whether a certificate is any good is for who has the key to say.
 */
import type { Databag } from './databag.ts';
import { parseJson } from './databag.ts';
import { onePem, pemBlocks } from './pem.ts';

const REQUESTS = 'certificate_signing_requests';
const CERTIFICATES = 'certificates';
const REFUSALS = 'request_errors';
/** Of one databag: whoever sends more means harm. */
const MAX_ENTRIES = 1000;

export interface SigningRequest {
  /** PEM, canonical. */
  csr: string;
  /** The requirer wants to be an authority itself. */
  isCa: boolean;
}

export interface IssuedCertificate {
  /** The request that it answers: PEM, canonical. */
  csr: string;
  /** PEM, canonical, each. */
  certificate: string;
  ca: string;
  /** From the certificate or its issuer up to the root, as the provider orders it. */
  chain: string[];
  revoked: boolean;
}

/** A request that the provider will not sign. */
export interface Refusal {
  csr: string;
  /** For people. */
  message: string;
}

/** The requirer's unit databag. */
export function requestsData(requests: readonly SigningRequest[]): Record<string, string> {
  const list = requests.map(({ csr, isCa }) => ({ certificate_signing_request: csr, ca: isCa }));
  return { [REQUESTS]: JSON.stringify(list) };
}

/** What a unit asks for; empty as long as it has not asked. */
export function readRequests(unit: Databag): SigningRequest[] {
  return entries(unit[REQUESTS]).flatMap(({ certificate_signing_request: text, ca }) => {
    const csr = onePem(text, 'CERTIFICATE REQUEST');
    return csr === undefined ? [] : [{ csr, isCa: ca === true }];
  });
}

/** The provider's application databag; without entries the key goes. */
export function certificatesData(
  issued: readonly IssuedCertificate[],
): Record<string, string | undefined> {
  const list = issued.map(({ csr, certificate, ca, chain, revoked }) => ({
    ca,
    certificate_signing_request: csr,
    certificate,
    chain,
    revoked,
  }));
  return { [CERTIFICATES]: list.length === 0 ? undefined : JSON.stringify(list) };
}

/** What a provider has issued, to any unit. */
export function readCertificates(app: Databag): IssuedCertificate[] {
  return entries(app[CERTIFICATES]).flatMap((entry) => {
    const csr = onePem(entry['certificate_signing_request'], 'CERTIFICATE REQUEST');
    const ca = onePem(entry['ca'], 'CERTIFICATE');
    // Some providers put the whole chain here; the certificate stands first.
    const [certificate, ...more] = blocks(entry['certificate']);
    if (csr === undefined || ca === undefined || certificate === undefined) return [];
    const chain = Array.isArray(entry['chain']) ? entry['chain'].flatMap(blocks) : [];
    const revoked = entry['revoked'] === true;
    return [{ csr, certificate, ca, chain: [...more, ...chain], revoked }];
  });
}

/** The provider's application databag, beside the certificates; without refusals the key goes. */
export function refusalsData(refusals: readonly Refusal[]): Record<string, string | undefined> {
  const list = refusals.map(({ csr, message }) => ({ csr, error: { ...OTHER_ERROR, message } }));
  return { [REFUSALS]: list.length === 0 ? undefined : JSON.stringify(list) };
}

/** The interface numbers a few reasons; this one stands for every other. */
const OTHER_ERROR = { code: 999, name: 'OTHER' };

/** Requests that a provider has said it will not sign. */
export function readRefusals(app: Databag): Refusal[] {
  return entries(app[REFUSALS]).flatMap(({ csr: text, error }) => {
    const csr = onePem(text, 'CERTIFICATE REQUEST');
    const message = isEntry(error) ? error['message'] : undefined;
    if (csr === undefined || typeof message !== 'string') return [];
    return [{ csr, message: message.replace(/\s+/g, ' ').slice(0, 200) }];
  });
}

/** Checked by hand: a library that does it would cost every hook more than all else it loads. */
type Entry = Readonly<Record<string, unknown>>;

function entries(json: string | undefined): Entry[] {
  const parsed = json === undefined ? undefined : parseJson(json);
  return Array.isArray(parsed) ? parsed.slice(0, MAX_ENTRIES).filter(isEntry) : [];
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function blocks(text: unknown): string[] {
  return typeof text === 'string' ? pemBlocks(text, 'CERTIFICATE') : [];
}
