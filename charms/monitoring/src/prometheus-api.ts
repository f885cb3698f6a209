/** Asks a running Prometheus over its HTTP API. Changes nothing; never waits longer than told. */
import { get } from 'node:http';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { PORT, type Target } from './world.ts';

const TIMEOUT_MS = 2000;
const MAX_BYTES = 10_000_000;

/** Whether it has read its configuration and takes requests. */
export async function isReady(address: string): Promise<boolean> {
  return request(address, '/-/ready').then(
    () => true,
    () => false,
  );
}

/** Every target, sorted by unit and address. @throws OperatorError `prometheus-silent` */
export async function activeTargets(address: string): Promise<Target[]> {
  const text = await request(address, '/api/v1/targets?state=active');
  const { data } = JSON.parse(text) as { data: { activeTargets: ActiveTarget[] } };
  return data.activeTargets
    .map((target) => ({
      job: target.labels['job'] ?? target.scrapePool,
      unit: target.labels['juju_unit'] ?? '',
      url: target.scrapeUrl,
      health: target.health,
      error: target.lastError,
    }))
    .sort((a, b) => a.unit.localeCompare(b.unit) || a.url.localeCompare(b.url));
}

interface ActiveTarget {
  labels: Record<string, string>;
  scrapePool: string;
  scrapeUrl: string;
  health: string;
  lastError: string;
}

function request(address: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const fail = (cause: unknown) =>
    reject(
      new OperatorError({
        code: 'prometheus-silent',
        message: `cannot ask Prometheus at ${address}: ${messageOf(cause)}`,
        retry: 'now',
        cause,
      }),
    );
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  get({ host: address, port: PORT, path, signal, agent: false }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (text.length > MAX_BYTES) response.destroy(new Error('the answer is too long'));
    });
    response.on('error', fail).on('end', () => {
      if (response.statusCode === 200) resolve(text);
      else fail(`it answers ${response.statusCode}`);
    });
  }).on('error', fail);
  return promise;
}
