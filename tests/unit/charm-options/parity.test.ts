/** docs/parity.md against the charm's contract: whatever we declare has a row that is true. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parse } from 'yaml';

const metadata = parse(readFileSync('metadata.yaml', 'utf8'));
const declared: Record<string, string[]> = {
  Endpoints: ['peers', 'provides', 'requires'].flatMap((role) => Object.keys(metadata[role] ?? {})),
  Storage: Object.keys(metadata.storage),
  Actions: Object.keys(parse(readFileSync('actions.yaml', 'utf8'))),
  Options: Object.keys(parse(readFileSync('config.yaml', 'utf8')).options),
};

interface Row {
  /** What stands in code within the first cell. */
  names: string[];
  verdict: string;
  reason: string;
}

/** Rows of the table below each heading of the second level. */
function tables(text: string): Map<string, Row[]> {
  const parts = text.split(/^## /m).slice(1);
  return new Map(
    parts.map((part) => {
      const [title = '', ...lines] = part.split('\n');
      const rows = lines.filter((line) => line.startsWith('| ')).slice(1);
      return [title.trim(), rows.map(rowOf)];
    }),
  );
}

function rowOf(line: string): Row {
  const [first = '', verdict = '', reason = '', ...rest] = line.slice(1, -1).split('|');
  assert.deepEqual(rest, [], `a cell holds a bar: ${line}`);
  const names = [...first.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
  return { names, verdict: verdict.trim(), reason: reason.trim() };
}

const parity = tables(readFileSync('docs/parity.md', 'utf8'));

describe('parity', () => {
  for (const [title, names] of Object.entries(declared)) {
    const rows = parity.get(title) ?? [];

    test(`${title}: whatever is declared has one row, and it does not say "not"`, () => {
      for (const name of names) {
        const found = rows.filter((row) => row.names.includes(name));
        assert.equal(found.length, 1, `docs/parity.md has ${found.length} rows on ${name}`);
        assert.notEqual(found[0]?.verdict, 'not', name);
      }
    });

    test(`${title}: whatever is said to work is declared`, () => {
      const implicit = ['juju-info'];
      const works = rows.filter(({ verdict }) => verdict !== 'not').flatMap((row) => row.names);
      for (const name of works) assert.ok([...names, ...implicit].includes(name), name);
    });
  }

  test('every row has a verdict and says how or why', () => {
    for (const [title, rows] of parity) {
      assert.ok(rows.length > 0, title);
      for (const { verdict, reason, names } of rows) {
        assert.ok(['works', 'better', 'not'].includes(verdict), `${title} ${names}: ${verdict}`);
        assert.ok(reason.length > 1, `${title} ${names}`);
      }
    }
  });
});
