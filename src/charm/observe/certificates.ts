/**
 * What others have issued to this unit: the request in its secret, the provider's answer to exactly
 * that request, and what lies in force on its disk. Compares times with the clock, so that deciders
 * need none. Writes nothing.
 */
import { hostname } from 'node:os';
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { readTransfer } from '../../../lib/relations/certificate-transfer.ts';
import {
  type IssuedCertificate,
  readCertificates,
} from '../../../lib/relations/tls-certificates.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { readNow, statNow } from '../../../lib/std/files.ts';
import { Secret } from '../../../lib/std/secret.ts';
import {
  type CertificateView,
  isIssuedBy,
  keyFits,
  presentedChain,
  viewCertificate,
} from '../../../lib/x509/inspect.ts';
import {
  CERTIFICATE_ENDPOINTS,
  type CertificateEndpoint,
  type CertificateState,
  type Certificates,
  certificateFiles,
  type Fault,
  type Held,
  markerFile,
  type Offer,
  requestLabel,
} from '../model/certificates.ts';
import type { Layout } from '../model/layout.ts';
import type { Relation } from '../model/snapshot.ts';
import { loadedFile } from '../workload/services.ts';

/** Of a certificate's life; what the reference's library does too. */
const RENEW_AFTER = 0.9;
/** A provider whose certificates are due when they arrive is not asked without a pause. */
const MIN_ASK_MS = 60_000;
/** Patroni reloads at its next turn, of which there is one a second, and tells PostgreSQL. */
const RELOAD_MS = 15_000;

export async function observeCertificates(
  hooks: Hooks,
  context: HookContext,
  { layout, relations }: { layout: Layout; relations: readonly Relation[] },
): Promise<Certificates> {
  const now = Date.now();
  const states = CERTIFICATE_ENDPOINTS.map(async (endpoint) => {
    const relation = relations.find((each) => each.endpoint === endpoint);
    const marker = readNow(markerFile(layout, endpoint));
    const involved = relation !== undefined || marker !== undefined;
    const label = requestLabel(context.unitNumber, endpoint);
    const content = involved ? await hooks.secretGet({ label }, 'peek') : undefined;
    const issued = readCertificates(relation?.remoteApp ?? {});
    const state: CertificateState = {
      request: requestOf(content),
      offer: offerOf(content, issued, now),
      held: heldOf(layout, endpoint, marker, now),
    };
    return [endpoint, state] as const;
  });
  return {
    endpoints: Object.fromEntries(await Promise.all(states)) as Certificates['endpoints'],
    hostName: nameInCertificates(hostname()),
    received: receivedAuthorities(relations),
    settled: now - toldAt(layout) > RELOAD_MS,
  };
}

/** When a hook last noted what Patroni reads. */
function toldAt(layout: Layout): number {
  return statNow(loadedFile(layout, 'patroni'))?.mtimeMs ?? 0;
}

/** CAs that the related applications tell to trust, as far as they are certificates. */
export function receivedAuthorities(relations: readonly Relation[]): string[] {
  const told = relations
    .filter(({ endpoint, ending }) => endpoint === 'receive-ca-cert' && !ending)
    .flatMap(({ remoteApp, units }) =>
      readTransfer(
        remoteApp,
        units.map(({ data }) => data),
      ),
    );
  return [...new Set(told)].filter((pem) => viewCertificate(pem) !== undefined).sort();
}

type Content = Readonly<Record<string, string>> | undefined;

function requestOf(content: Content): CertificateState['request'] {
  const { csr, names } = content ?? {};
  return csr === undefined || names === undefined ? undefined : { csr, names };
}

/** @param content of the secret: `private-key`, `csr`, `names`, `asked-at` */
export function offerOf(
  content: Content,
  issued: readonly IssuedCertificate[],
  now: number,
): Offer | undefined {
  const { 'private-key': key, csr, 'asked-at': askedAt } = content ?? {};
  const entry = issued.find((candidate) => candidate.csr === csr);
  const view = entry && viewCertificate(entry.certificate);
  if (entry === undefined || key === undefined || view === undefined) return undefined;
  const chain = `${presentedChain(entry.certificate, entry.chain).join('\n')}\n`;
  const [renewAt = 0] = momentsOf(view);
  return {
    id: digestOf([chain, key, entry.ca].join('\n')),
    chain,
    key: new Secret(key),
    authority: entry.ca,
    revoked: entry.revoked,
    fault: faultOf(entry, key, view.notAfter <= now),
    due: now >= Math.max(renewAt, Number(askedAt ?? 0) + MIN_ASK_MS),
  };
}

function faultOf(entry: IssuedCertificate, key: string, expired: boolean): Fault | undefined {
  if (!keyFits(entry.certificate, key)) return 'other-key';
  if (!isIssuedBy(entry.certificate, entry.ca, entry.chain)) return 'other-authority';
  return expired ? 'expired' : undefined;
}

function heldOf(
  layout: Layout,
  endpoint: CertificateEndpoint,
  marker: string | undefined,
  now: number,
): Held | undefined {
  const { id, authority } = parseMarker(marker);
  if (id === undefined || authority === undefined) return undefined;
  const { cert, key } = certificateFiles(layout, endpoint, id);
  const [chain, secret] = [readNow(cert), readNow(key)];
  const view = chain === undefined ? undefined : viewCertificate(chain);
  // Without its files a marker says nothing: they are written again.
  if (view === undefined || secret === undefined) return undefined;
  return { id, authority, expired: view.notAfter <= now, lookAt: momentsOf(view) };
}

/** When it is to be renewed, and when it ends. */
function momentsOf({ notBefore, notAfter }: CertificateView): [renew: number, end: number] {
  return [Math.floor(notBefore + (notAfter - notBefore) * RENEW_AFTER), notAfter];
}

function parseMarker(text: string | undefined): { id?: string; authority?: string } {
  try {
    return JSON.parse(text ?? '{}') as { id?: string; authority?: string };
  } catch {
    return {};
  }
}

function nameInCertificates(name: string): string | undefined {
  return /^[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$/.test(name) ? name : undefined;
}
