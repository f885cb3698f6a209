/**
 * The store's front door: every request is verified before anything else is looked at, then
 * handed to the storage within this process (there is no second, unguarded listener). Bodies are
 * streamed and verified on their way; an object whose body proves false is never put in place.
 */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Transform } from 'node:stream';
import { messageOf } from '../../../../lib/std/errors.ts';
import type { Log } from '../../../../lib/std/log.ts';
import { openBody, type Promised } from './body.ts';
import { deleteObjects } from './deletion.ts';
import { listPage, parseList, renderPage } from './listing.ts';
import { S3Error, sendError, sendXml } from './s3-error.ts';
import { verify } from './sigv4.ts';
import type { ObjectStorage } from './storage.ts';
import { type Target, targetOf } from './target.ts';

export interface FrontOptions {
  storage: ObjectStorage;
  directory: string;
  secretOf: (accessKey: string) => string | undefined;
  log: Log;
  now: () => number;
}

export type Front = (
  request: IncomingMessage,
  response: ServerResponse,
  /** Asks the client, if it waits for that, to send the body. */
  proceed: () => void,
) => Promise<void>;

/** A document (a list of keys to delete, the parts of an upload) is held in memory. */
const MAX_DOCUMENT_BYTES = 2 * 1024 * 1024;
const UNPROMISED: Promised = {
  payload: { kind: 'unsigned' },
  length: undefined,
  md5: undefined,
  checksums: {},
};

export function createFront(options: FrontOptions): Front {
  const inner = options.storage.callback();
  options.storage.on('error', (error) => {
    if (!(error instanceof S3Error)) options.log.warning(`storage: ${messageOf(error)}`);
  });
  return async (request, response, proceed) => {
    const requestId = randomUUID().slice(0, 13);
    try {
      const { target, body } = admit(request, options);
      proceed();
      await serve({ request, response, target, body, requestId }, inner, options);
    } catch (error) {
      const known = error instanceof S3Error;
      options.log[known ? 'info' : 'error'](
        `${request.method} ${pathOf(request)}: ${known ? error.code : messageOf(error)}`,
        { request: requestId, from: request.socket.remoteAddress },
      );
      const answer = known ? error : new S3Error(500, 'InternalError', 'The store failed.');
      sendError(response, answer, requestId);
    }
  };
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  target: Target;
  body: Transform;
  requestId: string;
}

function admit(request: IncomingMessage, options: FrontOptions) {
  const { method = '', url = '/', headers } = request;
  const { payload } = verify(
    { method, url, headers },
    { secretOf: options.secretOf, now: options.now() },
  );
  const copySource = headers['x-amz-copy-source'];
  const target = targetOf(method, url, Array.isArray(copySource) ? copySource[0] : copySource);
  const chunked = payload.kind === 'chunked';
  const declared = chunked ? headers['x-amz-decoded-content-length'] : headers['content-length'];
  if (chunked && declared === undefined) {
    throw new S3Error(411, 'MissingContentLength', 'The length of the object is not declared.');
  }
  const checksums = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-checksum-'));
  const body = openBody({
    payload,
    length: declared === undefined ? undefined : Number(declared),
    md5: headers['content-md5']?.toString(),
    checksums: Object.fromEntries(checksums.map(([name, value]) => [name, String(value)])),
  });
  return { target, body };
}

async function serve(
  exchange: Exchange,
  inner: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  options: FrontOptions,
): Promise<void> {
  const { response, target } = exchange;
  switch (target.operation) {
    case 'list-objects':
    case 'head-bucket': {
      await discard(exchange);
      await requireBucket(target.bucket, options.storage);
      if (target.operation === 'head-bucket') {
        response.writeHead(200, { 'content-length': 0 }).end();
        return;
      }
      const list = parseList(target.query);
      const page = await listPage(join(options.directory, target.bucket), list);
      return sendXml(response, renderPage(target.bucket, list, page));
    }
    case 'delete-objects': {
      const document = await readDocument(exchange);
      await requireBucket(target.bucket, options.storage);
      return sendXml(response, await deleteObjects(document, target.bucket, options.storage));
    }
    case 'complete-upload': {
      const document = await readDocument(exchange);
      checkParts(document.toString('utf8'));
      exchange.body = openBody(UNPROMISED);
      exchange.body.end(document);
      break;
    }
    case 'get-object':
      await mendRange(exchange, options.storage);
      feed(exchange);
      break;
    default:
      feed(exchange);
  }
  await inner(innerRequest(exchange), response);
}

