/** Passwords and identifiers from the system's generator, as a port. */
import { randomBytes, randomInt } from 'node:crypto';

export interface Random {
  /** Letters and digits; 32 characters carry 190 bits. */
  password(length?: number): string;
  bytes(count: number): Buffer;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

export const systemRandom: Random = {
  password(length = 32) {
    return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  },
  bytes: (count) => randomBytes(count),
};
