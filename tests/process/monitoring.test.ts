/**
 * The monitoring charm, event by event, with a real Prometheus under a real supervisor; only the
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
import { after, before, describe, test } from 'node:test';
import { monitoring } from '../../charms/monitoring/src/charm.ts';
import { isReady } from '../../charms/monitoring/src/prometheus-api.ts';
import { runEvent } from '../../lib/charm/dispatch.ts';
import { runitServices } from '../../lib/machine/services.ts';
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
let dir = '';
let state: FakeState;
let exporters: Server[] = [];

const root = () => join(dir, 'agents', 'monitoring');
const services = () =>
  runitServices({ directory: join(root(), 'service'), logs: join(root(), 'log'), label: 'x' });

async function event(name: string, extra: Partial<FakeEvent> = {}): Promise<void> {
  const charmDir = join(dir, 'agents', 'charm');
  await fakeEvent(state, { name, charmDir, ...extra }, (base) => runEvent(monitoring, base));
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

function offer(app: string, unit: string, groups: RuleGroup[] = [sound]): Record<string, string> {
  const host = address.replace(/9$/, String(20 + Number(unit.split('/')[1])));
  const topology = { model: 'main', modelUuid: '5f1a3c1e-0000', app, charm: app };
  const jobs = [
    {
      job_name: 'agent',
      metrics_path: '/metrics',
      static_configs: [{ targets: [`${host}:9188`] }],
    },
  ];
  return cosAgentData(topology, { jobs, groups });
}

function relate(app: string, units: number, groups?: RuleGroup[]): void {
  const names = Array.from({ length: units }, (_, n) => `${app}/${n}`);
  const bags = Object.fromEntries(names.map((unit) => [unit, offer(app, unit, groups)]));
  state.relations.push({ endpoint: 'metrics', id: state.relations.length + 1, app, bags });
}

/** The action's results, once they say what is expected. */
async function targets(expect: (results: Record<string, string>) => boolean) {
  const results = await poll(
    async () => {
      await event('targets', { action: true });
      return expect(state.action.results) ? state.action.results : undefined;
    },
    { timeoutMs: 40_000, everyMs: 300 },
  );
  assert.ok(results, `last: ${JSON.stringify(state.action)}`);
  return results;
}

async function ask(path: string): Promise<{ data: { groups: { name: string }[] } }> {
  return (await (await fetch(`http://${address}:9090${path}`)).json()) as never;
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pgc-'));
  for (const path of ['', 'agents', 'agents/charm', 'storage']) {
    mkdirSync(join(dir, path), { recursive: true });
    chmodSync(join(dir, path), 0o711);
  }
  const egress = { ingressAddresses: [address], egressSubnets: ['127.0.0.1/32'] };
  const addresses = [{ value: address, cidr: '127.0.0.0/8' }];
  state = fakeState({
    unit: 'monitoring/0',
    config: { 'scrape-interval': 1, 'retention-days': 2, 'retention-size': 64 },
    network: { bindAddresses: [{ interfaceName: 'lo', addresses }], ...egress },
  });
  exporters = await Promise.all(['20', '21'].map((last) => exporter(address.replace(/9$/, last))));
});

after(async () => {
  await services().shutdown(10_000);
  for (const server of exporters) server.close();
  await rm(dir, { recursive: true });
});

