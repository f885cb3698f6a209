/**
 * Client certificates (`mtls-cert`): whom PostgreSQL trusts to vouch for clients that offer one,
 * and which clients can be asked for theirs. Reads no certificate: what is fit is observed, and
 * published by the leader.
 *
 * A certificate stands beside the password and never in its place: PostgreSQL asks by whom it was
 * issued, not for which client, and one client's CA must not open another's database.
 */
import { pemBlocks } from '../../../lib/relations/pem.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { clientFiles } from './certificates.ts';
import { type Client, type ClientFact, clientFacts, clientsOf } from './clients.ts';
import type { Snapshot } from './snapshot.ts';

/** What a client offers: certificates to trust, PEM, or why it cannot be used. */
export type OfferedCertificate = { readonly trust: string } | { readonly problem: string };

interface Trust {
  path: string;
  text: string;
}

/**
 * The file with everybody who vouches for a client, named by its content; undefined: nobody does,
 * or this unit shows no certificate itself.
 */
export function clientTrust(world: Snapshot): Trust | undefined {
  if (clientFiles(world) === undefined) return undefined;
  const facts = clientFacts(world);
  const trusted = new Set(clientsOf(world).flatMap((client) => vouchers(client, facts)));
  if (trusted.size === 0) return undefined;
  const text = `${[...trusted].sort().join('\n')}\n`;
  return { path: `${world.layout.tlsDirectory}/client-ca-${digestOf(text)}.pem`, text };
}

/**
 * The file that PostgreSQL is to read: the wanted one when it is there, and until then the one that
 * it has, so that nobody is refused meanwhile.
 */
export function trustInForce(world: Snapshot): Trust | undefined {
  const wanted = clientTrust(world);
  if (wanted === undefined || world.files[wanted.path] === wanted.text) return wanted;
  const written = world.files[world.layout.patroniConfig] ?? '';
  const path = /"ssl_ca_file": "([^"]+)"/.exec(written)?.[1] ?? '';
  const text = world.files[path];
  return text === undefined ? undefined : { path, text };
}

/** Whether PostgreSQL can be told to ask this client for its certificate. */
export function isTrusted(
  client: Client,
  facts: Readonly<Record<string, ClientFact>>,
  inForce: Trust | undefined,
): boolean {
  const needed = vouchers(client, facts);
  return needed.length > 0 && needed.every((pem) => inForce?.text.includes(pem));
}

function vouchers({ request, mark }: Client, facts: Readonly<Record<string, ClientFact>>) {
  if (request.certificate === undefined) return [];
  return pemBlocks(facts[mark]?.certificate ?? '', 'CERTIFICATE');
}
