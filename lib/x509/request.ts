/** Signing requests (PKCS#10) with a new key each. Keeps neither. */
import { alternativeNames } from './authority.ts';
import { newKey } from './key.ts';

export interface RequestedNames {
  commonName: string;
  /** Addresses and host names; addresses stand among the DNS names too. */
  names: readonly string[];
}

/** @returns the private key (PKCS#8) and the request, both PEM */
export async function createRequest(wanted: RequestedNames): Promise<{ key: string; csr: string }> {
  // Loaded on use: 30 ms that only the few events which ask for a certificate pay.
  const { default: forge } = await import('node-forge');
  const key = await newKey();
  const request = forge.pki.createCertificationRequest();
  request.publicKey = forge.pki.publicKeyFromPem(key.public);
  request.setSubject([{ name: 'commonName', value: wanted.commonName.slice(0, 64) }]);
  const altNames = alternativeNames(wanted.names);
  request.setAttributes([
    { name: 'extensionRequest', extensions: [{ name: 'subjectAltName', altNames }] },
  ]);
  request.sign(forge.pki.privateKeyFromPem(key.pkcs1), forge.md.sha256.create());
  const csr = forge.pki.certificationRequestToPem(request);
  return { key: key.pkcs8, csr: csr.replaceAll('\r\n', '\n').trim() };
}
