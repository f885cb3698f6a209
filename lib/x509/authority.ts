/**
 * A certificate authority: makes itself, signs for members whose keys it makes, and signs requests
 * of others. X.509 by node-forge, loaded on use; keys by Node's own generator, because the
 * library's take seconds. Keeps nothing: where certificates and keys lie is the caller's concern.
 */
import { isIP } from 'node:net';
import type { pki } from 'node-forge';
import { OperatorError } from '../std/errors.ts';
import type { Random } from '../std/random.ts';
import { type Key, newKey } from './key.ts';

/** Certificate and private key, PEM (the key PKCS#8). */
export interface Issued {
  certificate: string;
  key: string;
}

export interface Validity {
  days: number;
  random: Random;
  /** Default: now. */
  from?: Date;
}

/** Clocks of others may be behind; a tenth of what is short. */
const EARLIER_MS = 3_600_000;
const DAY_MS = 24 * 3_600_000;
/** RFC 5280: the upper bound of a common name. */
const NAME_LENGTH = 64;
/** Numbers of the GeneralName choices, RFC 5280 section 4.2.1.6. */
const DNS_NAME = 2;
const IP_ADDRESS = 7;

export async function createAuthority(name: string, validity: Validity): Promise<Issued> {
  const forge = await loadForge();
  const key = await newKey();
  const certificate = await blank(key.public, validity);
  const subject = [{ name: 'commonName', value: name.slice(0, NAME_LENGTH) }];
  certificate.setSubject(subject);
  certificate.setIssuer(subject);
  certificate.setExtensions(AUTHORITY_EXTENSIONS.map((extension) => ({ ...extension })));
  certificate.sign(forge.pki.privateKeyFromPem(key.pkcs1), forge.md.sha256.create());
  return { certificate: await toPem(certificate), key: key.pkcs8 };
}

/**
 * A second certificate of a newer authority, issued by an older one: whoever trusts only the older
 * one can follow it to what the newer one signs.
 *
 * @param newer certificate of the newer authority
 */
export async function crossSign(older: Issued, newer: string, validity: Validity): Promise<string> {
  const forge = await loadForge();
  const ca = forge.pki.certificateFromPem(newer);
  const certificate = await blank(forge.pki.publicKeyToPem(ca.publicKey), validity);
  certificate.setSubject(ca.subject.attributes);
  return await sign(certificate, older, AUTHORITY_EXTENSIONS);
}

/**
 * A key and a certificate that is good for servers and clients. Addresses stand among the DNS names
 * too, the only ones that pgBackRest compares (its issue 1977).
 *
 * @param names the common name first; addresses and host names that it shall be valid for
 */
export async function issueCertificate(
  authority: Issued,
  names: { member: string; addresses: readonly string[] },
  validity: Validity,
): Promise<Issued> {
  const key = await newKey();
  const certificate = await blank(key.public, validity);
  certificate.setSubject([{ name: 'commonName', value: names.member.slice(0, NAME_LENGTH) }]);
  const extensions = leafExtensions(alternativeNames([names.member, ...names.addresses]));
  return { certificate: await sign(certificate, authority, extensions), key: key.pkcs8 };
}

/**
 * Signs what a request asks for: its subject, its key, its alternative names, nothing else.
 *
 * @param names instead of those that it asks for, the common name first
 * @throws OperatorError `request-refused` when it cannot be read or is not signed by its own key
 */
export async function signRequest(
  authority: Issued,
  csrPem: string,
  validity: Validity,
  names?: readonly string[],
): Promise<string> {
  const forge = await loadForge();
  const request = await readRequest(csrPem);
  const publicKey = forge.pki.publicKeyToPem(request.publicKey as pki.PublicKey);
  const certificate = await blank(publicKey, validity);
  const [commonName] = names ?? [];
  const subject = commonName && [{ name: 'commonName', value: commonName.slice(0, NAME_LENGTH) }];
  certificate.setSubject(subject || request.subject.attributes);
  const altNames = names === undefined ? requestedNames(request) : alternativeNames(names);
  return await sign(certificate, authority, leafExtensions(altNames));
}

