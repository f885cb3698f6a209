/**
 * Traces as OTLP over HTTP wants them, in its JSON encoding: ids in hexadecimal, times as text in
 * nanoseconds (opentelemetry.io/docs/specs/otlp, opentelemetry-proto). Pure.
 */
import type { Span, Trace } from '../std/trace.ts';

/** The one kind that we have: work inside a process. */
const INTERNAL = 1;
const FAILED = 2;

/** The body of a POST to `<endpoint>/v1/traces`. */
export function otlpTraces(traces: readonly Trace[]): unknown {
  return {
    resourceSpans: traces.map(({ id, resource, spans }) => ({
      resource: { attributes: attributesOf(resource) },
      scopeSpans: [{ scope: { name: 'pgcharm' }, spans: spans.map((span) => encode(id, span)) }],
    })),
  };
}

function encode(traceId: string, { id, parent, name, start, end, attributes, error }: Span) {
  return {
    traceId,
    spanId: id,
    ...(parent === undefined ? {} : { parentSpanId: parent }),
    name,
    kind: INTERNAL,
    startTimeUnixNano: nanoseconds(start),
    endTimeUnixNano: nanoseconds(end),
    attributes: attributesOf(attributes),
    status: error === undefined ? {} : { code: FAILED, message: error },
  };
}

function attributesOf(attributes: Readonly<Record<string, string>>) {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } }));
}

/** Microseconds are as exact as a number of milliseconds since 1970 can be. */
function nanoseconds(milliseconds: number): string {
  return String(BigInt(Math.round(milliseconds * 1000)) * 1000n);
}
