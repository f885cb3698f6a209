/**
 * The internal certificate authority: X.509 by node-forge, keys by Node's own (fast) generator.
 *
 * Certificates of members carry clientAuth beside serverAuth: etcd's HTTP gateway calls its own
 * server as a client, with the server's certificate. Addresses stand among the DNS names too, the
 * only ones that pgBackRest compares (its issue 1977).
 */
import { generateKeyPair } from 'node:crypto';
import { isIP } from 'node:net';
import { promisify } from 'node:util';
import type { pki } from 'node-forge';
import type { Random } from '../../../lib/std/random.ts';

export interface Issued {
  /** PEM */
  certificate: string;
  /** PEM, PKCS#8 */
  key: string;
}

const YEARS = 20;
const KEY_BITS = 2048;

export async function createAuthority(name: string, random: Random): Promise<Issued> {
  const forge = await loadForge();
  const key = await newKey();
  const certificate = await blank(key, random);
  const subject = [{ name: 'commonName', value: name.slice(0, 64) }];
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(key.pkcs1), forge.md.sha256.create());
  return { certificate: forge.pki.certificateToPem(certificate), key: key.pkcs8 };
}

/** @param names member name first; addresses and host names that it shall be valid for */
export async function issueCertificate(
  authority: Issued,
  names: { member: string; addresses: readonly string[] },
  random: Random,
): Promise<Issued> {
  const forge = await loadForge();
  const key = await newKey();
  const ca = forge.pki.certificateFromPem(authority.certificate);
  const certificate = await blank(key, random);
  certificate.setSubject([{ name: 'commonName', value: names.member.slice(0, 64) }]);
  certificate.setIssuer(ca.subject.attributes);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    {
      name: 'subjectAltName',
      altNames: [
        { type: DNS_NAME, value: names.member },
        ...names.addresses.map((address) => ({ type: DNS_NAME, value: address })),
        ...names.addresses
          .filter((address) => isIP(address) !== 0)
          .map((ip) => ({ type: IP_ADDRESS, ip })),
      ],
    },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(authority.key), forge.md.sha256.create());
  return { certificate: forge.pki.certificateToPem(certificate), key: key.pkcs8 };
}

/** Numbers of the GeneralName choices, RFC 5280 section 4.2.1.6. */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

interface Key {
  pkcs1: string;
  pkcs8: string;
  public: string;
}

async function newKey(): Promise<Key> {
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: KEY_BITS,
  });
  const pem = 'pem';
  return {
    pkcs1: privateKey.export({ type: 'pkcs1', format: pem }).toString(),
    pkcs8: privateKey.export({ type: 'pkcs8', format: pem }).toString(),
    public: publicKey.export({ type: 'spki', format: pem }).toString(),
  };
}

async function blank(key: Key, random: Random): Promise<pki.Certificate> {
  const forge = await loadForge();
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(key.public);
  // Positive: a leading bit would make the number negative, which RFC 5280 forbids.
  certificate.serialNumber = `01${random.bytes(15).toString('hex')}`;
  const now = new Date();
  // A little earlier, for members whose clocks are behind.
  certificate.validity.notBefore = new Date(now.getTime() - 3_600_000);
  certificate.validity.notAfter = new Date(now);
  certificate.validity.notAfter.setFullYear(now.getFullYear() + YEARS);
  return certificate;
}

async function loadForge() {
  // 30 ms that only the few events which issue a certificate pay.
  const { default: forge } = await import('node-forge');
  return forge;
}
