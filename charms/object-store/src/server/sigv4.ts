/**
 * Decides whether a request carries a valid AWS Signature Version 4 of a known key, in its
 * headers or (presigned) in its query. Pure: keys and time are given. The body is another's
 * concern; `payload` says what the signature promises about it.
 *
 * The algorithm: AWS General Reference, "Create a signed request"; S3 encodes a path once only.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { S3Error } from './s3-error.ts';

export interface SignedRequest {
  method: string;
  /** Path and query exactly as sent. */
  url: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface Verified {
  accessKey: string;
  payload: Payload;
}
export type Payload =
  | { kind: 'unsigned' }
  | { kind: 'hashed'; sha256: string }
  | { kind: 'chunked'; trailer: boolean; chain: ChunkChain | undefined };

/** What signatures of chunks are computed from; each follows on the one before. */
export interface ChunkChain {
  key: Buffer;
  seed: string;
  amzDate: string;
  scope: string;
}

export interface Context {
  /** The secret of an access key. */
  secretOf: (accessKey: string) => string | undefined;
  /** Milliseconds since the epoch. */
  now: number;
}

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const EMPTY_SHA256 = createHash('sha256').digest('hex');
const MAX_SKEW_MS = 15 * 60_000;
const MAX_PRESIGNED_S = 7 * 24 * 3600;
const HEX64 = /^[0-9a-f]{64}$/;

interface Claim {
  accessKey: string;
  day: string;
  region: string;
  signedHeaders: string[];
  signature: string;
  amzDate: string;
  /** Seconds of validity of a presigned URL. */
  expires: number | undefined;
  contentSha256: string;
}

/** @throws S3Error, status 403 for whatever is not provably the holder of a known key */
export function verify(request: SignedRequest, context: Context): Verified {
  const [path = '/', query = ''] = splitOnce(request.url, '?');
  const parameters = query === '' ? [] : query.split('&').map((part) => splitOnce(part, '='));
  const claim = claimOf(request, parameters);
  checkTime(claim, context.now);
  checkSignedHeaders(request, claim);

  const secret = context.secretOf(claim.accessKey);
  const scope = `${claim.day}/${claim.region}/s3/aws4_request`;
  // An unknown key costs the same work as a known one.
  const key = signingKey(secret ?? 'none', claim.day, claim.region);
  const canonical = [
    request.method,
    path,
    canonicalQuery(parameters),
    ...claim.signedHeaders.map((name) => `${name}:${headerOf(request, name)}`),
    '',
    claim.signedHeaders.join(';'),
    claim.contentSha256,
  ].join('\n');
  const toSign = [ALGORITHM, claim.amzDate, scope, sha256(canonical)].join('\n');
  const expected = createHmac('sha256', key).update(toSign).digest();
  const valid = timingSafeEqual(expected, Buffer.from(claim.signature, 'hex'));
  if (secret === undefined) {
    throw new S3Error(403, 'InvalidAccessKeyId', 'The access key is not known to this store.');
  }
  if (!valid) {
    throw new S3Error(403, 'SignatureDoesNotMatch', 'The signature does not match the request.');
  }
  const chain = { key, seed: claim.signature, amzDate: claim.amzDate, scope };
  return { accessKey: claim.accessKey, payload: payloadOf(claim, chain) };
}

function signingKey(secret: string, day: string, region: string): Buffer {
  const step = (key: string | Buffer, text: string) =>
    createHmac('sha256', key).update(text).digest();
  return step(step(step(step(`AWS4${secret}`, day), region), 's3'), 'aws4_request');
}

function claimOf(request: SignedRequest, parameters: [string, string][]): Claim {
  const authorization = headerOf(request, 'authorization');
  const presigned = parameters.some(([name]) => name === 'X-Amz-Signature');
  if (authorization === '' && !presigned) {
    throw new S3Error(403, 'AccessDenied', 'Anonymous requests are not served.');
  }
  if (authorization !== '' && presigned) {
    throw new S3Error(403, 'AccessDenied', 'A request is signed in its headers or in its query.');
  }
  return presigned ? queryClaim(parameters) : headerClaim(request, authorization);
}

function headerClaim(request: SignedRequest, authorization: string): Claim {
  const [algorithm, rest = ''] = splitOnce(authorization, ' ');
  const parts = new Map(rest.split(',').map((part) => splitOnce(part.trim(), '=')));
  if (algorithm !== ALGORITHM) {
    throw new S3Error(403, 'AccessDenied', `Only ${ALGORITHM} signatures are accepted.`);
  }
  const contentSha256 = headerOf(request, 'x-amz-content-sha256');
  if (contentSha256 === '') {
    throw new S3Error(403, 'AccessDenied', 'The x-amz-content-sha256 header is missing.');
  }
  return {
    ...credential(parts.get('Credential') ?? ''),
    signedHeaders: (parts.get('SignedHeaders') ?? '').split(';'),
    signature: hexSignature(parts.get('Signature') ?? ''),
    amzDate: headerOf(request, 'x-amz-date'),
    expires: undefined,
    contentSha256,
  };
}

