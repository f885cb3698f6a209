/** The agent's sender of traces, against a receiver that takes, refuses and fails. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { streamLog } from '../../../lib/std/log.ts';
import { keepTrace, leavingTraces } from '../../../lib/std/trace-buffer.ts';
import { TraceSender } from '../../../src/agent/traces.ts';

describe('sending of traces', () => {
  const dir = mkdtempSync(join(tmpdir(), 'pgc-'));
  const received: { path: string; body: string }[] = [];
  let status = 200;
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      received.push({ path: request.url ?? '', body });
      response.writeHead(status).end();
    });
  });
  let url = '';
  let said = '';
  const log = streamLog(
    new Writable({
      write(chunk, _, done) {
        said += String(chunk);
        done();
      },
    }) as never,
  );
  const kept = (id: string) => keepTrace(dir, { id, resource: {}, spans: [] });
  /** Two runs: one sets aside, one sends. */
  async function send(to: string | undefined): Promise<void> {
    const wish = to === undefined ? undefined : { url: to, directory: dir };
    const sender = new TraceSender(() => wish, log);
    sender.loop.start();
    await sender.loop.fresh();
    await sender.loop.fresh();
    await sender.loop.stop();
  }

  before(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.close();
    rmSync(dir, { recursive: true });
  });

  test('nothing leaves while nobody takes them', async () => {
    await kept('a');
    await send(undefined);
    assert.deepEqual(received, []);
  });

  test('what was kept meanwhile goes first, once', async () => {
    await kept('b');
    await send(url);
    assert.deepEqual(
      received.map(({ path }) => path),
      ['/v1/traces'],
    );
    const { resourceSpans } = JSON.parse(received[0]?.body ?? '{}');
    assert.equal(resourceSpans.length, 2);
    await send(url);
    assert.equal(received.length, 1);
  });

  test('a receiver that fails gets them again, and is complained about once', async () => {
    status = 503;
    await kept('c');
    await send(url);
    assert.ok(received.length >= 2);
    assert.equal(said.match(/cannot send traces yet: it answers 503/g)?.length, 1);
    status = 200;
    await send(url);
    assert.equal(await leavingTraces(dir), undefined);
  });

  test('what a receiver refuses is given up', async () => {
    status = 400;
    await kept('d');
    await send(url);
    assert.match(said, /refused with 400/);
    assert.equal(await leavingTraces(dir), undefined);
  });
});
