/** The cos_agent codecs: what one side offers the other reads, and nothing sly gets through. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type CosAgentOffer,
  cosAgentData,
  type RuleGroup,
} from '../../../lib/relations/cos-agent.ts';
import { readCosAgent } from '../../../lib/relations/cos-agent-reader.ts';
import { scrapeJobs } from '../../../src/charm/decide/observability.ts';

const topology = {
  model: 'main',
  modelUuid: '5f1a3c1e-0000-4000-8000-000000000001',
  app: 'pg',
  charm: 'postgresql',
};
const group: RuleGroup = {
  name: 'patroni',
  rules: [
    {
      alert: 'Down',
      expr: 'patroni_postgres_running{%%topology%%} == 0',
      labels: { severity: 'critical' },
    },
  ],
};
const offer: CosAgentOffer = { jobs: scrapeJobs('10.0.0.5', true), groups: [group] };

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
      ['agent', 'etcd', 'patroni', 'pgbackrest', 'pgbouncer', 'postgresql'].map(
        (name) => `pg_${name}_#`,
      ),
    );
    assert.deepEqual(jobs[2], {
      job_name: jobs[2]?.job_name,
      metrics_path: '/metrics',
      scheme: 'https',
      tls_config: { insecure_skip_verify: true },
      static_configs: [{ targets: ['10.0.0.5:8008'] }],
    });
  });

  test('a job of another unit has another name, the same job has the same', () => {
    const names = (address: string) =>
      read(cosAgentData(topology, { jobs: scrapeJobs(address, true), groups: [] })).jobs.map(
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

  test('what a collector reads beside jobs and rules has its keys, also when empty', () => {
    const parsed = (more: Partial<CosAgentOffer>) =>
      JSON.parse(cosAgentData(topology, { ...offer, ...more }).config);
    const { metrics_alert_rules, metrics_scrape_jobs, ...rest } = parsed({});
    assert.ok(metrics_alert_rules.groups.length === 1 && metrics_scrape_jobs.length === 6);
    assert.deepEqual(rest, {
      log_alert_rules: {},
      dashboards: [],
      subordinate: null,
      log_slots: [],
      tracing_protocols: [],
    });
    const all = parsed({
      logGroups: [group],
      dashboards: ['eJw='],
      logSlots: ['snap:logs'],
      tracingProtocols: ['otlp_http'],
    });
    assert.deepEqual(all.dashboards, ['eJw=']);
    assert.deepEqual(all.log_slots, ['snap:logs']);
    assert.deepEqual(all.tracing_protocols, ['otlp_http']);
    assert.equal(all.log_alert_rules.groups[0].name, 'main_5f1a3c1e_pg_patroni_rules');
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
