/** The tracing interface, and spans as OTLP has them in JSON. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { otlpTraces } from '../../../lib/relations/otlp.ts';
import {
  otlpHttpEndpoint,
  requestedProtocols,
  tracingAnswer,
  tracingRequest,
} from '../../../lib/relations/tracing.ts';

describe('tracing', () => {
  test('asks for OTLP over HTTP, as text that a provider reads', () => {
    assert.deepEqual(tracingRequest(), { receivers: '["otlp_http"]' });
    assert.deepEqual(requestedProtocols(tracingRequest()), ['otlp_http']);
    assert.deepEqual(requestedProtocols({}), []);
  });

  test('finds the receiver for it among others', () => {
    const answer = tracingAnswer([
      { protocol: { name: 'otlp_grpc', type: 'grpc' }, url: 'host:4317' },
      { protocol: { name: 'otlp_http', type: 'http' }, url: 'http://host:4318/' },
    ]);
    assert.equal(otlpHttpEndpoint(answer), 'http://host:4318');
  });

  test('takes nothing that is no URL of HTTP', () => {
    const at = (url: string) =>
      otlpHttpEndpoint(tracingAnswer([{ protocol: { name: 'otlp_http', type: 'http' }, url }]));
    assert.equal(at('file:///etc/passwd'), undefined);
    assert.equal(at('host:4318'), undefined);
    assert.equal(at('https://host/otlp'), 'https://host/otlp');
    assert.equal(otlpHttpEndpoint({}), undefined);
  });

  test('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (receivers) => {
        const found = otlpHttpEndpoint({ receivers });
        assert.ok(found === undefined || found.startsWith('http'));
        assert.ok(Array.isArray(requestedProtocols({ receivers })));
      }),
    );
  });
});

describe('OTLP', () => {
  test('has ids in hexadecimal, times in nanoseconds and failures as a status', () => {
    const root = { id: '00000000000000a1', name: 'start', start: 1_767_225_600_000.5, end: 1 };
    const step = { ...root, id: '00000000000000a2', parent: root.id, error: 'no way' };
    const body = otlpTraces([
      {
        id: '000000000000000000000000000000ff',
        resource: { juju_unit: 'pg/0' },
        spans: [
          { ...root, attributes: {} },
          { ...step, attributes: { why: 'it lacks' } },
        ],
      },
    ]);
    const attributes = [{ key: 'why', value: { stringValue: 'it lacks' } }];
    const shared = { traceId: '000000000000000000000000000000ff', name: 'start', kind: 1 };
    const times = { startTimeUnixNano: '1767225600000500000', endTimeUnixNano: '1000000' };
    assert.deepEqual(body, {
      resourceSpans: [
        {
          resource: { attributes: [{ key: 'juju_unit', value: { stringValue: 'pg/0' } }] },
          scopeSpans: [
            {
              scope: { name: 'pgcharm' },
              spans: [
                { ...shared, spanId: root.id, ...times, attributes: [], status: {} },
                {
                  ...shared,
                  spanId: step.id,
                  parentSpanId: root.id,
                  ...times,
                  attributes,
                  status: { code: 2, message: 'no way' },
                },
              ],
            },
          ],
        },
      ],
    });
  });
});
