/**
 * HTTP for the adapters: requests with an explicit timeout each, over kept-alive connections; here
 * plain TCP or a unix socket, in https.ts mutual TLS. Knows nothing of etcd, Patroni or the agent.
 *
 * Every event asks the unit's agent by it, so what only others need is not loaded with it.
 */
import http from 'node:http';
import { createInterface } from 'node:readline';
import { systemCode } from '../../../lib/std/errors.ts';

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';
  /** Absolute; for a unix socket only its path counts: `http://agent/v1/world`. */
  url: string;
  json?: unknown;
  headers?: Record<string, string>;
  /** Until the whole answer is here. */
  timeoutMs: number;
}

export interface HttpAnswer {
  status: number;
  body: string;
}

export interface HttpStream extends Omit<HttpRequest, 'timeoutMs'> {
  onLine(line: string): void;
  /** Until the answer's header is here; the stream itself has no limit. */
  connectTimeoutMs: number;
  signal?: AbortSignal;
}

export interface HttpPort {
  /** @throws Error of the system (ECONNREFUSED, …) or one that says `no answer within <n> ms` */
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** Calls back for every line of the answer and resolves when the other side has ended it. */
  stream(request: HttpStream): Promise<number>;
  close(): void;
}

/** @param socketPath speaks to this unix socket instead of the address in the URL */
export function createHttp({ socketPath }: { socketPath?: string } = {}): HttpPort {
  // Nothing here verifies a name, and to make one up Node compiles an expression for 3 ms.
  const place = { servername: '', ...(socketPath === undefined ? {} : { socketPath }) };
  return httpOver({
    request: (url, given) => http.request(url, { ...given, ...place }),
    newAgent: (settings) => new http.Agent(settings),
  });
}

/** What carries requests: `node:http`, or `node:https` with its certificates. */
export interface Carrier {
  request(url: URL, options: http.RequestOptions): http.ClientRequest;
  newAgent(settings: http.AgentOptions): http.Agent;
}

export function httpOver(carrier: Carrier): HttpPort {
  const agent = carrier.newAgent({ keepAlive: true, maxSockets: 8, maxFreeSockets: 2 });

  const open = (request: Omit<HttpRequest, 'timeoutMs'>, own?: http.Agent): http.ClientRequest => {
    const url = new URL(request.url);
    const body = request.json === undefined ? undefined : JSON.stringify(request.json);
    const outgoing = carrier.request(url, {
      method: request.method,
      agent: own ?? agent,
      headers: {
        ...request.headers,
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    });
    outgoing.end(body);
    return outgoing;
  };
  return {
    async request(request) {
      const outgoing = open(request);
      try {
        return await whole(outgoing, request.timeoutMs);
      } catch (error) {
        // The other side closed a kept connection just as it was used again.
        const stale = outgoing.reusedSocket && systemCode(error) === 'ECONNRESET';
        if (!stale || request.method !== 'GET') throw error;
        return await whole(open(request), request.timeoutMs);
      }
    },
    async stream(request) {
      // A connection of its own, so that long streams never use up the shared ones.
      const own = carrier.newAgent({});
      try {
        return await lines(open(request, own), request);
      } finally {
        own.destroy();
      }
    },
    close: () => agent.destroy(),
  };
}

function whole(outgoing: http.ClientRequest, timeoutMs: number): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    const timer = setTimeout(() => {
      const late = new Error(`no answer within ${timeoutMs} ms`);
      // A request that was never given a socket reports no error when it is destroyed.
      fail(late);
      outgoing.destroy(late);
    }, timeoutMs);
    outgoing.on('error', fail);
    outgoing.once('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('error', fail);
      incoming.once('end', () => {
        clearTimeout(timer);
        resolve({
          status: incoming.statusCode ?? 0,
          body: Buffer.concat(chunks).toString('utf8'),
        });
      });
    });
  });
}

function lines(outgoing: http.ClientRequest, request: HttpStream): Promise<number> {
  return new Promise((resolve, reject) => {
    const limit = request.connectTimeoutMs;
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', abort);
      finish();
    };
    const giveUp = (error: Error) => {
      settle(() => reject(error));
      outgoing.destroy(error);
    };
    const timer = setTimeout(() => giveUp(new Error(`no answer within ${limit} ms`)), limit);
    const abort = () => giveUp(new Error('aborted'));
    request.signal?.addEventListener('abort', abort, { once: true });
    // A cut stream reports itself more than once: on the request and on its answer.
    outgoing.on('error', (error) => settle(() => reject(error)));
    outgoing.once('response', (incoming) => {
      clearTimeout(timer);
      incoming.on('error', (error) => settle(() => reject(error)));
      const reader = createInterface({ input: incoming });
      reader.on('error', () => undefined);
      reader.on('line', (line) => request.onLine(line));
      reader.once('close', () => settle(() => resolve(incoming.statusCode ?? 0)));
    });
    if (request.signal?.aborted) abort();
  });
}
