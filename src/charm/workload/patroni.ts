/**
 * Patroni's REST API over TLS with basic authentication for what changes something.
 *
 * Given several addresses, the first that answers is used; what concerns one member (`member`,
 * `restart`, `reload`, `reinitialize`) is meant for an adapter with one address.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import type { HttpAnswer } from './http.ts';
import { createHttps, type TlsFiles } from './https.ts';
import type { PatroniCluster, PatroniMember, PatroniPort } from './ports.ts';

export interface PatroniOptions {
  addresses: readonly string[];
  port: number;
  username: string;
  password: string;
  tls: TlsFiles;
  /** Per address for what only reads; default 2000. */
  timeoutMs?: number;
}

interface Call {
  method: 'GET' | 'POST' | 'PATCH';
  path: string;
  json?: unknown;
  timeoutMs?: number;
}

/**
 * @throws OperatorError `patroni-unreachable` when no address answers, `patroni-refused` with
 *   Patroni's own words when it says no
 */
export function createPatroni(options: PatroniOptions): PatroniPort {
  const http = createHttps(options.tls);
  const credentials = `${options.username}:${options.password}`;
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;

  const ask = async ({ method, path, json, timeoutMs }: Call): Promise<HttpAnswer> => {
    let failure: unknown;
    for (const address of options.addresses) {
      try {
        return await http.request({
          method,
          url: `https://${bracket(address)}:${options.port}${path}`,
          headers: method === 'GET' ? {} : { authorization },
          timeoutMs: timeoutMs ?? options.timeoutMs ?? 2000,
          ...(json === undefined ? {} : { json }),
        });
      } catch (error) {
        failure = error;
        // A request that changes something may have arrived; asking another could do it twice.
        if (method !== 'GET' && !neverSent(error)) break;
      }
    }
    throw unreachable(options.addresses, failure);
  };
  const read = async <T>(path: string): Promise<T> => {
    const answer = await ask({ method: 'GET', path });
    // Patroni answers /patroni with 503 while PostgreSQL is down, and still with the facts.
    if (answer.status === 200 || path === '/patroni') return parse<T>(answer);
    throw refused(path, answer);
  };
  const change = async (call: Call): Promise<void> => {
    const answer = await ask(call);
    if (answer.status < 200 || answer.status > 299) throw refused(call.path, answer);
  };
  return {
    cluster: () => read<PatroniCluster>('/cluster'),
    member: () => read<PatroniMember>('/patroni'),
    config: () => read<Record<string, unknown>>('/config'),
    patchConfig: (json, timeoutMs = 10_000) =>
      change({ method: 'PATCH', path: '/config', json, timeoutMs }),
    switchover: (leader, candidate, timeoutMs) =>
      change({ method: 'POST', path: '/switchover', json: { leader, candidate }, timeoutMs }),
    restart: (timeoutMs) => change({ method: 'POST', path: '/restart', json: {}, timeoutMs }),
    reload: () => change({ method: 'POST', path: '/reload', timeoutMs: 10_000 }),
    reinitialize: () =>
      change({ method: 'POST', path: '/reinitialize', json: { force: true }, timeoutMs: 10_000 }),
    close: () => http.close(),
  };
}

/** IPv6 addresses stand in brackets within a URL. */
export function bracket(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

function neverSent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}

function unreachable(addresses: readonly string[], cause: unknown): OperatorError {
  const reason = cause instanceof Error ? cause.message : 'no address is configured';
  return new OperatorError({
    code: 'patroni-unreachable',
    message: `cannot reach Patroni at ${addresses.join(', ')}: ${reason}`,
    retry: 'now',
    cause,
  });
}

function refused(path: string, answer: HttpAnswer): OperatorError {
  const reason = answer.body.trim().slice(0, 300) || `HTTP ${answer.status}`;
  return new OperatorError({
    code: 'patroni-refused',
    message: `cannot carry out ${path.slice(1)}: Patroni answers "${reason}"`,
  });
}

function parse<T>(answer: HttpAnswer): T {
  try {
    return JSON.parse(answer.body) as T;
  } catch (cause) {
    throw new OperatorError({
      code: 'patroni-unreachable',
      message: `cannot read Patroni's answer: HTTP ${answer.status} without JSON`,
      cause,
    });
  }
}
