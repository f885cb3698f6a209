/**
 * SCRAM-SHA-256 verifiers in PostgreSQL's notation, computed here so that a clear password never
 * reaches SQL, a log or PgBouncer's user list (RFC 5803; src/common/scram-common.c).
 */
import { createHash, createHmac, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { systemRandom } from '../../../lib/std/random.ts';

const ITERATIONS = 4096;
const derive = promisify(pbkdf2);

/**
 * `SCRAM-SHA-256$4096:<salt>$<stored key>:<server key>`, as pg_authid.rolpassword holds it.
 *
 * @param password used as it is when it holds ASCII only; other text is normalised (NFKC), which
 *   is SASLprep for all but a few rare characters
 * @param salt 16 random bytes unless given
 */
export async function scramVerifier(
  password: string,
  salt: Buffer = systemRandom.bytes(16),
): Promise<string> {
  const { storedKey, serverKey } = await keysOf(password, salt);
  const text = (bytes: Buffer) => bytes.toString('base64');
  return `SCRAM-SHA-256$${ITERATIONS}:${text(salt)}$${text(storedKey)}:${text(serverKey)}`;
}

/** Whether a verifier of ours was made from this password; false for one in another form. */
export async function isVerifierOf(verifier: string, password: string): Promise<boolean> {
  const salt = /^SCRAM-SHA-256\$4096:([^$]+)\$/.exec(verifier)?.[1];
  if (salt === undefined) return false;
  return (await scramVerifier(password, Buffer.from(salt, 'base64'))) === verifier;
}

async function keysOf(
  password: string,
  salt: Buffer,
): Promise<{ storedKey: Buffer; serverKey: Buffer }> {
  const salted = await derive(password.normalize('NFKC'), salt, ITERATIONS, 32, 'sha256');
  const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest();
  return { storedKey, serverKey: hmac('Server Key') };
}
