/**
 * The internal CA over its changes: whom members trust and what they show, as texts of their files.
 *
 * A change has two parts. First both CAs are trusted, and each new certificate brings along the new
 * CA as certified by the old one, so a program that has not read of the new CA yet accepts it too.
 * When every unit has it in force, the old one goes. Reads no file.
 */
import { digestOf } from '../../../lib/std/digest.ts';
import type { Snapshot } from './snapshot.ts';

/** Fields of the application secret beside `internal-ca` and `internal-ca-key`. */
export const ROTATION_FIELDS = {
  /** The CA before; there only while a change is under way. */
  previous: 'internal-ca-previous',
  /** The present CA, certified by the one before. */
  cross: 'internal-ca-cross',
  /** How many CAs there have been; absent until the first change. */
  number: 'internal-ca-number',
} as const;

/** Key of both peer databags: digest of whom to trust, and of whom a unit does trust. */
export const TRUST_FACT = 'internal-ca';

/** Text of ca.pem; undefined until there is a CA. */
export function internalTrust({ appSecret }: Snapshot): string | undefined {
  const { 'internal-ca': ca, [ROTATION_FIELDS.previous]: previous } = appSecret?.content ?? {};
  return ca === undefined || previous === undefined ? ca : lines(ca, previous);
}

/** Text of cert.pem. */
export function internalChain({ appSecret, unitSecret }: Snapshot): string {
  return chainFrom(appSecret, unitSecret?.content['internal-cert'] ?? '');
}

/** A certificate of the present CA, with what those need who trust only the one before. */
export function chainFrom(appSecret: Snapshot['appSecret'], certificate: string): string {
  const cross = appSecret?.content[ROTATION_FIELDS.cross];
  return cross === undefined ? certificate : lines(certificate, cross);
}

/** Names what the unit shows and trusts; undefined as long as the first CA is in use. */
export function internalDigest(world: Snapshot): string | undefined {
  if (world.appSecret?.content[ROTATION_FIELDS.number] === undefined) return undefined;
  return digestOf(internalChain(world) + (internalTrust(world) ?? ''));
}

/**
 * A second copy of the unit's certificate, named by its content: Patroni 3 opens its REST interface
 * anew only for files of other names. Undefined as long as the first CA is in use.
 */
export function internalCopy(world: Snapshot): { cert: FileText; key: FileText } | undefined {
  const digest = internalDigest(world);
  if (digest === undefined) return undefined;
  const stem = `${world.layout.tlsDirectory}/internal-${digest}`;
  const key = world.unitSecret?.content['internal-key'] ?? '';
  return {
    cert: { path: `${stem}.cert.pem`, text: internalChain(world) },
    key: { path: `${stem}.key.pem`, text: key },
  };
}

interface FileText {
  path: string;
  text: string;
}

function lines(...texts: string[]): string {
  return texts.map((text) => `${text.trim()}\n`).join('');
}
