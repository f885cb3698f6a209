/**
 * Asks a running Prometheus and its Alertmanager over their HTTP APIs. Changes nothing; never waits
 * longer than told.
 */
import { get } from 'node:http';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { type Alert, PORTS, type ServiceName, type Target } from './world.ts';

const TIMEOUT_MS = 5000;
const MAX_BYTES = 10_000_000;

/** Whether it has read its configuration and takes requests. */
export async function isReady(address: string): Promise<boolean> {
  return request('prometheus', address, '/-/ready').then(
    () => true,
    () => false,
  );
}

/** Every target, sorted by unit and address. @throws OperatorError `prometheus-silent` */
export async function activeTargets(address: string): Promise<Target[]> {
  const text = await request('prometheus', address, '/api/v1/targets?state=active');
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

/** What fires and nobody silenced, gravest first. @throws OperatorError `alertmanager-silent` */
export async function activeAlerts(address: string): Promise<Alert[]> {
  const path = '/api/v2/alerts?active=true&silenced=false&inhibited=false';
  const found = JSON.parse(await request('alertmanager', address, path)) as FoundAlert[];
  return found
    .map(({ labels, annotations, startsAt }) => ({
      name: labels['alertname'] ?? '',
      severity: labels['severity'] ?? '',
      subject: labels['juju_unit'] ?? labels['juju_application'] ?? '',
      summary: annotations['summary'] ?? '',
      since: startsAt,
    }))
    .sort((a, b) => a.severity.localeCompare(b.severity) || a.name.localeCompare(b.name));
}

interface FoundAlert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
}

function request(service: ServiceName, address: string, path: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const fail = (cause: unknown) =>
    reject(
      new OperatorError({
        code: `${service}-silent`,
        message: `cannot ask ${service} at ${address}: ${messageOf(cause)}`,
        retry: 'now',
        cause,
      }),
    );
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  get({ host: address, port: PORTS[service], path, signal, agent: false }, (response) => {
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
