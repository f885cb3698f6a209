/**
 * Small objects in the related store (markers, metadata, logs of backups) and whether the store can
 * be used at all, through @aws-sdk/client-s3. Backups themselves are pgBackRest's. Every failure
 * becomes an OperatorError that says which setting to look at, and never carries a key.
 */
import { readFile } from 'node:fs/promises';
import https from 'node:https';
import { rootCertificates } from 'node:tls';
import type { ListObjectsV2CommandOutput, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { messageOf, OperatorError, systemCode } from '../../../lib/std/errors.ts';
import type { S3Target } from '../model/desired.ts';

export interface ObjectStore {
  /** @throws OperatorError `s3-bucket-missing`, `s3-refused`, `s3-unreachable`, `s3-tls` */
  headBucket(): Promise<void>;
  /** Creates the bucket when it is missing. */
  ensureBucket(): Promise<void>;
  /** Text of the object at `key` below the path; undefined when there is none. */
  get(key: string): Promise<string | undefined>;
  put(key: string, text: string): Promise<void>;
  /** Objects directly in a directory, with their time in seconds since the epoch. */
  list(directory: string): Promise<{ key: string; modified: number }[]>;
  close(): void;
}

const CONNECT_TIMEOUT_MS = 5000;
const REQUEST_TIMEOUT_MS = 20_000;
const ATTEMPTS = 3;

/** @returns PEM; undefined: those that Node knows */
async function authoritiesFor({ caFile, systemToo }: S3Target): Promise<string[] | undefined> {
  if (caFile === undefined) return undefined;
  const own = await readFile(caFile, 'utf8');
  return systemToo ? [...rootCertificates, own] : [own];
}

export async function openStore(target: S3Target): Promise<ObjectStore> {
  // 70 ms to load: only jobs use it.
  const sdk = await import('@aws-sdk/client-s3');
  const ca = await authoritiesFor(target);
  const client: S3Client = new sdk.S3Client({
    endpoint: target.endpoint,
    region: target.region === '' ? 'us-east-1' : target.region,
    forcePathStyle: target.uriStyle === 'path',
    maxAttempts: ATTEMPTS,
    credentials: { accessKeyId: target.accessKey, secretAccessKey: target.secretKey },
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      httpsAgent: new https.Agent(ca === undefined ? {} : { ca }),
    },
  });
  const Bucket = target.bucket;
  const keyOf = (key: string) => `${target.path.slice(1)}/${key}`.replace(/^\//, '');
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw explainS3(error, target);
    }
  };
  const headBucket = () =>
    attempt(async () => void (await client.send(new sdk.HeadBucketCommand({ Bucket }))));

  return {
    headBucket,
    async ensureBucket() {
      try {
        await headBucket();
      } catch (error) {
        if (!(error instanceof OperatorError) || error.code !== 's3-bucket-missing') throw error;
        await attempt(() => createBucket(client, sdk, target));
      }
    },
    get: (key) =>
      attempt(async () => {
        try {
          const Key = keyOf(key);
          const answer = await client.send(new sdk.GetObjectCommand({ Bucket, Key }));
          return await answer.Body?.transformToString();
        } catch (error) {
          if (nameOf(error) === 'NoSuchKey') return undefined;
          throw error;
        }
      }),
    put: (key, Body) =>
      attempt(async () => {
        // Of an empty text the SDK would say that it is a stream of unknown length.
        const ContentLength = Buffer.byteLength(Body);
        const object = { Bucket, Key: keyOf(key), Body, ContentLength };
        await client.send(new sdk.PutObjectCommand(object));
      }),
    list: (directory) =>
      attempt(async () => {
        const query = { Bucket, Prefix: keyOf(`${directory}/`), Delimiter: '/' };
        const found = await listed(sdk.paginateListObjectsV2({ client }, query));
        const start = keyOf('').length;
        return found.map(({ key, modified }) => ({ key: key.slice(start), modified }));
      }),
    close: () => client.destroy(),
  };
}

async function listed(
  pages: AsyncIterable<ListObjectsV2CommandOutput>,
): Promise<{ key: string; modified: number }[]> {
  const found: { key: string; modified: number }[] = [];
  for await (const page of pages) {
    for (const { Key = '', LastModified } of page.Contents ?? []) {
      found.push({ key: Key, modified: Math.floor((LastModified?.getTime() ?? 0) / 1000) });
    }
  }
  return found;
}

async function createBucket(
  client: S3Client,
  sdk: typeof import('@aws-sdk/client-s3'),
  { bucket: Bucket, region }: S3Target,
): Promise<void> {
  // us-east-1 is the region that has no name as a place of buckets.
  const place = region === '' || region === 'us-east-1' ? undefined : region;
  try {
    const LocationConstraint = place as NonNullable<
      import('@aws-sdk/client-s3').CreateBucketConfiguration['LocationConstraint']
    >;
    const configuration = { CreateBucketConfiguration: { LocationConstraint } };
    await client.send(
      new sdk.CreateBucketCommand({ Bucket, ...(place === undefined ? {} : configuration) }),
    );
  } catch (error) {
    const name = nameOf(error);
    // Another unit has made it in the meantime.
    if (name === 'BucketAlreadyOwnedByYou' || name === 'BucketAlreadyExists') return;
    if (name !== 'InvalidLocationConstraint' || place === undefined) throw error;
    await client.send(new sdk.CreateBucketCommand({ Bucket }));
  }
}

const TLS_CODES = /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO|EPROTO)/;
const NETWORK_CODES = [
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ETIMEDOUT', 'ECONNRESET', 'EPIPE'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'TimeoutError'],
];

/** What an error of the SDK means for an operator; others of ours pass through. */
function explainS3(error: unknown, target: S3Target): OperatorError {
  if (error instanceof OperatorError) return error;
  const name = nameOf(error);
  const status = (error as Partial<S3ServiceException>).$metadata?.httpStatusCode;
  const store = `the store at ${target.endpoint}`;
  const because = (code: string, message: string, hint: string) =>
    new OperatorError({ code, message, hint, retry: 'next-event', cause: error });
  if (name === 'NoSuchBucket' || (name === 'NotFound' && status === 404)) {
    const message = `cannot use bucket ${target.bucket}: ${store} has no such bucket`;
    return because('s3-bucket-missing', message, 'create it, or correct the option bucket');
  }
  if (name === 'RequestTimeTooSkewed') {
    const message = `cannot use ${store}: its clock and this machine's differ too much`;
    return because('s3-refused', message, 'set the clock of both machines');
  }
  if (status === 401 || status === 403) {
    const why =
      name === 'InvalidAccessKeyId' ? 'it does not know the access key' : `it says ${name}`;
    const message = `cannot use bucket ${target.bucket}: ${store} refuses the credentials: ${why}`;
    return because('s3-refused', message, 'check access key, secret key and their permissions');
  }
  const code = systemCode(error) ?? name;
  if (TLS_CODES.test(code)) {
    const message = `cannot trust ${store}: ${messageOf(error)}`;
    return because(
      's3-tls',
      message,
      'give its CA in tls-ca-chain, and use a name it is valid for',
    );
  }
  if (NETWORK_CODES.includes(code) || NETWORK_CODES.includes(name)) {
    const message = `cannot reach ${store}: ${messageOf(error) || code}`;
    return because('s3-unreachable', message, 'check the endpoint and the network between');
  }
  const message = `cannot use ${store}: ${messageOf(error)}`;
  return because('s3-failed', message, 'see the log of the store');
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
