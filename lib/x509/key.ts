/** RSA keys by OpenSSL, in the forms that its neighbours need. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';

export interface Key {
  /** All PEM. */
  pkcs1: string;
  pkcs8: string;
  public: string;
}

const BITS = 2048;

export async function newKey(): Promise<Key> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: BITS,
  });
  const format = 'pem';
  return {
    pkcs1: privateKey.export({ type: 'pkcs1', format }).toString(),
    pkcs8: privateKey.export({ type: 'pkcs8', format }).toString(),
    public: publicKey.export({ type: 'spki', format }).toString(),
  };
}
