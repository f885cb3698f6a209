/**
 * Sends the spans that hooks have left on disk to whoever takes them, by OTLP over HTTP. Hooks
 * never wait for it; while nobody takes them they stay, the newest longest.
 */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { otlpTraces } from '../../lib/relations/otlp.ts';
import { messageOf } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';
import { dropLeaving, leavingTraces } from '../../lib/std/trace-buffer.ts';
import type { Desired } from '../charm/model/desired.ts';
import { Loop } from './loop.ts';

const EVERY_MS = 3000;
const RETRY_MS = 30_000;
const TIMEOUT_MS = 10_000;

export class TraceSender {
  readonly loop: Loop;
  readonly #wish: () => Desired['tracing'];
  readonly #log: Log;
  /** Said once for each run of failures. */
  #failing = false;

  constructor(wish: () => Desired['tracing'], log: Log) {
    this.#wish = wish;
    this.#log = log;
    this.loop = new Loop({
      name: 'sending of traces',
      log,
      everyMs: () => (this.#failing ? RETRY_MS : EVERY_MS),
      run: () => this.#send(),
    });
  }

  async #send(): Promise<void> {
    const wish = this.#wish();
    if (wish === undefined) return;
    const traces = await leavingTraces(wish.directory);
    if (traces === undefined) return;
    try {
      const status = await post(`${wish.url}/v1/traces`, JSON.stringify(otlpTraces(traces)));
      // Refused for what they are, they would be refused again.
      const refused = status >= 400 && status < 500 && status !== 429;
      if (status >= 300 && !refused) throw new Error(`it answers ${status}`);
      if (refused) this.#log.warning(`traces are refused with ${status}: they are given up`);
      await dropLeaving(wish.directory);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log.warning(`cannot send traces yet: ${messageOf(error)}`);
      this.#failing = true;
    }
  }
}

/** @returns the status of the answer */
function post(url: string, body: string): Promise<number> {
  const request = url.startsWith('https:') ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    });
    outgoing.on('error', reject);
    outgoing.once('response', (answer) => {
      answer.resume().once('error', reject);
      answer.once('end', () => resolve(answer.statusCode ?? 0));
    });
    outgoing.end(body);
  });
}
