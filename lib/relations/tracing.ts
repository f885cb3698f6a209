/**
 * The `tracing` interface, version 2, both sides: a charm asks for receivers by protocol, and is
 * told where each is. `cos_agent` tells of receivers in the same shape.
 */
import { type Databag, parseJson, stringList } from './databag.ts';

/** OTLP over HTTP, the one protocol that we speak. */
export const OTLP_HTTP = 'otlp_http';

export interface Receiver {
  protocol: { name: string; type: string };
  url: string;
}

const MAX_URL = 2048;

/** What a charm writes into its application databag. */
export function tracingRequest(protocols: readonly string[] = [OTLP_HTTP]): { receivers: string } {
  return { receivers: JSON.stringify(protocols) };
}

/** Protocols that a charm asks for. */
export function requestedProtocols(app: Databag): string[] {
  return stringList(app['receivers'] ?? '[]') ?? [];
}

/** What a provider writes into its application databag. */
export function tracingAnswer(offered: readonly Receiver[]): { receivers: string } {
  return { receivers: JSON.stringify(offered) };
}

/**
 * Where spans go by OTLP over HTTP: `http://host:4318`, without the path of traces.
 *
 * @returns undefined while there is none, and for what is no such URL
 */
export function otlpHttpEndpoint(bag: Databag): string | undefined {
  const parsed = parseJson(bag['receivers'] ?? '[]');
  // By hand: a library for it would cost every hook more than all else that it loads.
  if (!Array.isArray(parsed) || !parsed.every(isReceiver)) return undefined;
  const url = parsed.find(({ protocol }) => protocol.name === OTLP_HTTP)?.url;
  if (url === undefined || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return undefined;
  return url.replace(/\/+$/, '');
}

function isReceiver(value: unknown): value is Receiver {
  const { protocol, url } = (value ?? {}) as Partial<Record<string, unknown>>;
  const { name, type } = (protocol ?? {}) as Partial<Record<string, unknown>>;
  if (typeof url !== 'string' || url.length > MAX_URL) return false;
  return typeof name === 'string' && typeof type === 'string';
}