async function readRequest(csrPem: string): Promise<pki.CertificateSigningRequest> {
  const forge = await loadForge();
  try {
    const request = forge.pki.certificationRequestFromPem(csrPem);
    if (request.verify()) return request;
  } catch (cause) {
    throw new OperatorError({
      code: 'request-refused',
      message: 'cannot sign a request: it holds no RSA key, or nothing that can be read',
      retry: 'never',
      cause,
    });
  }
  throw new OperatorError({
    code: 'request-refused',
    message: 'cannot sign a request: it is not signed by the key that it holds',
    retry: 'never',
  });
}

interface AlternativeName {
  type: number;
  value?: string;
  ip?: string;
}

function requestedNames(request: pki.CertificateSigningRequest): AlternativeName[] {
  const attribute: unknown = request.getAttribute({ name: 'extensionRequest' });
  const { extensions = [] } = (attribute ?? {}) as {
    extensions?: { name?: string; altNames?: AlternativeName[] }[];
  };
  const names = extensions.find(({ name }) => name === 'subjectAltName')?.altNames ?? [];
  return names.flatMap(({ type, value, ip }): AlternativeName[] => {
    if (type === IP_ADDRESS && ip !== undefined) return [{ type, ip }];
    return type === DNS_NAME && value !== undefined ? [{ type, value }] : [];
  });
}

/** Every name as a DNS name, addresses as such too. */
export function alternativeNames(names: readonly string[]): AlternativeName[] {
  const distinct = [...new Set(names)];
  return [
    ...distinct.map((value) => ({ type: DNS_NAME, value })),
    ...distinct.filter((name) => isIP(name) !== 0).map((ip) => ({ type: IP_ADDRESS, ip })),
  ];
}

const AUTHORITY_EXTENSIONS = [
  { name: 'basicConstraints', cA: true, critical: true },
  { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
  { name: 'subjectKeyIdentifier' },
];

/** clientAuth too: etcd's HTTP gateway calls its own server with the server's certificate. */
function leafExtensions(altNames: readonly AlternativeName[]): object[] {
  return [
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, critical: true },
    { name: 'extKeyUsage', serverAuth: true, clientAuth: true },
    ...(altNames.length === 0 ? [] : [{ name: 'subjectAltName', altNames }]),
  ];
}

async function blank(publicKey: Key['public'], validity: Validity): Promise<pki.Certificate> {
  const forge = await loadForge();
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(publicKey);
  // Positive: a leading bit would make the number negative, which RFC 5280 forbids.
  certificate.serialNumber = `01${validity.random.bytes(15).toString('hex')}`;
  const from = (validity.from ?? new Date()).getTime();
  const lifeMs = validity.days * DAY_MS;
  certificate.validity.notBefore = new Date(from - Math.min(EARLIER_MS, lifeMs / 10));
  certificate.validity.notAfter = new Date(from + lifeMs);
  return certificate;
}

async function sign(
  certificate: pki.Certificate,
  authority: Issued,
  extensions: readonly object[],
): Promise<string> {
  const forge = await loadForge();
  const ca = forge.pki.certificateFromPem(authority.certificate);
  certificate.setIssuer(ca.subject.attributes);
  // Python 3.13 refuses certificates that do not say whose key has signed them.
  const keyIdentifier = ca.generateSubjectKeyIdentifier().getBytes();
  certificate.setExtensions([
    ...extensions.map((extension) => ({ ...extension })),
    { name: 'authorityKeyIdentifier', keyIdentifier },
  ]);
  certificate.sign(forge.pki.privateKeyFromPem(authority.key), forge.md.sha256.create());
  return await toPem(certificate);
}

async function toPem(certificate: pki.Certificate): Promise<string> {
  const forge = await loadForge();
  return forge.pki.certificateToPem(certificate).replaceAll('\r\n', '\n');
}

async function loadForge() {
  // 30 ms that only the few events which issue a certificate pay.
  const { default: forge } = await import('node-forge');
  return forge;
}
