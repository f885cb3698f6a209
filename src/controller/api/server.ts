/**
 * The controller's HTTP API on `D/controller.sock` (0600): POST /v1/<verb>, JSON in and out.
 *
 * Checks what comes in, calls the verb, turns errors into answers. A verb that reads can be asked
 * to wait until its answer differs from one that the client has; nothing here polls.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { ApiError, ApiHeader, Verb } from '../api.ts';
import type { Model } from '../operations/model.ts';
import { Layout } from '../state/layout.ts';
import type { Store } from '../state/store.ts';
import { checkModelName } from '../views/model.ts';
import { changedAnswer, etagOf } from './changed-answer.ts';
import { type EnginePort, type Route, routes, type Scene } from './routes.ts';

const LARGEST_BODY_BYTES = 16 * 1024 * 1024;
const API_HEADER: ApiHeader = 'x-pgcharm-api';
const OWNER_ONLY_UMASK = 0o177;

const common = z.looseObject({
  model: z.string().max(200).optional(),
  etag: z.string().max(100).optional(),
  waitMs: z.number().int().min(0).max(30_000).optional(),
});

export interface ApiOptions {
  store: Store;
  engine: EnginePort;
  /** Absolute path of D. */
  root: string;
  log: Log;
  /** Of the release that runs. */
  version: string;
  /** Digest of ApiSources, for the clients; running from source there is none. */
  api?: string | undefined;
}

/** Listens; resolves once requests are answered. */
export async function startApi(options: ApiOptions): Promise<{ close(): Promise<void> }> {
  const { store, engine, root, log, version } = options;
  const model: Model = { store, layout: new Layout(root), now: () => Date.now() };
  const scene: Scene = { model, engine, version };
  const server = createServer((request, response) => {
    if (options.api !== undefined) response.setHeader(API_HEADER, options.api);
    answer(scene, request, response).catch((error: unknown) => {
      const reply = replyTo(error);
      if (reply.status === 500) log.error(`api: ${stackOf(error)}`);
      send(response, reply.status, reply.body);
    });
  });
  const path = join(root, 'controller.sock');
  await listen(server, path);
  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      rmSync(path, { force: true });
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  // Whoever starts this holds the installation's lock: a socket that is there is a dead one's.
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // The socket must never be open to others, not even between bind and chmod.
    const umask = process.umask(OWNER_ONLY_UMASK);
    server.listen(path, () => {
      server.off('error', reject);
      chmodSync(path, 0o600);
      resolve();
    });
    process.umask(umask);
  });
}

async function answer(
  scene: Scene,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const verb = /^\/v1\/([a-z-]+)$/.exec(request.url ?? '')?.[1];
  if (request.method !== 'POST' || verb === undefined || !isVerb(verb)) {
    throw new Refused(404, {
      error: `unknown verb ${request.method} ${request.url}`,
      code: 'unknown-verb',
    });
  }
  const body = await readBody(request);
  const { model, etag, waitMs } = common.parse(body);
  checkModelName(scene.model, model);
  const route: Route = routes[verb];
  const { identity = (value: unknown) => value } = route;
  const input = route.schema.parse(body);
  const compute = () => route.run(scene, input);
  const result =
    etag === undefined || waitMs === undefined
      ? await compute()
      : await changedAnswer(scene.model.store, {
          compute,
          differs: (value) => etagOf(identity(value)) !== etag,
          waitMs,
          gone: (listener) => response.once('close', listener),
        });
  response.setHeader('etag', etagOf(identity(result)));
  send(response, 200, result);
}

function isVerb(text: string): text is Verb {
  return Object.hasOwn(routes, text);
}

/** An answer that is no error of the model's. */
class Refused extends Error {
  readonly status: number;
  readonly body: ApiError;

  constructor(status: number, body: ApiError) {
    super(body.error);
    this.status = status;
    this.body = body;
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk as Uint8Array);
    size += bytes.length;
    if (size > LARGEST_BODY_BYTES) {
      throw new Refused(413, { error: 'the request is too large', code: 'too-large' });
    }
    chunks.push(bytes);
  }
  if (size === 0) return {};
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
  } catch {
    throw new Refused(400, { error: 'the request is not JSON', code: 'bad-request' });
  }
}

function replyTo(error: unknown): { status: number; body: ApiError } {
  if (error instanceof Refused) return error;
  if (error instanceof OperatorError) {
    const { message, code, hint } = error;
    const status = code === 'not-found' ? 404 : 400;
    return { status, body: { error: message, code, ...(hint === undefined ? {} : { hint }) } };
  }
  if (error instanceof z.ZodError) {
    const [issue] = error.issues;
    const text = `invalid request: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
    return { status: 400, body: { error: text, code: 'bad-request' } };
  }
  const body = {
    error: `internal error: ${messageOf(error)}`,
    code: 'internal',
    hint: 'the controller wrote the details to log/controller.log in its directory',
  };
  return { status: 500, body };
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const text = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': text.length });
  response.end(text);
}