/**
 * The storage sees a request of its own: the verified body, no trace of the signature (it would
 * check it by its own rules), and a host that it cannot take for the name of a bucket.
 */
function innerRequest({ request, target, body }: Exchange): IncomingMessage {
  const headers: Record<string, string | string[] | undefined> = {
    ...request.headers,
    host: 'localhost',
    // Tells the storage that this is a call of the S3 interface, not a browser's.
    'x-amz-verified': 'yes',
  };
  for (const name of ['authorization', 'x-amz-content-sha256', 'transfer-encoding', 'origin']) {
    delete headers[name];
  }
  const encoding = headers['content-encoding']?.toString().replace(/(^|,)\s*aws-chunked\s*/, '');
  if (encoding === undefined || encoding === '') delete headers['content-encoding'];
  else headers['content-encoding'] = encoding;
  const length = headers['x-amz-decoded-content-length'] ?? headers['content-length'];
  if (length !== undefined) headers['content-length'] = String(length);
  const properties = {
    method: request.method,
    url: target.innerUrl,
    headers,
    socket: request.socket,
    httpVersion: request.httpVersion,
  };
  return Object.assign(body, properties) as unknown as IncomingMessage;
}

/** Connects the client's bytes to the verified body and answers for it when it proves false. */
function feed({ request, response, body, requestId }: Exchange): void {
  request.on('error', (error) => body.destroy(error));
  request.on('aborted', () => body.destroy(new S3Error(400, 'IncompleteBody', 'Cut off.')));
  body.on('error', (error) => {
    request.unpipe(body);
    if (error instanceof S3Error) sendError(response, error, requestId);
  });
  request.pipe(body);
}

async function discard(exchange: Exchange): Promise<void> {
  feed(exchange);
  for await (const _ of exchange.body);
}

async function readDocument(exchange: Exchange): Promise<Buffer> {
  feed(exchange);
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of exchange.body as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_DOCUMENT_BYTES) {
      throw new S3Error(400, 'EntityTooLarge', 'The document is too large.');
    }
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The storage makes file names of the numbers. */
function checkParts(document: string): void {
  const numbers = [...document.matchAll(/<PartNumber>\s*\d{1,5}\s*<\/PartNumber>/g)];
  const opened = document.match(/<PartNumber/g)?.length ?? 0;
  if (numbers.length === 0 || numbers.length !== opened || document.includes('<!')) {
    throw new S3Error(400, 'MalformedXML', 'The list of parts is not one of numbered parts.');
  }
}

/**
 * The storage reads `bytes=-5` as the first bytes, so it is rewritten; of several ranges none is
 * served, which HTTP allows.
 */
async function mendRange({ request, target }: Exchange, storage: ObjectStorage): Promise<void> {
  const range = request.headers.range;
  if (range === undefined) return;
  const match = /^bytes=(\d*)-(\d*)$/.exec(range);
  if (match === null) {
    delete request.headers.range;
  } else if (match[1] === '') {
    const found = await storage.store.getMetadata(target.bucket, target.key).catch(() => ({}));
    const size = Number((found as Record<string, unknown>)['content-length'] ?? 0);
    request.headers.range = `bytes=${Math.max(0, size - Number(match[2]))}-`;
  }
}

async function requireBucket(bucket: string, storage: ObjectStorage): Promise<void> {
  if ((await storage.store.getBucket(bucket)) !== null) return;
  throw new S3Error(404, 'NoSuchBucket', 'The specified bucket does not exist');
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0]?.slice(0, 300) ?? '';
}
