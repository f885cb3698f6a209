/**
 * What an application is owed for the requests of its units: what stays as it is, what has to be
 * signed, what is taken back. Pure; the certificates themselves are the one thing it cannot make.
 */
import {
  type IssuedCertificate,
  readCertificates,
  readRefusals,
  readRequests,
} from '../../../lib/relations/tls-certificates.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import type { Authority, Requirer } from './world.ts';

export interface Answers {
  /** Entries as they shall be published, the present root's chain included. */
  readonly keep: readonly IssuedCertificate[];
  /** Requests that have no certificate of the present root. */
  readonly sign: readonly string[];
  /** Requests that were refused before and are still there. */
  readonly refused: readonly { csr: string; message: string }[];
}

/** @param revoke digests of requests whose certificates are taken back */
export function answersTo(
  requirer: Requirer,
  authority: Authority,
  revoke: readonly string[] = [],
): Answers {
  const asked = requestsOf(requirer);
  const before = readCertificates(requirer.localApp);
  const refusals = readRefusals(requirer.localApp).filter(({ csr }) => asked.includes(csr));
  const keep = before
    .filter(
      ({ csr, ca, revoked }) => asked.includes(csr) && (revoked || ca === authority.certificate),
    )
    .map((entry) => ({
      ...entry,
      chain: chainOf(entry.certificate, authority),
      revoked: entry.revoked || revoke.includes(digestOf(entry.csr)),
    }));
  const done = new Set([...keep, ...refusals].map(({ csr }) => csr));
  return { keep, sign: asked.filter((csr) => !done.has(csr)), refused: refusals };
}

/** From a certificate to the root, by way of the root before it where there is one. */
export function chainOf(certificate: string, { certificate: ca, cross }: Authority): string[] {
  return [certificate, ...(cross === undefined ? [] : [cross]), ca];
}

/** Every request once; an authority below ours would sign for anybody, so none is granted. */
export function requestsOf({ units }: Requirer): string[] {
  const all = units.flatMap(({ data }) => readRequests(data));
  return [...new Set(all.filter(({ isCa }) => !isCa).map(({ csr }) => csr))];
}

/** The roots to trust, the one in use first. */
export function trusted({ certificate, previous }: Authority): string[] {
  return previous === undefined ? [certificate] : [certificate, previous];
}
