/**
 * The monitoring charm, event by event, with real programs under a real supervisor; only the
 * hook tools are fake. One deployment for the whole file: each test goes on where the last ended.
 */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { monitoring } from '../../charms/monitoring/src/charm.ts';
import { isReady } from '../../charms/monitoring/src/prometheus-api.ts';
import { runEvent } from '../../lib/charm/dispatch.ts';
import { runitServices, type Services } from '../../lib/machine/services.ts';
import { cosAgentData, type RuleGroup } from '../../lib/relations/cos-agent.ts';
import { poll } from '../../lib/std/clock.ts';
import {
  type FakeEvent,
  type FakeState,
  fakeEvent,
  fakeState,
} from '../../lib/testing/fake-hooks.ts';

const address = `127.${randomInt(1, 250)}.${randomInt(1, 250)}.9`;
const sound: RuleGroup = { name: 'own', rules: [{ alert: 'Down', expr: 'up{%%topology%%} == 0' }] };
const unsound: RuleGroup = { name: 'own', rules: [{ alert: 'Down', expr: 'up{ ==' }] };
/** As the fake hook tools name the model. */
const MODEL_UUID = '5f1a3c1e-0000-4000-8000-000000000001';
const scraping = (count: number) => `scraping ${count} targets; see http://${address}:9090`;
/** Longer than anything takes on a machine that is busy with something else. */
const PATIENCE_MS = 120_000;
/** A unit of the charm in a directory of its own, and two units with metrics beside it. */
class Rig {
  readonly dir: string;
  readonly root: string;
  readonly services: Services;
  readonly exporters: Server[] = [];
  state: FakeState;

  private constructor(dir: string) {
    this.dir = dir;
    this.root = join(dir, 'agents', 'monitoring');
    const directory = join(this.root, 'service');
    this.services = runitServices({ directory, logs: join(this.root, 'log'), label: 'x' });
    const egress = { ingressAddresses: [address], egressSubnets: ['127.0.0.1/32'] };
    const addresses = [{ value: address, cidr: '127.0.0.0/8' }];
    this.state = fakeState({
      unit: 'monitoring/0',
      config: { 'scrape-interval': 1, 'retention-days': 2, 'retention-size': 64 },
      network: { bindAddresses: [{ interfaceName: 'lo', addresses }], ...egress },
    });
  }

  static async start(): Promise<Rig> {
    const dir = await mkdtemp(join(tmpdir(), 'pgc-'));
    // Prometheus runs as a user of its own and has to get through.
    for (const path of ['', 'agents', 'agents/charm', 'storage']) {
      mkdirSync(join(dir, path), { recursive: true });
      chmodSync(join(dir, path), 0o711);
    }
    const rig = new Rig(dir);
    for (const last of ['20', '21']) rig.exporters.push(await exporter(hostOf(last)));
    return rig;
  }

  async end(): Promise<void> {
    await this.services.shutdown(10_000);
    for (const server of this.exporters) server.close();
    await rm(this.dir, { recursive: true, maxRetries: 10, retryDelay: 100 });
  }

  async event(name: string, extra: Partial<FakeEvent> = {}): Promise<void> {
    const charmDir = join(this.dir, 'agents', 'charm');
    await fakeEvent(this.state, { name, charmDir, ...extra }, (base) => runEvent(monitoring, base));
  }

  relate(app: string, units: number, groups?: RuleGroup[]): void {
    const names = Array.from({ length: units }, (_, n) => `${app}/${n}`);
    const bags = Object.fromEntries(names.map((unit) => [unit, offer(app, unit, groups)]));
    const { relations } = this.state;
    relations.push({ endpoint: 'metrics', id: relations.length + 1, app, bags });
  }

  async pid(): Promise<number | undefined> {
    return (await this.services.state('prometheus'))?.pid;
  }

  /** Both run, and Prometheus answers: an event that comes earlier would start them again. */
  async up(): Promise<void> {
    const isUp = async () => {
      const { prometheus, alertmanager } = await this.services.list();
      return (
        (prometheus?.running && alertmanager?.running && (await isReady(address))) || undefined
      );
    };
    assert.ok(await poll(isUp, { timeoutMs: PATIENCE_MS }), 'it does not come up');
  }

  targets(expect: (results: Record<string, string>) => boolean) {
    return this.results('targets', expect);
  }

