/**
 * The `tracing` interface, version 2, both sides: a charm asks for receivers by protocol, and is
 * told where each is. `cos_agent` tells of receivers in the same shape.
 */
import { z } from 'zod';
import { type Databag, parseJson, stringList } from './databag.ts';

/** OTLP over HTTP, the one protocol that we speak. */
export const OTLP_HTTP = 'otlp_http';

export interface Receiver {
  protocol: { name: string; type: string };
  url: string;
}

const receivers = z.array(
  z.object({
    protocol: z.object({ name: z.string(), type: z.string() }),
    url: z.string().max(2048),
  }),
);

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
  const parsed = receivers.safeParse(parseJson(bag['receivers'] ?? '[]'));
  if (!parsed.success) return undefined;
  const url = parsed.data.find(({ protocol }) => protocol.name === OTLP_HTTP)?.url;
  if (url === undefined || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) return undefined;
  return url.replace(/\/+$/, '');
}
