/**
 * Whether what a client offers as its certificate can be trusted by a server: who vouches for it is
 * there, and nothing that OpenSSL would refuse later without a word to anybody but the client.
 * Pure; the time is the caller's.
 */
import { isIssuedBy, isSelfSigned, rsaBits, viewCertificate } from './inspect.ts';

/** A chain; nothing honest is longer. */
const MOST = 10;
/** What Debian's and Ubuntu's OpenSSL takes, at their level of security. */
const LEAST_RSA_BITS = 2048;

/**
 * @param pems every certificate that was offered, in any order
 * @param now milliseconds since 1970
 * @returns the roots and what stands between them and a client's certificate; or why there is
 *   nothing to trust: a phrase that goes after "offers a client certificate that cannot be used: "
 */
export function trustOffered(
  pems: readonly string[],
  now: number,
): { trust: string[] } | { problem: string } {
  if (pems.length === 0) return { problem: 'it is not in PEM form' };
  if (pems.length > MOST) return { problem: `it comes with ${pems.length} others` };
  for (const pem of pems) {
    const problem = fault(pem, now);
    if (problem !== undefined) return { problem };
  }
  const roots = pems.filter(isSelfSigned);
  if (roots.length === 0) return { problem: 'the CA that issued it is missing; send its chain' };
  const stray = pems.find((pem) => !roots.includes(pem) && !descends(pem, roots, pems));
  if (stray !== undefined) {
    return { problem: `${nameOf(stray)} is not issued by the CA that was sent with it` };
  }
  const trust = pems.filter((pem) => roots.includes(pem) || viewCertificate(pem)?.isCa);
  return { trust };
}

function fault(pem: string, now: number): string | undefined {
  const view = viewCertificate(pem);
  if (view === undefined) return 'it cannot be read';
  if (view.notAfter <= now) {
    return `${nameOf(pem)} has expired on ${new Date(view.notAfter).toISOString().slice(0, 10)}`;
  }
  const bits = rsaBits(pem);
  if (bits === undefined || bits >= LEAST_RSA_BITS) return undefined;
  return `the key of ${nameOf(pem)} has ${bits} bits; ${LEAST_RSA_BITS} are the least`;
}

function descends(pem: string, roots: readonly string[], others: readonly string[]): boolean {
  return roots.some((root) => isIssuedBy(pem, root, others));
}

/** What a stranger wrote, for one line that people read. */
function nameOf(pem: string): string {
  return JSON.stringify((viewCertificate(pem)?.commonName ?? '').slice(0, 60));
}
