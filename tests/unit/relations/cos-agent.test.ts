/** The cos_agent codecs and the rules that go over them; promtool and the agent are asked too. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CosAgentOffer, cosAgentData } from '../../../lib/relations/cos-agent.ts';
import { readCosAgent } from '../../../lib/relations/cos-agent-reader.ts';
import { streamLog } from '../../../lib/std/log.ts';
import { metricsListener } from '../../../src/agent/server/metrics.ts';
import { scrapeJobs } from '../../../src/charm/decide/observability.ts';
import { alertRules } from '../../../src/charm/model/alert-rules.ts';
import { type AgentWorld, unknown } from '../../../src/charm/model/world.ts';

const topology = {
  model: 'main',
  modelUuid: '5f1a3c1e-0000-4000-8000-000000000001',
  app: 'pg',
  charm: 'postgresql',
};
const offer: CosAgentOffer = { jobs: scrapeJobs('10.0.0.5'), groups: alertRules };

function read(data: Record<string, string>) {
  const reading = readCosAgent(data);
  assert.ok(reading?.ok, JSON.stringify(reading));
  return reading;
}

describe('cos_agent', () => {
  test('jobs arrive with names of their own, sorted', () => {
    const { jobs } = read(cosAgentData(topology, offer));
    assert.deepEqual(
      jobs.map((job) => job.job_name.replace(/[0-9a-f]{8}$/, '#')),
      ['pg_agent_#', 'pg_patroni_#'],
    );
    assert.deepEqual(jobs[1], {
      job_name: jobs[1]?.job_name,
      metrics_path: '/metrics',
      scheme: 'https',
      tls_config: { insecure_skip_verify: true },
      static_configs: [{ targets: ['10.0.0.5:8008'] }],
    });
  });

  test('a job of another unit has another name, the same job has the same', () => {
    const names = (address: string) =>
      read(cosAgentData(topology, { jobs: scrapeJobs(address), groups: [] })).jobs.map(
        (job) => job.job_name,
      );
    assert.deepEqual(names('10.0.0.5'), names('10.0.0.5'));
    assert.notDeepEqual(names('10.0.0.5'), names('10.0.0.6'));
  });

  test('rules are bound to the application, by label and by matcher', () => {
    const { groups } = read(cosAgentData(topology, offer));
    assert.equal(groups[0]?.name, 'main_5f1a3c1e_pg_patroni_rules');
    const [down] = groups[0]?.rules ?? [];
    const own = 'juju_model="main", juju_model_uuid="5f1a3c1e-0000-4000-8000-000000000001"';
    assert.equal(down?.expr, `patroni_postgres_running{${own}, juju_application="pg"} == 0`);
    assert.partialDeepStrictEqual(down?.labels, {
      severity: 'critical',
      juju_application: 'pg',
      juju_charm: 'postgresql',
    });
  });

  test('the rules that the charm ships are accepted by promtool', () => {
    const { groups } = read(cosAgentData(topology, offer));
    const dir = mkdtempSync(join(tmpdir(), 'pgc-'));
    try {
      writeFileSync(join(dir, 'rules.yml'), JSON.stringify({ groups }));
      const said = execFileSync('promtool', ['check', 'rules', join(dir, 'rules.yml')]);
      const count = groups.flatMap((group) => group.rules).length;
      assert.match(said.toString(), new RegExp(`SUCCESS: ${count} rules found`));
      assert.ok(count >= 9);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test('no topology is left open in any rule', () => {
    assert.doesNotMatch(cosAgentData(topology, offer).config, /%%/);
    for (const { expr } of alertRules.flatMap((group) => group.rules)) {
      const metrics = expr.match(/\b(patroni_\w+|pgcharm_\w+|up)\b/g) ?? [];
      const bound = expr.match(/\b(patroni_\w+|pgcharm_\w+|up)\{%%topology%%[,}]/g) ?? [];
      assert.ok(metrics.length > 0, expr);
      assert.equal(bound.length, metrics.length, expr);
    }
  });

  test('the agent exposes every metric of its own that a rule is about', async () => {
    const nowhere = unknown('not in this test');
    const world = { cluster: nowhere, etcd: nowhere, database: nowhere, backup: nowhere, jobs: [] };
    const source = {
      world: () => ({ ...world, pooler: nowhere, generation: 1 }) as unknown as AgentWorld,
      console: () => assert.fail('there is no pooler'),
      wakes: () => ({ wakes: 0, failures: 0 }),
    };
    const server = createServer(metricsListener(source, streamLog(process.stderr)));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      const exposed = new Set(text.match(/(?<=^# TYPE )\w+/gm));
      const exprs = alertRules.flatMap((group) => group.rules.map((rule) => rule.expr)).join(' ');
      const used = [...new Set(exprs.match(/\bpgcharm_\w+/g))];
      assert.ok(used.length >= 8);
      assert.deepEqual(
        used.filter((metric) => !exposed.has(metric)),
        [],
      );
    } finally {
      server.close();
    }
  });

  test('has offered nothing yet', () => {
    assert.equal(readCosAgent({ 'ingress-address': '10.0.0.5' }), undefined);
  });

  test('round trip of any offer that is sound', () => {
    const job = fc.record({
      job_name: fc.stringMatching(/^[a-z]{1,10}$/),
      metrics_path: fc.constantFrom('/metrics', '/m?x=1'),
      scheme: fc.constantFrom('http' as const, 'https' as const),
      static_configs: fc.array(fc.record({ targets: fc.array(fc.constantFrom('a:1', '[::1]:2')) })),
    });
    fc.assert(
      fc.property(fc.array(job, { maxLength: 5 }), (jobs) => {
        const { jobs: back } = read(cosAgentData(topology, { jobs, groups: [] }));
        const contents = (list: typeof back) =>
          list.map(({ job_name: _, ...rest }) => JSON.stringify(rest)).sort();
        assert.deepEqual(contents(back), contents(jobs));
      }),
    );
  });
});

describe('an offer that cannot be trusted', () => {
  const offered = (config: unknown) => readCosAgent({ config: JSON.stringify(config) });
  const job = { job_name: 'j', static_configs: [{ targets: ['h:1'] }] };

  test('gets nothing through that makes Prometheus read files or find hosts', () => {
    const sly = {
      ...job,
      file_sd_configs: [{ files: ['/etc/*.json'] }],
      authorization: { credentials_file: '/etc/shadow' },
      tls_config: { ca_file: '/etc/shadow', insecure_skip_verify: true },
      proxy_url: 'http://elsewhere',
    };
    assert.deepEqual(offered({ metrics_scrape_jobs: [sly] }), {
      ok: true,
      jobs: [{ ...job, metrics_path: '/metrics', tls_config: { insecure_skip_verify: true } }],
      groups: [],
    });
  });

  const refused: [what: string, config: unknown, where: RegExp][] = [
    ['no object', 'text', /config: /],
    [
      'a target with a blank',
      { metrics_scrape_jobs: [{ static_configs: [{ targets: ['a b'] }] }] },
      /targets\.0/,
    ],
    [
      'a target of two lines',
      { metrics_scrape_jobs: [{ static_configs: [{ targets: ['a:1\nb'] }] }] },
      /targets\.0/,
    ],
    ['a strange scheme', { metrics_scrape_jobs: [{ ...job, scheme: 'file' }] }, /scheme/],
    [
      'a rule of no kind',
      { metrics_alert_rules: { groups: [{ name: 'g', rules: [{ expr: '1' }] }] } },
      /rules\.0/,
    ],
  ];
  for (const [what, config, where] of refused) {
    test(`(${what}) is refused with its place`, () => {
      const reading = offered(config);
      assert.ok(reading !== undefined && !reading.ok);
      assert.match(reading.reason, where);
    });
  }

  test('never makes the reader throw', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (config) => {
        assert.equal(typeof readCosAgent({ config })?.ok, 'boolean');
      }),
    );
  });
});
