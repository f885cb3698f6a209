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
/** Longer than anything takes on a machine that is busy with something else. */
const PATIENCE_MS = 120_000;

interface Answer<T> {
  data: T;
}

describe('observability', async () => {
  const model = await startDeployment();
  after(() => model.end());
  const carried = await carriedMonitoring();
  let prometheus = '';

  async function action(words: string): Promise<Record<string, string>> {
    const answer = await model.json<ActionResults>(`run ${words} --wait 100s`);
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
      const results = await action('monitoring/0 targets').catch(() => undefined);
      return results?.['up'] === '11' ? results : undefined;
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
    let missing = named;
    // Each exporter has a time of its own.
    const look = async () => {
      const there = new Set(await ask<string[]>('/api/v1/label/__name__/values'));
      missing = named.filter((name) => !there.has(name ?? ''));
      return missing.length === 0 ? true : undefined;
    };
    await poll(look, { timeoutMs: PATIENCE_MS, everyMs: 1000 });
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
    const bad = async () => {
      const { groups } = await ask<Rules>('/api/v1/rules');
      const all = groups.flatMap((group) => group.rules);
      return all.filter(({ health, state }) => health !== 'ok' || state === 'firing');
    };
    // What fired while the cluster came about, or the machine was too slow to be asked, ends.
    const isSound = async () => {
      const told = await action('monitoring/0 alerts').catch(() => undefined);
      return (await bad()).length === 0 && told?.['total'] === '0' ? true : undefined;
    };
    const sound = await poll(isSound, { timeoutMs: PATIENCE_MS, everyMs: 1000 });
    assert.ok(sound, JSON.stringify(await bad()));
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
      timeoutMs: PATIENCE_MS,
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
      for (const expected of [
        /^tracing-relation-changed$/,
        /^start$/,
        /^\S+ > observe > relation-get$/,
        /^\S+ > relation-set > relation-set$/,
        /^\S+ > observe > patroni$/,
      ]) {
        await model.until(`a span ${expected}`, async () =>
          pathsOf(collector.spans()).some((path) => expected.test(path)) ? true : undefined,
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
/** Each span's name behind those of what it is part of: `start > observe > patroni`. */
function pathsOf(spans: readonly CollectedSpan[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const path = (span: CollectedSpan): string[] => {
    const parent = byId.get(span.parentSpanId ?? '');
    return parent === undefined ? [span.name] : [...path(parent), span.name];
  };
  return spans.map((span) => path(span).join(' > '));
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