describe('monitoring', () => {
  test('waits for its storage, then runs Prometheus and says that there is nothing yet', async () => {
    await event('install');
    assert.deepEqual(state.status, { status: 'waiting', message: 'waiting for storage data' });
    state.storages = { 'data/0': join(dir, 'storage') };
    await event('config-changed');
    assert.equal(state.status.status, 'active');
    assert.match(state.status.message, /nothing to scrape/);
    assert.deepEqual(state.ports, ['9090/tcp']);
    assert.ok(
      await poll(async () => ((await isReady(address)) ? true : undefined), { timeoutMs: 30_000 }),
    );
  });

  test('changes nothing when nothing has changed', async () => {
    const pid = (await services().state('prometheus'))?.pid;
    state.log = [];
    await event('update-status');
    assert.deepEqual(state.log, []);
    assert.equal((await services().state('prometheus'))?.pid, pid);
  });

  test('scrapes every unit of a related application, with its labels, without a restart', async () => {
    const pid = (await services().state('prometheus'))?.pid;
    relate('postgresql', 2);
    await event('metrics-relation-changed', { relation: { endpoint: 'metrics', id: 1 } });
    assert.deepEqual(state.status, { status: 'active', message: 'scraping 2 targets' });
    const results = await targets((now) => now['up'] === '2');
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
    assert.equal((await services().state('prometheus'))?.pid, pid);
  });

  test('refuses rules that promtool refuses, says why, and goes on with the rest', async () => {
    relate('shop', 1, [unsound]);
    await event('metrics-relation-changed', { relation: { endpoint: 'metrics', id: 2 } });
    assert.equal(state.status.status, 'blocked');
    assert.match(state.status.message, /^alert rules shop-2\.yml are refused: .*parse/);
    assert.doesNotMatch(state.status.message, /candidate|\/tmp/);
    await targets((now) => now['total'] === '3');
    state.log = [];
    await event('update-status');
    assert.deepEqual(state.log, []); // Known to be bad: not tried again and again.
  });

  test('heals when the rules are mended', async () => {
    const bags = state.relations[1]?.bags ?? {};
    bags['shop/0'] = offer('shop', 'shop/0');
    await event('metrics-relation-changed', { relation: { endpoint: 'metrics', id: 2 } });
    assert.deepEqual(state.status, { status: 'active', message: 'scraping 3 targets' });
    const groups = await poll(
      async () => {
        const { data } = await ask('/api/v1/rules');
        return data.groups.length === 2 ? data.groups : undefined;
      },
      { timeoutMs: 20_000 },
    );
    assert.ok(groups);
  });

  test('names a unit whose offer makes no sense, and keeps scraping the others', async () => {
    let bags = state.relations[1]?.bags ?? {};
    const good = bags['shop/0'] ?? {};
    bags['shop/0'] = { config: '{"metrics_scrape_jobs": "none"}' };
    await event('update-status');
    assert.equal(state.status.status, 'blocked');
    assert.match(
      state.status.message,
      /^shop\/0 offers what cannot be used: config\.metrics_scrape/,
    );
    await targets((now) => now['total'] === '2');
    bags = state.relations[1]?.bags ?? {}; // Events leave new objects behind.
    bags['shop/0'] = good;
    await event('update-status');
    assert.equal(state.status.message, 'scraping 3 targets');
  });

  test('forgets an application that is no longer related', async () => {
    await event('metrics-relation-broken', { relation: { endpoint: 'metrics', id: 2 } });
    state.relations.pop();
    await event('update-status');
    assert.equal(state.status.message, 'scraping 2 targets');
    await targets((now) => now['total'] === '2');
    assert.ok(!existsSync(join(root(), 'rules', 'shop-2.yml')));
  });

  test('reads what a hook wrote that died before it could say so', async () => {
    // As if the files had been changed and the process killed before the reload.
    await writeFile(join(root(), 'loaded'), 'something else');
    state.log = [];
    await event('update-status');
    assert.deepEqual(
      state.log.map((line) => line.split(':')[0]),
      ['INFO reload'],
    );
    state.log = [];
    await event('update-status');
    assert.deepEqual(state.log, []);
  });

  test('comes back when it is killed, with its samples', async () => {
    const before = await services().state('prometheus');
    assert.ok(before?.pid);
    process.kill(before.pid, 'SIGKILL');
    await targets((now) => now['up'] === '2');
    assert.notEqual((await services().state('prometheus'))?.pid, before.pid);
  });

  test('refuses an option by name, and applies nothing', async () => {
    state.config = { ...state.config, 'retention-size': 1 };
    const config = await readFile(join(root(), 'prometheus.yml'), 'utf8');
    await event('config-changed');
    assert.deepEqual(state.status, {
      status: 'blocked',
      message: 'option retention-size: 1 is not an integer from 64 to 1048576',
    });
    assert.equal(await readFile(join(root(), 'prometheus.yml'), 'utf8'), config);
    state.config = { ...state.config, 'retention-size': 65 };
    await event('config-changed');
    assert.equal(state.status.status, 'active');
    const spec = (await services().state('prometheus'))?.spec;
    assert.ok(spec?.command.includes('--storage.tsdb.retention.size=65MB'));
    await targets((now) => now['up'] === '2');
  });

  test('stops with its unit, and leaves nothing when it is removed', async () => {
    await event('stop');
    assert.equal((await services().state('prometheus'))?.running, false);
    await event('remove');
    assert.ok(!existsSync(root()));
    assert.ok(existsSync(join(dir, 'storage', 'prometheus')));
  });
});
