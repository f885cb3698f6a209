/**
 * A cluster of two with a store, a client and the monitoring: every target answers, every metric
 * that a rule names is there, every panel of every board finds data, a healthy cluster fires
 * nothing, and the spans of its events arrive. All tests share one deployment.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { tracingAnswer } from '../../lib/relations/tracing.ts';
import { poll } from '../../lib/std/clock.ts';
import { charmArchive } from '../support/build.ts';
import { carriedMonitoring, decodeDashboards, queryOf } from '../support/charm-monitoring.ts';
import { startDeployment } from '../support/deployment.ts';
import { findProcesses } from '../support/processes.ts';
import { packShellCharm } from '../support/shell-charm.ts';
import { accessOf, query } from '../support/sql.ts';

interface ActionResults {
  [task: string]: { results?: Record<string, string> };
}
interface Answer<T> {
  data: T;
}

describe('observability', async () => {
  const model = await startDeployment();
  after(() => model.end());
  const carried = await carriedMonitoring();
  let prometheus = '';

  async function action(words: string): Promise<Record<string, string>> {
    const answer = await model.json<ActionResults>(`run ${words}`);
    return Object.values(answer)[0]?.results ?? {};
  }
  async function ask<T>(path: string): Promise<T> {
    return ((await (await fetch(`${prometheus}${path}`)).json()) as Answer<T>).data;
  }
  const exporters = () => findProcesses(model.root, 'prometheus-postgres-exporter');

  test('every target of two units, a store and a client answers', async () => {
    const deploy = (charm: string, ...words: string[]) =>
      model.pgcharm(['deploy', charmArchive(charm), ...words]);
    await deploy('postgresql', '-n', '2', '--config', 'profile=testing');
    await deploy('object-store');
    await deploy('data-integrator', '--config', 'database-name=shop');
    await deploy('monitoring', '--config', 'scrape-interval=2');
    await model.pgcharm('integrate postgresql:s3-parameters object-store:s3');
    await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
    await model.pgcharm('integrate postgresql:cos-agent monitoring:metrics');
    await model.active(['postgresql', 'object-store', 'data-integrator', 'monitoring']);
    await model.pgcharm('run postgresql/1 create-backup');
    const access = await accessOf(model);
    await query(access, 'CREATE TABLE orders (id int)');
    // Of each unit: the agent, PgBouncer, pgBackRest, PostgreSQL and Patroni; and the voter's etcd.
    const targets = await model.until('11 targets up', async () => {
      const results = await action('monitoring/0 targets');
      return results['up'] === '11' ? results : undefined;
    });
    assert.equal(targets['total'], '11');
    prometheus = targets['url'] ?? '';
    assert.match(prometheus, /:9090$/);
  });

  test('every metric that a rule names is there', async () => {
    const exprs = carried.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)).join(' ');
    const named = [
      ...new Set([...exprs.matchAll(/(\w+)\{%%topology%%/g)].map((match) => match[1])),
    ];
    assert.ok(named.length > 40);
    const missing = await model.until('samples of backups', async () => {
      const there = new Set(await ask<string[]>('/api/v1/label/__name__/values'));
      const absent = named.filter((name) => !there.has(name ?? ''));
      return absent.length === 0 || there.has('pgbackrest_backup_info') ? absent : undefined;
    });
    assert.deepEqual(missing, []);
  });

  test('every rule is evaluated without an error, and a healthy cluster fires none', async () => {
    type Rules = { groups: { rules: { name: string; health: string; state: string }[] }[] };
    const rules = await model.until('evaluation of every rule', async () => {
      const { groups } = await ask<Rules>('/api/v1/rules');
      const all = groups.flatMap((group) => group.rules);
      return all.length > 0 && all.every(({ health }) => health !== 'unknown') ? all : undefined;
    });
    assert.equal(rules.length, carried.groups.flatMap((group) => group.rules).length);
    const bad = rules.filter(({ health, state }) => health !== 'ok' || state === 'firing');
    assert.deepEqual(bad, []);
    assert.equal((await action('monitoring/0 alerts'))['total'], '0');
  });

  test('every panel of every board finds data', async () => {
    const queries = decodeDashboards(carried.dashboards).flatMap(({ title, panels }) =>
      panels.flatMap((panel) =>
        (panel.targets ?? []).map(({ expr }) => ({ what: `${title}: ${panel.title}`, expr })),
      ),
    );
    assert.ok(queries.length > 80);
    const empty = async () => {
      const answers = await Promise.all(
        queries.map(async ({ what, expr }) => {
          const path = `/api/v1/query?query=${encodeURIComponent(queryOf(expr))}`;
          const { result } = await ask<{ result: unknown[] }>(path);
          return result.length === 0 ? [`${what}: ${expr}`] : [];
        }),
      );
      return answers.flat();
    };
    // Rates need two samples.
    const left = await poll(async () => ((await empty()).length === 0 ? [] : undefined), {
      timeoutMs: 20_000,
      everyMs: 1000,
    });
    assert.deepEqual(left ?? (await empty()), []);
  });

  test('spans of events go where the tracing relation says, those from before it too', async () => {
    const collector = await traceCollector();
    try {
      const charm = join(model.root, 'tempo.charm');
      await packShellCharm(charm, {
        'metadata.yaml': TEMPO,
        dispatch: tempoDispatch(collector.url),
      });
      await model.pgcharm(['deploy', charm]);
      await model.pgcharm('integrate postgresql:tracing tempo:tracing');
      const spans = await model.until('spans of the first events', async () => {
        const all = collector.spans();
        const has = (name: string) => all.some((span) => span.name === name);
        return has('tracing-relation-changed') && has('start') ? all : undefined;
      });
      const byId = new Map(spans.map((span) => [span.spanId, span]));
      const path = (span: CollectedSpan): string[] => {
        const parent = byId.get(span.parentSpanId ?? '');
        return parent === undefined ? [span.name] : [...path(parent), span.name];
      };
      const paths = new Set(spans.map((span) => path(span).join(' > ')));
      for (const expected of [
        /^start$/,
        /^\S+ > observe > relation-get$/,
        /^\S+ > relation-set > relation-set$/,
        /^\S+ > observe > patroni$/,
      ]) {
        assert.ok(
          [...paths].some((each) => expected.test(each)),
          String(expected),
        );
      }
      assert.doesNotMatch(collector.text(), /-password"|PRIVATE KEY|SCRAM-SHA-256\$/);
    } finally {
      collector.close();
    }
  });

  test('the exporter holds no secret, and goes with the relation', async () => {
    assert.equal(exporters().length, 2);
    for (const { pid } of exporters()) {
      const told = `${readFileSync(`/proc/${pid}/cmdline`)}${readFileSync(`/proc/${pid}/environ`)}`;
      assert.match(told, /DATA_SOURCE_NAME=postgresql:\/\/monitoring@\//);
      assert.doesNotMatch(told, /password/i);
    }
    await model.pgcharm('remove-relation postgresql:cos-agent monitoring:metrics');
    await model.until('no exporter', async () => (exporters().length === 0 ? true : undefined));
  });
});

const TEMPO = `
name: tempo
summary: Takes traces.
description: Names a receiver for whoever asks.
provides:
  tracing:
    interface: tracing
`;

function tempoDispatch(url: string): string {
  const receivers = tracingAnswer([{ protocol: { name: 'otlp_http', type: 'http' }, url }]);
  return [
    '#!/bin/sh',
    '[ "$JUJU_DISPATCH_PATH" = hooks/tracing-relation-joined ] || exit 0',
    `relation-set --app receivers='${receivers.receivers}'`,
    '',
  ].join('\n');
}

interface CollectedSpan {
  name: string;
  spanId: string;
  parentSpanId?: string;
}
interface CollectedTraces {
  resourceSpans: { scopeSpans: { spans: CollectedSpan[] }[] }[];
}

/** Takes OTLP over HTTP, as JSON. */
async function traceCollector() {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      bodies.push(body);
      response.end('{}');
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    text: () => bodies.join('\n'),
    spans: () =>
      bodies
        .flatMap((body) => (JSON.parse(body) as CollectedTraces).resourceSpans)
        .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
