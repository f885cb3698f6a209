/**
 * Client of the controller's API over its unix socket, one request per connection.
 *
 * It finds or starts the controller on first use. Errors of the controller come back as
 * OperatorError with the controller's own text.
 */
import { request as httpRequest } from 'node:http';
import { OperatorError, systemCode } from '../../lib/std/errors.ts';
import type { ApiError, ApiHeader, Common, Verb, Verbs } from '../controller/api.ts';

export interface Answer<T> {
  readonly body: T;
  /** Names this answer; give it back to wait for a different one. */
  readonly etag: string;
}

export interface Api {
  call<V extends Verb>(verb: V, request: Verbs[V]['request']): Promise<Verbs[V]['answer']>;
  /** Waits up to 30 s for an answer other than `etag`; without one answers at once. */
  watch<V extends Verb>(
    verb: V,
    request: Verbs[V]['request'],
    options: { etag?: string | undefined; waitMs?: number; signal?: AbortSignal },
  ): Promise<Answer<Verbs[V]['answer']>>;
}

export interface Connection extends Api {
  /**
   * What the controller's last answer said of its interface (`ApiHeader`): empty when it is too
   * old to say; undefined before the first answer.
   */
  heard(): string | undefined;
}

interface Wire {
  status: number;
  api: string;
  etag: string;
  text: string;
}

const API_HEADER: ApiHeader = 'x-pgcharm-api';
const LONGEST_WAIT_MS = 30_000;

export function connectApi(options: {
  /** Answers the socket's path, once a controller listens there. */
  socket: () => Promise<string>;
  model: string | undefined;
  /** Ends every request. */
  signal: AbortSignal;
}): Connection {
  let found: Promise<string> | undefined;
  let heard: string | undefined;
  const send = async (verb: Verb, body: object & Common, signal: AbortSignal = options.signal) => {
    found ??= options.socket();
    const model = options.model === undefined ? {} : { model: options.model };
    try {
      const wire = await post(await found, verb, { ...model, ...body }, signal);
      heard = wire.api;
      return wire;
    } catch (error) {
      // Whoever asks again looks for the controller again, and starts it if need be.
      found = undefined;
      throw error;
    }
  };
  return {
    heard: () => heard,
    async call(verb, body) {
      return parse(await send(verb, body)).body as Verbs[typeof verb]['answer'];
    },
    async watch(verb, body, { etag, waitMs, signal }) {
      const wait =
        etag === undefined
          ? {}
          : { etag, waitMs: Math.min(waitMs ?? LONGEST_WAIT_MS, LONGEST_WAIT_MS) };
      return parse(await send(verb, { ...body, ...wait }, signal)) as Answer<
        Verbs[typeof verb]['answer']
      >;
    },
  };
}

function parse({ status, etag, text }: Wire): Answer<unknown> {
  const body: unknown = JSON.parse(text);
  if (status < 400) return { body, etag };
  const { error, code, hint } = body as ApiError;
  throw new OperatorError({
    code,
    message: error,
    ...(hint === undefined ? {} : { hint }),
    retry: 'never',
  });
}

function post(socketPath: string, verb: Verb, body: object, signal: AbortSignal): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const payload = Buffer.from(JSON.stringify(body));
    const request = httpRequest(
      {
        socketPath,
        path: `/v1/${verb}`,
        method: 'POST',
        // A connection that is kept would outlive the controller it leads to.
        agent: false,
        headers: { 'content-type': 'application/json', 'content-length': payload.length },
        signal,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 500,
            api: String(response.headers[API_HEADER] ?? ''),
            etag: String(response.headers.etag ?? ''),
            text: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    request.on('error', (cause) => reject(signal.aborted ? cause : lost(cause)));
    request.end(payload);
  });
}

function lost(cause: Error): OperatorError {
  return new OperatorError({
    code: 'controller-lost',
    message: `cannot talk to the controller: ${systemCode(cause) ?? cause.message}`,
    hint: 'it may be restarting; run the command again',
    retry: 'now',
    cause,
  });
}
