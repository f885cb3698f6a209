/**
 * The few parts of HTTP that the agent's three servers share: routes by method and path, JSON in
 * and out, streams of lines, and OperatorErrors as `{"error": …}`.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';

const MAX_BODY_BYTES = 256 * 1024;

export interface Call {
  /** The part of the path that stands for `:id` in the route. */
  id: string;
  body: Record<string, unknown>;
  /** Aborted when the caller has gone. */
  signal: AbortSignal;
  /** Makes the answer a stream, whose header the caller has at once. */
  begin(): void;
  /** Each value becomes a line of JSON. */
  send(value: unknown): void;
}

/** What it returns is the answer; after begin() its return ends the stream. */
export type Handler = (call: Call) => Promise<unknown>;

/** `GET /v1/world`, `DELETE /v1/jobs/:id` */
export type Routes = Readonly<Record<string, Handler>>;

export function listener(routes: Routes, log: Log): RequestListener {
  return (request, response) => {
    void answer(routes, request, response, log);
  };
}

async function answer(
  routes: Routes,
  request: IncomingMessage,
  response: ServerResponse,
  log: Log,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const begin = () => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).flushHeaders();
  };
  const send = (value: unknown) => response.write(`${JSON.stringify(value)}\n`);
  try {
    const found = find(routes, request);
    if (found === undefined) return json(response, 404, refusal('no-such-path', 'no such path'));
    const body = await readBody(request);
    const value = await found.handler({ id: found.id, body, signal: gone.signal, begin, send });
    if (response.headersSent) response.end();
    else json(response, 200, value ?? {});
  } catch (error) {
    const known = error instanceof OperatorError;
    if (!known) log.error(`${request.method} ${request.url}: ${messageOf(error)}`);
    const body = refusal(known ? error.code : 'bug', messageOf(error), known ? error.hint : '');
    if (!response.headersSent) return json(response, known ? 409 : 500, body);
    response.end(`${JSON.stringify(body)}\n`);
  }
}

function find(
  routes: Routes,
  request: IncomingMessage,
): { handler: Handler; id: string } | undefined {
  const path = (request.url ?? '').split('?')[0] ?? '';
  const exact = routes[`${request.method} ${path}`];
  if (exact !== undefined) return { handler: exact, id: '' };
  const slash = path.lastIndexOf('/');
  const handler = routes[`${request.method} ${path.slice(0, slash)}/:id`];
  return handler && { handler, id: decodeURIComponent(path.slice(slash + 1)) };
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw invalid('the body is too large');
    chunks.push(chunk);
  }
  if (bytes === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Falls through: not JSON and not an object are the same mistake.
  }
  throw invalid('the body is no JSON object');
}

export function textField(body: Record<string, unknown>, name: string): string {
  const value = body[name];
  if (typeof value === 'string') return value;
  throw invalid(`${name} is missing`);
}

export function numberField(body: Record<string, unknown>, name: string): number {
  const value = body[name];
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw invalid(`${name} is missing`);
}

export function textsField(body: Record<string, unknown>, name: string): Record<string, string> {
  const value = body[name] ?? {};
  const isTexts =
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((each) => typeof each === 'string');
  if (isTexts) return value as Record<string, string>;
  throw invalid(`${name} must hold texts only`);
}

/** Empty where it is missing: whoever asks may be older than this. */
export function textListField(body: Record<string, unknown>, name: string): string[] {
  const value = body[name] ?? [];
  if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value;
  throw invalid(`${name} must be a list of texts`);
}

function json(response: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  const length = Buffer.byteLength(text);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length });
  response.end(text);
}

function refusal(code: string, message: string, hint?: string) {
  return { error: { code, message, ...(hint ? { hint } : {}) } };
}

function invalid(reason: string): OperatorError {
  return new OperatorError({
    code: 'invalid-request',
    message: `cannot read the request: ${reason}`,
    retry: 'never',
  });
}
