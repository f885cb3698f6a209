/**
 * The dashboards of the charm as a collector decodes them. Whether each panel finds data is asked
 * of a live cluster by tests/process/observability.test.ts.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { carriedMonitoring, decodeDashboards, queryOf } from '../../support/charm-monitoring.ts';
import { missing } from '../../support/programs.ts';

const skip = missing('promtool');
const { dashboards } = await carriedMonitoring();
const boards = decodeDashboards(dashboards);

describe('dashboards', () => {
  test('there is one for each part, each with an identity of its own', () => {
    assert.equal(new Set(boards.map(({ uid }) => uid)).size, boards.length);
    const titles = boards.map(({ title }) => title).sort();
    assert.deepEqual(titles, [
      'Patroni',
      'PgBouncer',
      'PostgreSQL',
      'PostgreSQL units: etcd and agents',
      'pgBackRest',
    ]);
    for (const { uid, tags } of boards) {
      assert.match(uid, /^[0-9a-f]{40}$/);
      assert.ok(tags.includes('charm: postgresql'));
    }
  });

  test('the same sources give the same texts: no databag changes without cause', async () => {
    assert.deepEqual((await carriedMonitoring()).dashboards, dashboards);
    assert.ok(dashboards.join('').length < 50_000);
  });

  test('no panel lies over another', () => {
    for (const { title, panels } of boards) {
      const taken = new Set<string>();
      for (const { gridPos, id } of panels) {
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(x < 24 && !taken.has(`${x} ${y}`), `${title}: panel ${id} at ${x} ${y}`);
            taken.add(`${x} ${y}`);
          }
        }
      }
    }
  });

  test('every query is PromQL, and asks only for what was chosen', { skip }, () => {
    const exprs = boards
      .flatMap(({ panels }) => panels)
      .flatMap(({ targets }) => targets ?? [])
      .map(({ expr }) => expr);
    assert.ok(exprs.length > 80);
    for (const expr of exprs) {
      const selectors = expr.match(/\{[^}]*\}/g) ?? [];
      assert.ok(selectors.length > 0, expr);
      for (const selector of selectors) assert.match(selector, /^\{juju_model=~"\$juju_model", /);
    }
    const rules = exprs.map((expr, n) => ({ record: `query_${n}`, expr: queryOf(expr) }));
    const dir = mkdtempSync(join(tmpdir(), 'pgc-'));
    try {
      const file = join(dir, 'queries.yml');
      writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
      const checked = spawnSync('promtool', ['check', 'rules', file]);
      assert.equal(checked.status, 0, `${checked.stdout}${checked.stderr}`);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