  /** An action's results, once they say what is expected. */
  async results(action: string, expect: (results: Record<string, string>) => boolean) {
    const results = await poll(
      async () => {
        await this.event(action, { action: true });
        return expect(this.state.action.results) ? this.state.action.results : undefined;
      },
      { timeoutMs: PATIENCE_MS, everyMs: 300 },
    );
    assert.ok(results, `last: ${JSON.stringify(this.state.action)}`);
    return results;
  }
}

/** A thing with metrics, on an address of its own. */
async function exporter(host: string): Promise<Server> {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/plain; version=0.0.4');
    response.end('answers 42\n');
  });
  await once(server.listen(9188, host), 'listening');
  return server;
}

function hostOf(last: string): string {
  return address.replace(/9$/, last);
}

function offer(app: string, unit: string, groups: RuleGroup[] = [sound]): Record<string, string> {
  const host = hostOf(String(20 + Number(unit.split('/')[1])));
  const topology = { model: 'main', modelUuid: MODEL_UUID, app, charm: app };
  const targets = [`${host}:9188`];
  const job = { job_name: 'agent', metrics_path: '/metrics', static_configs: [{ targets }] };
  return cosAgentData(topology, { jobs: [job], groups });
}

async function ask(path: string): Promise<{ data: { groups: { name: string }[] } }> {
  return (await (await fetch(`http://${address}:9090${path}`)).json()) as never;
}

