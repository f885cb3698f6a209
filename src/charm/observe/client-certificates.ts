/**
 * Certificates that clients offer: out of their databags or secrets, and whether PostgreSQL can
 * trust them. Reads what is in the snapshot already and asks nobody.
 */
import { pemBlocks } from '../../../lib/relations/pem.ts';
import { certificateIn, type OfferedAs } from '../../../lib/relations/postgresql-client-request.ts';
import { trustOffered } from '../../../lib/x509/offered.ts';
import type { OfferedCertificate } from '../model/client-certificates.ts';
import { CLIENT_ENDPOINT, requestsOf } from '../model/clients.ts';
import type { Databag, Relation, Snapshot } from '../model/snapshot.ts';

/** @param now milliseconds since 1970 */
export function observeOffered(
  relations: readonly Relation[],
  granted: Snapshot['grantedSecrets'],
  now: number,
): Pick<Snapshot, 'offered'> {
  const found = relations
    .filter(({ endpoint, ending }) => endpoint === CLIENT_ENDPOINT && !ending)
    .flatMap((relation) => requestsOf(relation).granted)
    .flatMap(({ request: { certificate }, mark }) =>
      certificate === undefined ? [] : [[mark, judge(certificate, granted, now)] as const],
    );
  return found.length === 0 ? {} : { offered: Object.fromEntries(found) };
}

function judge(
  offered: OfferedAs,
  granted: Readonly<Record<string, Databag>>,
  now: number,
): OfferedCertificate {
  const text = 'pem' in offered ? offered.pem : certificateIn(granted[offered.secret]);
  if (text === undefined) return { problem: 'its secret is not granted, or has no mtls-cert' };
  if (text.includes('PRIVATE KEY')) {
    return { problem: 'a private key is with it, which nobody but the client may know' };
  }
  const judged = trustOffered(pemBlocks(text, 'CERTIFICATE'), now);
  return 'trust' in judged ? { trust: judged.trust.join('\n') } : judged;
}
