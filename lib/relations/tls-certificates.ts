/**
 * The `tls-certificates` interface, version 1, both sides: units ask with signing requests in their
 * own databags, the provider answers in its application databag, matched by the request's text.
 *
 * Lenient in reading (an entry that is no use is left out, the others count), exact in writing.
 * Verifies nothing: whether a certificate is any good is for who has the key to say.
 */
import { z } from 'zod';
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

const requestShape = z.object({
  certificate_signing_request: z.string(),
  ca: z.boolean().nullish().catch(false),
});
const certificateShape = z.object({
  certificate_signing_request: z.string(),
  certificate: z.string(),
  ca: z.string(),
  chain: z.array(z.string()).nullish().catch([]),
  revoked: z.boolean().nullish().catch(false),
});

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
  return entries(unit[REQUESTS]).flatMap((entry) => {
    const parsed = requestShape.safeParse(entry);
    if (!parsed.success) return [];
    const csr = onePem(parsed.data.certificate_signing_request, 'CERTIFICATE REQUEST');
    return csr === undefined ? [] : [{ csr, isCa: parsed.data.ca ?? false }];
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
    const parsed = certificateShape.safeParse(entry);
    if (!parsed.success) return [];
    const { data } = parsed;
    const csr = onePem(data.certificate_signing_request, 'CERTIFICATE REQUEST');
    const ca = onePem(data.ca, 'CERTIFICATE');
    // Some providers put the whole chain here; the certificate stands first.
    const [certificate, ...more] = pemBlocks(data.certificate, 'CERTIFICATE');
    if (csr === undefined || ca === undefined || certificate === undefined) return [];
    const chain = (data.chain ?? []).flatMap((text) => pemBlocks(text, 'CERTIFICATE'));
    const revoked = data.revoked ?? false;
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

const refusalShape = z.object({ csr: z.string(), error: z.object({ message: z.string() }) });

/** Requests that a provider has said it will not sign. */
export function readRefusals(app: Databag): Refusal[] {
  return entries(app[REFUSALS]).flatMap((entry) => {
    const parsed = refusalShape.safeParse(entry);
    const csr = parsed.success ? onePem(parsed.data.csr, 'CERTIFICATE REQUEST') : undefined;
    if (!parsed.success || csr === undefined) return [];
    return [{ csr, message: parsed.data.error.message.replace(/\s+/g, ' ').slice(0, 200) }];
  });
}

function entries(json: string | undefined): unknown[] {
  const parsed = json === undefined ? undefined : parseJson(json);
  return Array.isArray(parsed) ? parsed.slice(0, MAX_ENTRIES) : [];
}
