/**
 * The alert rules of the charm, as the collector gets them: promtool accepts them, each fires when
 * it should and is silent when it need not, and each is bound to the application. Whether their
 * metrics exist is asked of live exporters by tests/process/observability.test.ts.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { cosAgentData, type RuleGroup } from '../../../lib/relations/cos-agent.ts';
import { carriedMonitoring } from '../../support/charm-monitoring.ts';
import { missing } from '../../support/programs.ts';
import { alertCases } from './alert-cases.ts';

const topology = { model: 'main', modelUuid: '5f1a3c1e-0000', app: 'pg', charm: 'postgresql' };
const own = 'juju_model="main", juju_model_uuid="5f1a3c1e-0000", juju_application="pg"';

const skip = missing('promtool');
const carried = await carriedMonitoring();
const offered = JSON.parse(cosAgentData(topology, { jobs: [], ...carried }).config) as {
  metrics_alert_rules: { groups: RuleGroup[] };
  log_alert_rules: { groups: RuleGroup[] };
};
const { groups } = offered.metrics_alert_rules;
const rules = groups.flatMap((group) => group.rules);

describe('alert rules', () => {
  const dir = mkdtempSync(join(tmpdir(), 'pgc-'));
  after(() => rmSync(dir, { recursive: true }));
  const file = (name: string, content: unknown) => {
    const path = join(dir, name);
    writeFileSync(path, JSON.stringify(content));
    return path;
  };
  const rulesFile = file('rules.yml', offered.metrics_alert_rules);

  test('promtool accepts every one', { skip }, () => {
    const { stdout, stderr } = spawnSync('promtool', ['check', 'rules', rulesFile]);
    assert.match(`${stdout}`, new RegExp(`SUCCESS: ${rules.length} rules found`), `${stderr}`);
  });

  test('every one has its cases, and no case is about a rule that is gone', () => {
    const names = rules.map((rule) => rule.alert ?? '').sort();
    assert.deepEqual(names, Object.keys(alertCases).sort());
    assert.equal(new Set(names).size, names.length);
  });

  test('each fires when it should, and not when it need not', { skip }, () => {
    // Each rule alone: every test would evaluate all others too.
    const files = rules.map((rule) => {
      const name = rule.alert ?? '';
      const alone = file(`${name}.yml`, { groups: [{ name, rules: [rule] }] });
      return file(`${name}.test.yml`, {
        rule_files: [alone],
        evaluation_interval: '1m',
        tests: [promtoolTest(name, 'fires'), promtoolTest(name, 'silent')],
      });
    });
    const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', ...files]);
    assert.equal(status, 0, `${stdout}${stderr}`);
  });

  test('no rule about metrics or logs is left open to other applications', () => {
    const all = [...carried.groups, ...carried.logGroups].flatMap((group) => group.rules);
    for (const { alert, expr } of all) {
      const selectors = expr.match(/\{[^}]*\}/g) ?? [];
      const bare = expr.match(/\b(pg|patroni|pgbouncer|pgbackrest|etcd|pgcharm)_\w+(?![\w{])/g);
      assert.ok(selectors.length > 0 && bare === null, `${alert}: ${bare}`);
      for (const selector of selectors) assert.match(selector, /^\{%%topology%%[,}]/, `${alert}`);
    }
    assert.doesNotMatch(JSON.stringify(offered), /%%/);
  });

  test('each says how grave it is, what is wrong and what that means', () => {
    for (const group of [...groups, ...offered.log_alert_rules.groups]) {
      for (const { alert, labels, annotations } of group.rules) {
        assert.match(labels?.['severity'] ?? '', /^(warning|critical)$/, alert);
        assert.equal(labels?.['juju_application'], 'pg', alert);
        assert.ok((annotations?.['summary'] ?? '').length > 10, alert);
        assert.ok((annotations?.['description'] ?? '').length > 10, alert);
      }
    }
  });
});

/** The alert is counted, not compared: its labels are those of whichever series it came from. */
function promtoolTest(alert: string, when: 'fires' | 'silent') {
  const { at, [when]: samples } = alertCases[alert] ?? assert.fail(`no case for ${alert}`);
  const series = Object.entries(samples);
  const firing = `count(ALERTS{alertname="${alert}", alertstate="firing"}) or vector(0)`;
  return {
    name: `${alert} ${when}`,
    interval: '1m',
    input_series: series.map(([name, values]) => ({
      series: name.replace('{', `{${own}, `),
      values,
    })),
    promql_expr_test: [
      {
        expr: firing,
        eval_time: at,
        exp_samples: [{ labels: '{}', value: when === 'fires' ? 1 : 0 }],
      },
    ],
  };
}