describe('monitoring', async () => {
  const rig = await Rig.start();
  after(() => rig.end());

  test('waits for its storage, then runs Prometheus with nothing to scrape', async () => {
    await rig.event('install');
    assert.deepEqual(rig.state.status, { status: 'waiting', message: 'waiting for storage data' });
    rig.state.storages = { 'data/0': join(rig.dir, 'storage') };
    await rig.event('config-changed');
    assert.equal(rig.state.status.status, 'active');
    assert.match(rig.state.status.message, /nothing to scrape/);
    assert.deepEqual(rig.state.ports, ['9090/tcp', '9093/tcp']);
    await rig.up();
  });

  test('changes nothing when nothing has changed', async () => {
    const pid = await rig.pid();
    rig.state.log = [];
    await rig.event('update-status');
    assert.deepEqual(rig.state.log, []);
    assert.equal(await rig.pid(), pid);
  });

  test('scrapes every unit of a related application, without a restart', async () => {
    const pid = await rig.pid();
    rig.relate('postgresql', 2);
    await rig.event('metrics-relation-changed', { relation: { endpoint: 'metrics', id: 1 } });
    assert.deepEqual(rig.state.status, { status: 'active', message: scraping(2) });
    const results = await rig.targets((now) => now['up'] === '2');
    assert.equal(results['total'], '2');
    assert.match(
      results['targets'] ?? '',
      /^up +postgresql\/0 http:\/\/127[^\n]+\nup +postgresql\/1 /,
    );
    const rules = await ask('/api/v1/rules');
    assert.deepEqual(
      rules.data.groups.map((group) => group.name),
      ['main_5f1a3c1e_postgresql_own_rules'],
    );
    assert.equal(await rig.pid(), pid);
  });

  test('refuses rules that promtool refuses, says why, and goes on with the rest', async () => {
    rig.relate('shop', 1, [unsound]);
    await rig.event('metrics-relation-changed', { relation: { endpoint: 'metrics', id: 2 } });
    assert.equal(rig.state.status.status, 'blocked');
    assert.match(rig.state.status.message, /^alert rules shop-2\.yml are refused: .*parse/);
    assert.doesNotMatch(rig.state.status.message, /candidate|\/tmp/);
    await rig.targets((now) => now['total'] === '3');
    rig.state.log = [];
    await rig.event('update-status');
    assert.deepEqual(rig.state.log, []); // Known to be bad: not tried again and again.
  });

  test('heals when the rules are mended', async () => {
    const bags = rig.state.relations[1]?.bags ?? {};
    bags['shop/0'] = offer('shop', 'shop/0');
    await rig.event('metrics-relation-changed', { relation: { endpoint: 'metrics', id: 2 } });
    assert.deepEqual(rig.state.status, { status: 'active', message: scraping(3) });
    const groups = await poll(
      async () => {
        const { data } = await ask('/api/v1/rules');
        return data.groups.length === 2 ? data.groups : undefined;
      },
      { timeoutMs: PATIENCE_MS },
    );
    assert.ok(groups);
  });

  test('names a unit whose offer makes no sense, and keeps scraping the others', async () => {
    let bags = rig.state.relations[1]?.bags ?? {};
    const good = bags['shop/0'] ?? {};
    bags['shop/0'] = { config: '{"metrics_scrape_jobs": "none"}' };
    await rig.event('update-status');
    assert.equal(rig.state.status.status, 'blocked');
    assert.match(
      rig.state.status.message,
      /^shop\/0 offers what cannot be used: config\.metrics_scrape/,
    );
    await rig.targets((now) => now['total'] === '2');
    bags = rig.state.relations[1]?.bags ?? {}; // Events leave new objects behind.
    bags['shop/0'] = good;
    await rig.event('update-status');
    assert.equal(rig.state.status.message, scraping(3));
  });

  test('forgets an application that is no longer related', async () => {
    await rig.event('metrics-relation-broken', { relation: { endpoint: 'metrics', id: 2 } });
    rig.state.relations.pop();
    await rig.event('update-status');
    assert.equal(rig.state.status.message, scraping(2));
    await rig.targets((now) => now['total'] === '2');
    assert.ok(!existsSync(join(rig.root, 'rules', 'shop-2.yml')));
  });

  test('reads what a hook wrote that died before it could say so', async () => {
    // As if the files had been changed and the process killed before the reload.
    await writeFile(join(rig.root, 'loaded'), 'something else');
    rig.state.log = [];
    await rig.event('update-status');
    assert.deepEqual(
      rig.state.log.map((line) => line.split(':')[0]),
      ['INFO reload'],
    );
    await rig.up();
    rig.state.log = [];
    await rig.event('update-status');
    assert.deepEqual(rig.state.log, []);
  });

  test('comes back when it is killed, with its samples', async () => {
    const before = await rig.services.state('prometheus');
    assert.ok(before?.pid);
    process.kill(before.pid, 'SIGKILL');
    await rig.targets((now) => now['up'] === '2');
    assert.notEqual(await rig.pid(), before.pid);
  });

  test('refuses an option by name, and applies nothing', async () => {
    rig.state.config = { ...rig.state.config, 'retention-size': 1 };
    const config = await readFile(join(rig.root, 'prometheus.yml'), 'utf8');
    await rig.event('config-changed');
    assert.deepEqual(rig.state.status, {
      status: 'blocked',
      message: 'option retention-size: 1 is not an integer from 64 to 1048576',
    });
    assert.equal(await readFile(join(rig.root, 'prometheus.yml'), 'utf8'), config);
    rig.state.config = { ...rig.state.config, 'retention-size': 65 };
    await rig.event('config-changed');
    assert.equal(rig.state.status.status, 'active');
    const spec = (await rig.services.state('prometheus'))?.spec;
    assert.ok(spec?.command.includes('--storage.tsdb.retention.size=65MB'));
    await rig.targets((now) => now['up'] === '2');
  });

  test('tells Alertmanager and its webhook when a target is gone, and only then', async () => {
    const told: string[] = [];
    const webhook = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      request.on('end', () => {
        told.push(body);
        response.end();
      });
    });
    await once(webhook.listen(9999, hostOf('20')), 'listening');
    rig.exporters.push(webhook);
    rig.state.config = { ...rig.state.config, 'webhook-url': `http://${hostOf('20')}:9999/` };
    await rig.event('config-changed');
    await rig.results('alerts', (now) => now['total'] === '0');
    rig.exporters[1]?.close();
    rig.exporters[1]?.closeAllConnections();
    const results = await rig.results('alerts', (now) => now['total'] === '1');
    assert.match(results['alerts'] ?? '', / Down postgresql\/1: $/);
    assert.equal(results['url'], `http://${address}:9093`);
    const text = await poll(async () => told[0], { timeoutMs: PATIENCE_MS });
    assert.partialDeepStrictEqual(JSON.parse(text ?? '{}'), { status: 'firing' });
  });

  test('refuses a webhook that is none, and does not repeat what may hold a key', async () => {
    rig.state.config = { ...rig.state.config, 'webhook-url': 'file:///etc/key-of-somebody' };
    await rig.event('config-changed');
    assert.equal(rig.state.status.status, 'blocked');
    assert.match(rig.state.status.message, /^option webhook-url: /);
    assert.doesNotMatch(rig.state.status.message, /somebody/);
  });

  test('stops with its unit, and leaves nothing when it is removed', async () => {
    await rig.event('stop');
    for (const name of ['prometheus', 'alertmanager']) {
      assert.equal((await rig.services.state(name))?.running, false, name);
    }
    await rig.event('remove');
    assert.ok(!existsSync(rig.root));
    assert.ok(existsSync(join(rig.dir, 'storage', 'prometheus')));
  });
});
