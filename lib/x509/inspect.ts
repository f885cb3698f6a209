/**
 * What a certificate says and whether it fits, by node:crypto: keys of any kind that OpenSSL knows,
 * ECDSA among them. Issues nothing, reads no file and no clock: times are the caller's.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';

export interface CertificateView {
  commonName: string;
  /** Serial number, hexadecimal, upper case. */
  serial: string;
  /** DNS names and addresses that it is valid for. */
  names: string[];
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  isCa: boolean;
}

/** @returns undefined when the text is no certificate */
export function viewCertificate(pem: string): CertificateView | undefined {
  const certificate = parse(pem);
  if (certificate === undefined) return undefined;
  const names = certificate.subjectAltName ?? '';
  return {
    commonName: /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '',
    serial: certificate.serialNumber,
    names: [...names.matchAll(/(?:DNS|IP Address):([^,\s"]+)/g)].map((match) => match[1] ?? ''),
    notBefore: Date.parse(certificate.validFrom),
    notAfter: Date.parse(certificate.validTo),
    isCa: certificate.ca,
  };
}

/** Whether the private key (PEM) is the one that the certificate was made for. */
export function keyFits(certificatePem: string, keyPem: string): boolean {
  try {
    return parse(certificatePem)?.checkPrivateKey(createPrivateKey(keyPem)) ?? false;
  } catch {
    return false;
  }
}

/** Whether the authority has signed the certificate, itself or through one of the others. */
export function isIssuedBy(
  certificatePem: string,
  authorityPem: string,
  intermediates: readonly string[] = [],
): boolean {
  const [certificate, root] = [parse(certificatePem), parse(authorityPem)];
  if (certificate === undefined || root === undefined) return false;
  const between = intermediates.map(parse).filter((each) => each !== undefined);
  const seen = new Set<string>();
  const reaches = (leaf: X509Certificate): boolean => {
    if (signed(leaf, root)) return true;
    if (seen.has(leaf.fingerprint256)) return false;
    seen.add(leaf.fingerprint256);
    return between.some((issuer) => signed(leaf, issuer) && reaches(issuer));
  };
  return reaches(certificate);
}

/** Whether it vouches for itself: a root, or the certificate of one client alone. */
export function isSelfSigned(certificatePem: string): boolean {
  try {
    const certificate = parse(certificatePem);
    return (
      certificate?.checkIssued(certificate) === true && certificate.verify(certificate.publicKey)
    );
  } catch {
    return false;
  }
}

/** Bits of an RSA key; undefined for keys of other kinds and for what is no certificate. */
export function rsaBits(certificatePem: string): number | undefined {
  const key = parse(certificatePem)?.publicKey;
  return key?.asymmetricKeyType === 'rsa' ? key.asymmetricKeyDetails?.modulusLength : undefined;
}

/**
 * The certificate with what stands between it and a root, in the order in which a server presents
 * them. Roots are left out: whoever does not know one learns nothing from it.
 */
export function presentedChain(certificatePem: string, others: readonly string[]): string[] {
  const first = parse(certificatePem);
  if (first === undefined) return [certificatePem];
  const rest = others.flatMap((pem) => {
    const parsed = parse(pem);
    return parsed === undefined ? [] : [{ pem, parsed }];
  });
  const chain = [certificatePem];
  const used = new Set([first.fingerprint256]);
  for (let last = first; ; ) {
    const next = rest.find(
      ({ parsed }) =>
        !used.has(parsed.fingerprint256) && !signed(parsed, parsed) && signed(last, parsed),
    );
    if (next === undefined) return chain;
    chain.push(next.pem);
    used.add(next.parsed.fingerprint256);
    last = next.parsed;
  }
}

function signed(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

function parse(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
