/**
 * The `s3` interface, version 0: where an object store is and the keys that open it.
 *
 * Both sides, text only: what each writes, and what a reader makes of the other's databag. Values
 * end up in configuration files, so a reader accepts none that could carry a second line. Opens no
 * connection: whether the keys work is for the store to say.
 */
export interface S3Parameters {
  bucket: string;
  accessKey: string;
  secretKey: string;
  /** `https://host[:port]`, no trailing slash. */
  endpoint: string;
  /** May be empty: the store's default. */
  region: string;
  /** Below the bucket: empty, or one leading slash and none at the end. */
  path: string;
  uriStyle: 'host' | 'path';
  /** Undefined: backups are kept. */
  deleteOlderThanDays: number | undefined;
  /** PEM certificates, the store's CA first; empty: the system's. */
  tlsCaChain: string[];
}

export type S3Reading =
  /** The provider has published nothing yet. */
  | { readonly state: 'absent' }
  | { readonly state: 'incomplete'; readonly missing: string[] }
  /** `reason` names the key and what is wrong with it, never a value that may be secret. */
  | { readonly state: 'invalid'; readonly reason: string }
  | { readonly state: 'complete'; readonly value: S3Parameters };

type Databag = Readonly<Record<string, string>>;

const REQUIRED = ['bucket', 'access-key', 'secret-key'] as const;
const PLAIN_KEYS = [...REQUIRED, 'endpoint', 'region', 'path', 's3-uri-style'] as const;
const DEFAULT_ENDPOINT = 'https://s3.amazonaws.com';
const MAX_DAYS = 9_999_999;
const CONTROL = /[\u0000-\u001f\u007f]/;
const CERTIFICATE =
  /^-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----\s*$/;

/** What a requirer suggests when it joins, as the reference does. */
export function encodeS3Request(relationId: number): Record<string, string> {
  return { bucket: `relation-${relationId}` };
}

/** The bucket a requirer asks for, or undefined when it suggests none that could exist. */
export function readS3Request(bag: Databag): { bucket: string | undefined } {
  const bucket = (bag['bucket'] ?? '').trim();
  return { bucket: isBucket(bucket) ? bucket : undefined };
}

/** The provider's application databag; optional keys without a value are left out. */
export function encodeS3Parameters(value: S3Parameters): Record<string, string> {
  const bag: Record<string, string> = {
    bucket: value.bucket,
    'access-key': value.accessKey,
    'secret-key': value.secretKey,
    endpoint: value.endpoint,
    's3-uri-style': value.uriStyle,
  };
  if (value.region !== '') bag['region'] = value.region;
  if (value.path !== '') bag['path'] = value.path;
  if (value.deleteOlderThanDays !== undefined) {
    bag['delete-older-than-days'] = String(value.deleteOlderThanDays);
  }
  if (value.tlsCaChain.length > 0) bag['tls-ca-chain'] = JSON.stringify(value.tlsCaChain);
  return bag;
}

/** Reads and normalises the provider's application databag. Never throws, whatever is in it. */
export function readS3Parameters(bag: Databag): S3Reading {
  const text = Object.fromEntries(PLAIN_KEYS.map((key) => [key, (bag[key] ?? '').trim()]));
  const given = (key: (typeof PLAIN_KEYS)[number]) => text[key] ?? '';
  const missing = REQUIRED.filter((key) => given(key) === '');
  if (missing.length === REQUIRED.length) return { state: 'absent' };
  if (missing.length > 0) return { state: 'incomplete', missing };

  const dirty = PLAIN_KEYS.find((key) => CONTROL.test(given(key)));
  if (dirty !== undefined) return invalid(`${dirty} contains a control character`);
  const bucket = given('bucket').replace(/^\/+|\/+$/g, '');
  if (!isBucket(bucket)) return invalid('bucket is not a bucket name');
  const region = given('region');
  if (!/^[A-Za-z0-9-]*$/.test(region)) return invalid('region is not the name of a region');
  const endpoint = normaliseEndpoint(given('endpoint') || DEFAULT_ENDPOINT, region);
  if (endpoint === undefined) return invalid('endpoint is not an http or https address');
  const path = normalisePath(given('path'));
  if (path === undefined) return invalid('path has "." or ".." in it');
  const uriStyle = given('s3-uri-style') || 'host';
  if (uriStyle !== 'host' && uriStyle !== 'path') {
    return invalid('s3-uri-style is neither host nor path');
  }
  const days = readDays(bag['delete-older-than-days']);
  if (days === 'invalid') return invalid(`delete-older-than-days is not between 1 and ${MAX_DAYS}`);
  const tlsCaChain = readChain(bag['tls-ca-chain']);
  if (tlsCaChain === undefined) return invalid('tls-ca-chain is not a list of PEM certificates');
  return {
    state: 'complete',
    value: {
      bucket,
      accessKey: given('access-key'),
      secretKey: given('secret-key'),
      endpoint,
      region,
      path,
      uriStyle,
      deleteOlderThanDays: days,
      tlsCaChain,
    },
  };
}

function invalid(reason: string): S3Reading {
  return { state: 'invalid', reason };
}

/** Stores other than Amazon's allow capitals and underscores; none allows a slash or a blank. */
function isBucket(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,253}[A-Za-z0-9]$/.test(name);
}

function normaliseEndpoint(text: string, region: string): string | undefined {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return undefined;
  const extra = url.username + url.password + url.search + url.hash;
  if (extra !== '' || url.hostname === '' || url.pathname.replaceAll('/', '') !== '') {
    return undefined;
  }
  // The global name redirects to a region's, which a signed request does not survive.
  if (url.hostname === 's3.amazonaws.com' && region !== '' && region !== 'us-east-1') {
    return `${url.protocol}//s3.${region}.amazonaws.com`;
  }
  return `${url.protocol}//${url.host}`;
}

function normalisePath(text: string): string | undefined {
  const parts = text.split('/').filter((part) => part !== '');
  if (parts.some((part) => part === '.' || part === '..')) return undefined;
  return parts.map((part) => `/${part}`).join('');
}

function readDays(text: string | undefined): number | undefined | 'invalid' {
  const trimmed = (text ?? '').trim();
  if (trimmed === '') return undefined;
  const days = Number(trimmed);
  return /^\d+$/.test(trimmed) && days >= 1 && days <= MAX_DAYS ? days : 'invalid';
}

function readChain(text: string | undefined): string[] | undefined {
  if (text === undefined || text.trim() === '') return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  const chain: string[] = [];
  for (const entry of parsed) {
    if (typeof entry !== 'string' || !CERTIFICATE.test(entry.trim())) return undefined;
    chain.push(entry.trim());
  }
  return chain;
}