function queryClaim(parameters: [string, string][]): Claim {
  const query = new Map(parameters.map(([name, value]) => [name, decode(value)]));
  const seconds = query.get('X-Amz-Expires') ?? '';
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) {
    throw new S3Error(403, 'AccessDenied', `Only ${ALGORITHM} signatures are accepted.`);
  }
  if (!/^\d{1,6}$/.test(seconds) || Number(seconds) > MAX_PRESIGNED_S) {
    throw new S3Error(403, 'AccessDenied', 'X-Amz-Expires must be at most a week, in seconds.');
  }
  return {
    ...credential(query.get('X-Amz-Credential') ?? ''),
    signedHeaders: (query.get('X-Amz-SignedHeaders') ?? '').split(';'),
    signature: hexSignature(query.get('X-Amz-Signature') ?? ''),
    amzDate: query.get('X-Amz-Date') ?? '',
    expires: Number(seconds),
    contentSha256: query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
  };
}

function credential(text: string): { accessKey: string; day: string; region: string } {
  const parts = text.split('/');
  const [day = '', region = '', service, end] = parts.slice(-4);
  const accessKey = parts.slice(0, -4).join('/');
  if (accessKey === '' || service !== 's3' || end !== 'aws4_request' || !/^\d{8}$/.test(day)) {
    throw new S3Error(403, 'AccessDenied', 'The credential of the signature is malformed.');
  }
  return { accessKey, day, region };
}

function hexSignature(text: string): string {
  if (HEX64.test(text)) return text;
  throw new S3Error(403, 'SignatureDoesNotMatch', 'The signature is not 64 hexadecimal digits.');
}

function checkTime(claim: Claim, now: number): void {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(claim.amzDate);
  if (match === null || !claim.amzDate.startsWith(claim.day)) {
    throw new S3Error(403, 'AccessDenied', 'The date of the signature is missing or malformed.');
  }
  const [, year, month, day, hour, minute, second] = match;
  const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const latest = signedAt + (claim.expires === undefined ? MAX_SKEW_MS : claim.expires * 1000);
  if (Number.isNaN(signedAt) || signedAt - MAX_SKEW_MS > now) {
    throw new S3Error(403, 'RequestTimeTooSkewed', 'The request is signed for another time.');
  }
  if (latest >= now) return;
  throw claim.expires === undefined
    ? new S3Error(403, 'RequestTimeTooSkewed', 'The request is signed for another time.')
    : new S3Error(403, 'AccessDenied', 'Request has expired');
}

/** A header that steers the store but is not signed could have been added by anybody. */
function checkSignedHeaders(request: SignedRequest, claim: Claim): void {
  const unsigned = Object.keys(request.headers).find(
    (name) => name.startsWith('x-amz-') && !claim.signedHeaders.includes(name),
  );
  if (claim.signedHeaders.includes('host') && unsigned === undefined) return;
  throw new S3Error(403, 'AccessDenied', `The header ${unsigned ?? 'host'} is not signed.`);
}

function payloadOf(claim: Claim, chain: ChunkChain): Payload {
  switch (claim.contentSha256) {
    case 'UNSIGNED-PAYLOAD':
      return { kind: 'unsigned' };
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD':
      return { kind: 'chunked', trailer: false, chain };
    case 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER':
      return { kind: 'chunked', trailer: true, chain };
    case 'STREAMING-UNSIGNED-PAYLOAD-TRAILER':
      return { kind: 'chunked', trailer: true, chain: undefined };
  }
  if (HEX64.test(claim.contentSha256)) return { kind: 'hashed', sha256: claim.contentSha256 };
  throw new S3Error(400, 'InvalidArgument', 'x-amz-content-sha256 is not one that S3 knows.');
}

/** As sent, sorted by name and value; the signature itself is not part of what it signs. */
function canonicalQuery(parameters: [string, string][]): string {
  return parameters
    .filter(([name]) => name !== 'X-Amz-Signature')
    .toSorted(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

function headerOf(request: SignedRequest, name: string): string {
  const value = request.headers[name] ?? '';
  return (Array.isArray(value) ? value.join(',') : value).trim().replace(/ +/g, ' ');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

export function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}
