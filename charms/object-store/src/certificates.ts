/**
 * The store's own certificate authority and server certificate. Pure but for the system's random
 * numbers; where they are kept is the caller's concern.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import forge from 'node-forge';

export interface KeyAndCertificate {
  certificate: string;
  privateKey: string;
}

const DAY_MS = 24 * 3600_000;
const CA_DAYS = 7300;
/** The charm renews it when less than 120 days are left. */
const SERVER_DAYS = 365;

export function createAuthority(commonName: string, now: number): KeyAndCertificate {
  const { keys, privateKey } = newKeys();
  const certificate = blank(keys.publicKey, now, CA_DAYS);
  const name = [{ name: 'commonName', value: commonName }];
  certificate.setSubject(name);
  certificate.setIssuer(name);
  certificate.setExtensions([
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  certificate.sign(keys.privateKey, forge.md.sha256.create());
  return { certificate: forge.pki.certificateToPem(certificate).trim(), privateKey };
}

/** @param names addresses and host names that the certificate is good for, the first its CN */
export function issueCertificate(
  authority: KeyAndCertificate,
  names: readonly string[],
  now: number,
): KeyAndCertificate {
  const { keys, privateKey } = newKeys();
  const certificate = blank(keys.publicKey, now, SERVER_DAYS);
  const issuer = forge.pki.certificateFromPem(authority.certificate);
  certificate.setSubject([{ name: 'commonName', value: names[0] ?? 'object-store' }]);
  certificate.setIssuer(issuer.subject.attributes);
  // An address is also given as a DNS name: pgBackRest compares only those (its issue 1977).
  const alternatives = names.flatMap((name) =>
    isIP(name) === 0
      ? [{ type: 2, value: name }]
      : [
          { type: 7, ip: name },
          { type: 2, value: name },
        ],
  );
  certificate.setExtensions([
    { name: 'basicConstraints', cA: false },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames: alternatives },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(authority.privateKey), forge.md.sha256.create());
  return { certificate: forge.pki.certificateToPem(certificate).trim(), privateKey };
}

/** Keys by OpenSSL: the library's own take seconds. */
function newKeys() {
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const keys = {
    publicKey: forge.pki.publicKeyFromPem(pair.publicKey),
    privateKey: forge.pki.privateKeyFromPem(pair.privateKey),
  };
  return { keys, privateKey: pair.privateKey.trim() };
}

function blank(publicKey: forge.pki.PublicKey, now: number, days: number) {
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = publicKey;
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`;
  certificate.validity.notBefore = new Date(now - DAY_MS);
  certificate.validity.notAfter = new Date(now + days * DAY_MS);
  return certificate;
}
