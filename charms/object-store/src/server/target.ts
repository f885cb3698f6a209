/**
 * What a request is about: bucket, key and operation, from its path and query. Refuses whatever
 * the storage below could take for a path outside the bucket, and operations that are not served.
 * Pure.
 */
import { S3Error } from './s3-error.ts';

export type Operation =
  | 'list-buckets'
  | 'head-bucket'
  | 'create-bucket'
  | 'delete-bucket'
  | 'bucket-location'
  | 'list-objects'
  | 'delete-objects'
  | 'get-object'
  | 'put-object'
  | 'copy-object'
  | 'delete-object'
  | 'create-upload'
  | 'put-part'
  | 'complete-upload';

export interface Target {
  operation: Operation;
  bucket: string;
  key: string;
  query: URLSearchParams;
  /** Path and query for the storage: without signature, bucket calls without trailing slash. */
  innerUrl: string;
}

const MAX_SEGMENT_BYTES = 200;
const SUBRESOURCES = [
  ...['accelerate', 'acl', 'analytics', 'cors', 'encryption', 'inventory', 'lifecycle'],
  ...['legal-hold', 'logging', 'metrics', 'notification', 'object-lock', 'policy'],
  ...['policyStatus', 'publicAccessBlock', 'replication', 'requestPayment', 'retention'],
  ...['select', 'tagging', 'torrent', 'versionId', 'versioning', 'versions', 'website'],
];

/** @throws S3Error 400 for an unsafe path, 501 for an operation that is not served */
export function targetOf(method: string, url: string, copySource: string | undefined): Target {
  const at = url.indexOf('?');
  const path = at < 0 ? url : url.slice(0, at);
  const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1));
  for (const name of [...query.keys()]) {
    if (name.toLowerCase().startsWith('x-amz-')) query.delete(name);
  }
  const [bucket = '', ...rest] = decodePath(path).slice(1).split('/');
  const key = rest.join('/');
  if (bucket !== '' && !/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new S3Error(400, 'InvalidBucketName', 'The name of the bucket is not valid.');
  }
  if (key !== '') checkKey(key);
  if (copySource !== undefined) checkCopySource(copySource);
  const operation = operationOf({ method, bucket, key, query, copy: copySource !== undefined });
  const innerPath = [bucket, ...(key === '' ? [] : key.split('/'))].map(encodeURIComponent);
  const search = query.size === 0 ? '' : `?${query}`;
  return { operation, bucket, key, query, innerUrl: `/${innerPath.join('/')}${search}` };
}

interface Asked {
  method: string;
  bucket: string;
  key: string;
  query: URLSearchParams;
  copy: boolean;
}

function operationOf({ method, bucket, key, query, copy }: Asked): Operation {
  const refuse = () => new S3Error(501, 'NotImplemented', 'This store does not serve that call.');
  if (SUBRESOURCES.some((name) => query.has(name))) throw refuse();
  if (bucket === '') {
    if (method === 'GET') return 'list-buckets';
  } else if (key === '') {
    if (method === 'POST' && query.has('delete')) return 'delete-objects';
    if (query.has('delete') || query.has('uploads')) throw refuse();
    if (method === 'GET') return query.has('location') ? 'bucket-location' : 'list-objects';
    if (method === 'HEAD') return 'head-bucket';
    if (method === 'PUT') return 'create-bucket';
    if (method === 'DELETE') return 'delete-bucket';
  } else if (query.has('uploadId')) {
    checkUpload(query);
    if (method === 'POST') return 'complete-upload';
    if (method === 'PUT' && query.has('partNumber')) return 'put-part';
  } else {
    if (method === 'POST' && query.has('uploads')) return 'create-upload';
    if (query.has('uploads')) throw refuse();
    if (method === 'GET' || method === 'HEAD') return 'get-object';
    if (method === 'PUT') return copy ? 'copy-object' : 'put-object';
    if (method === 'DELETE') return 'delete-object';
  }
  throw refuse();
}

/** The storage makes file names of these. */
function checkUpload(query: URLSearchParams): void {
  const part = query.get('partNumber') ?? '1';
  if (!/^[0-9A-Za-z]{1,64}$/.test(query.get('uploadId') ?? '') || !/^[0-9]{1,5}$/.test(part)) {
    throw new S3Error(404, 'NoSuchUpload', 'There is no such upload.');
  }
}

function checkCopySource(source: string): void {
  const parts = decodePath(source.startsWith('/') ? source : `/${source}`)
    .slice(1)
    .split('/');
  const [bucket = '', ...rest] = parts;
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new S3Error(400, 'InvalidArgument', 'The source of the copy is not valid.');
  }
  checkKey(rest.join('/'));
}

/** @throws S3Error 400 when the storage could not keep the key apart from another */
export function checkKey(key: string): void {
  const segments = key.split('/');
  const body = key.endsWith('/') ? segments.slice(0, -1) : segments;
  if (body.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new S3Error(400, 'InvalidURI', 'A key has no empty, "." or ".." part in this store.');
  }
  if (key.includes('\0') || key.includes('._S3rver_')) {
    throw new S3Error(400, 'InvalidURI', 'The key is not one this store can keep.');
  }
  if (body.some((segment) => Buffer.byteLength(segment) > MAX_SEGMENT_BYTES)) {
    throw new S3Error(400, 'KeyTooLongError', `A part of a key is at most ${MAX_SEGMENT_BYTES} B.`);
  }
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new S3Error(400, 'InvalidURI', 'The path is not valid UTF-8.');
  }
}
