/** Spans: who encloses whom, what a failure leaves, and the bounds of what is kept on disk. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { collectSpans, type Trace, traced } from '../../../lib/std/trace.ts';
import { dropLeaving, keepTrace, leavingTraces } from '../../../lib/std/trace-buffer.ts';

describe('spans', () => {
  test('know what they happened in, also when several go on at once', async () => {
    const stop = collectSpans({ unit: 'a/0' });
    await traced('event', {}, async () => {
      await Promise.all(
        ['one', 'two'].map((name) =>
          traced(name, {}, async () => {
            await new Promise((resolve) => setImmediate(resolve));
            await traced(`within ${name}`, { of: name }, async () => undefined);
          }),
        ),
      );
    });
    const { spans, resource } = stop();
    assert.deepEqual(resource, { unit: 'a/0' });
    const named = (name: string) => spans.find((span) => span.name === name);
    const root = named('event');
    assert.equal(root?.parent, undefined);
    for (const name of ['one', 'two']) {
      assert.equal(named(name)?.parent, root?.id);
      assert.equal(named(`within ${name}`)?.parent, named(name)?.id);
      assert.deepEqual(named(`within ${name}`)?.attributes, { of: name });
    }
    assert.ok(spans.every(({ start, end }) => end >= start && Math.abs(Date.now() - end) < 60_000));
    assert.equal(new Set(spans.map(({ id }) => id)).size, 5);
  });

  test('say why they failed, and let the failure through', async () => {
    const stop = collectSpans({});
    const failing = traced('step', {}, () => Promise.reject(new Error('no way')));
    await assert.rejects(failing, /no way/);
    assert.deepEqual(
      stop().spans.map(({ name, error }) => [name, error]),
      [['step', 'no way']],
    );
  });

  test('are not made while nobody collects, nor after', async () => {
    const stop = collectSpans({});
    const { spans } = stop();
    assert.equal(await traced('unseen', {}, async () => 7), 7);
    assert.deepEqual(spans, []);
  });
});

describe('the buffer of traces', () => {
  const dir = mkdtempSync(join(tmpdir(), 'pgc-'));
  after(() => rmSync(dir, { recursive: true }));
  const trace = (id: string, filling = ''): Trace => ({
    id,
    resource: {},
    spans: [{ id, name: filling, start: 1, end: 2, attributes: {} }],
  });
  async function taken(): Promise<string[]> {
    const ids: string[] = [];
    for (let empty = 0; empty < 2; ) {
      const traces = await leavingTraces(dir);
      empty = traces === undefined ? empty + 1 : 0;
      ids.push(...(traces ?? []).map(({ id }) => id));
      if (traces !== undefined) await dropLeaving(dir);
    }
    return ids;
  }

  test('gives back what was kept, in order, until it is dropped', async () => {
    await keepTrace(dir, trace('a'));
    await keepTrace(dir, trace('b'));
    assert.equal(await leavingTraces(dir), undefined, 'set aside first');
    const twice = [await leavingTraces(dir), await leavingTraces(dir)];
    assert.deepEqual(
      twice.map((traces) => traces?.map(({ id }) => id)),
      [
        ['a', 'b'],
        ['a', 'b'],
      ],
    );
    await dropLeaving(dir);
    assert.deepEqual(await taken(), []);
  });

  test('passes over half a line that a killed process left', async () => {
    appendFileSync(join(dir, 'new.jsonl'), '{"id":"half');
    assert.deepEqual(await taken(), []);
  });

  test('is bounded: the oldest go, the newest stay', async () => {
    const filling = 'x'.repeat(10_000);
    for (let n = 0; n < 300; n++) await keepTrace(dir, trace(String(n), filling));
    const bytes = readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
    assert.ok(bytes < 1.2 * 2 ** 20, `${bytes} bytes`);
    const ids = await taken();
    assert.equal(ids.at(-1), '299');
    assert.ok(ids.length > 50 && !ids.includes('0'));
  });

  test('is readable to nobody else, and is not made where there is no place for it', async () => {
    await keepTrace(dir, trace('a'));
    assert.equal(statSync(join(dir, 'new.jsonl')).mode & 0o777, 0o600);
    await keepTrace(join(dir, 'absent'), trace('a'));
    assert.ok(!readdirSync(dir).includes('absent'));
  });
});
