/**
 * A certificate authority of the application's own, for its servers alone: made once, kept in a
 * secret, and what it issues judged. Whoever shall trust it is told by the charm.
 */
import type { HookContext } from '../contract/context.ts';
import type { Hooks } from '../hooks/hooks.ts';
import { systemRandom } from '../std/random.ts';
import type { Issued } from '../x509/authority.ts';
import { isIssuedBy, keyFits, viewCertificate } from '../x509/inspect.ts';

/** Fields of the secret that holds it; a charm may keep more beside them. */
export const CA_FIELD = 'ca-certificate';
export const CA_KEY_FIELD = 'ca-key';

const CA_DAYS = 7300;
/** Renewed when less than 120 days are left. */
const SERVER_DAYS = 365;
const RENEW_MS = 120 * 24 * 3600_000;

/** @param secret label and description of the application's secret that is made for it */
export async function createOwnAuthority(
  { hooks, context }: { hooks: Hooks; context: HookContext },
  secret: { label: string; description: string },
): Promise<void> {
  const { createAuthority } = await import('../x509/authority.ts');
  const name = `${context.app}-${context.model.uuid}`;
  const made = await createAuthority(name, { days: CA_DAYS, random: systemRandom });
  const content = { [CA_FIELD]: made.certificate.trim(), [CA_KEY_FIELD]: made.key.trim() };
  await hooks.secretAdd(content, secret);
}

/** @param content of the authority's secret. @returns a server's certificate for this address */
export async function issueServerCertificate(
  content: Readonly<Record<string, string>>,
  address: string,
): Promise<Issued> {
  const { issueCertificate } = await import('../x509/authority.ts');
  const authority = { certificate: content[CA_FIELD] ?? '', key: content[CA_KEY_FIELD] ?? '' };
  const names = { member: address, addresses: [address] };
  return issueCertificate(authority, names, { days: SERVER_DAYS, random: systemRandom });
}

/** Whether it is this authority's, for this address and key, and good for long enough. */
export function isStillGood({ certificate, key }: Issued, ca: string, address: string): boolean {
  const view = viewCertificate(certificate);
  if (view === undefined || !view.names.includes(address)) return false;
  const lasts = view.notAfter - Date.now() > RENEW_MS;
  return lasts && keyFits(certificate, key) && isIssuedBy(certificate, ca);
}
