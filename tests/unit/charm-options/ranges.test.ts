/** The options' ranges against those that the installed PostgreSQL itself declares. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { postgresMajors } from '../../../lib/machine/packages.ts';
import { PARAMETER_OPTIONS, parameterOf } from '../../../src/charm/model/parameter-options.ts';

const majors = await postgresMajors();
const major = majors.at(-1) ?? 0;

/** Name -> type, least, greatest, as `postgres --describe-config` prints them. */
function settings(): Map<string, { type: string; min: number; max: number }> {
  const program = `/usr/lib/postgresql/${major}/bin/postgres`;
  const rows = execFileSync(program, ['--describe-config'], { encoding: 'utf8' }).split('\n');
  return new Map(
    rows.map((row) => {
      const [name = '', , , type = '', , min, max] = row.split('\t');
      return [name.toLowerCase(), { type, min: Number(min), max: Number(max) }];
    }),
  );
}

const skip = major === 0 && 'no PostgreSQL is installed';

test('PostgreSQL knows every parameter and accepts the whole range', { skip }, () => {
  const known = settings();
  for (const [option, entry] of Object.entries(PARAMETER_OPTIONS)) {
    const { from = 0, until = Number.POSITIVE_INFINITY, value } = entry;
    const name = parameterOf(option, entry).toLowerCase();
    // pg_stat_statements declares its own when it is loaded.
    if (major < from || major > until || name.includes('.')) continue;
    const setting = known.get(name);
    assert.ok(setting, `${option} sets ${name}, which PostgreSQL ${major} does not know`);
    if (value.kind !== 'integer' && value.kind !== 'number') continue;
    const types = value.kind === 'integer' ? ['INTEGER'] : ['REAL'];
    assert.ok(types.includes(setting.type), `${option} is ${value.kind}, not ${setting.type}`);
    const within = value.min >= setting.min && value.max / setting.max <= 1 + 1e-5;
    assert.ok(within, `${option}: ${value.min}..${value.max}, ${setting.min}..${setting.max}`);
  }
});
