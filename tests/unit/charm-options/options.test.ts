/** What options may hold, what is said of what they may not, and what follows from them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import { MEMBER_TAGS_FORM } from '../../../src/charm/model/member-tags.ts';
import { readOptions } from '../../../src/charm/model/option-rules.ts';
import { ANY_MACHINE, allowedOf, type Limits } from '../../../src/charm/model/option-values.ts';
import {
  parseOptions,
  type RawOptions,
  synchronousNodes,
} from '../../../src/charm/model/options.ts';
import { PARAMETER_OPTIONS, parameterOf } from '../../../src/charm/model/parameter-options.ts';
import { PLUGINS } from '../../../src/charm/model/plugins.ts';

const GIB = 1024 ** 3;

interface Declared {
  type: string;
  default?: string | number | boolean;
  description: string;
}
const declared: Record<string, Declared> = parse(readFileSync('config.yaml', 'utf8')).options;

function valid(raw: RawOptions, limits: Partial<Limits> = {}) {
  const parsed = readOptions(raw, { ...ANY_MACHINE, ...limits });
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.options;
}

function refusal(raw: RawOptions, limits: Partial<Limits> = {}) {
  const parsed = readOptions(raw, { ...ANY_MACHINE, ...limits });
  assert.ok(!parsed.ok, JSON.stringify(raw));
  return parsed;
}

describe('options', () => {
  test('nothing set: production, every replica confirms, session pools, balanced clocks', () => {
    assert.partialDeepStrictEqual(valid({}), {
      profile: 'production',
      profileLimitMemoryMib: undefined,
      synchronousNodeCount: 'all',
      synchronousModeStrict: true,
      poolerMode: 'session',
      failoverWait: { seconds: 30, clients: undefined },
      readonlyMaximumLagMib: 64,
      maxConnections: undefined,
      failoverProfile: 'balanced',
      fenceCommand: undefined,
      maximumLagOnFailover: 1_048_576,
      backupProcesses: undefined,
      preloadLibraries: [],
      plugins: [],
      systemUsers: undefined,
      accessNetworks: [],
      hbaEntries: [],
      ldapMap: [],
      ldapSearchFilter: '(uid=$username)',
    });
  });

  test('config.yaml declares exactly the options that are parsed, with the same defaults', () => {
    const defaults = Object.entries(declared).flatMap(([name, option]) =>
      option.default === undefined ? [] : [[name, option.default] as const],
    );
    assert.deepEqual(valid(Object.fromEntries(defaults)), valid({}));
    // A value that no option takes is refused by name, which shows that the option is read at all.
    for (const name of Object.keys(declared)) {
      assert.partialDeepStrictEqual(parseOptions({ [name]: '~' }), { ok: false, option: name });
    }
    const known = Object.keys(declared);
    assert.ok(Object.keys(PARAMETER_OPTIONS).every((name) => known.includes(name)));
    assert.ok(Object.keys(PLUGINS).every((name) => known.includes(`plugin-${name}-enable`)));
  });

  test('config.yaml says of every parameter what it is and what the option takes', () => {
    for (const [name, entry] of Object.entries(PARAMETER_OPTIONS)) {
      const { type, description } = declared[name] ?? { type: '', description: '' };
      const text = description.replaceAll('\n', ' ').trim();
      const { kind } = entry.value;
      const wanted = { integer: 'int', number: 'float', boolean: 'boolean' }[kind as 'integer'];
      assert.equal(type, wanted ?? 'string', name);
      assert.ok(text.includes(`(${parameterOf(name, entry)})`), name);
      if (kind === 'workers') continue;
      const range = allowedOf(entry.value).replace(/^(?:an integer|a number) from /, '');
      assert.ok(text.includes(range) || kind === 'boolean', `${name}: ${range} is not in: ${text}`);
    }
  });

  const COMMAND = 'a program and what it is given, on one line of at most 1000 characters';
  const refused: [string, string | number | boolean, string][] = [
    ['profile', 'staging', 'one of production, testing'],
    ['profile-limit-memory', 127, 'an integer from 128 to 9999999'],
    ['profile-limit-memory', 512.5, 'an integer from 128 to 9999999'],
    ['synchronous-node-count', '0', 'all, majority, or an integer from 1 to 999'],
    ['synchronous-node-count', '2 ', 'all, majority, or an integer from 1 to 999'],
    ['synchronous-mode-strict', 'yes', 'true or false'],
    ['pooler-mode', 'statement', 'one of session, transaction'],
    ['failover-wait-seconds', 56, 'an integer from 0 to 55'],
    ['failover-wait-clients', 0, 'an integer from 1 to 1000000'],
    ['member-tags', 'postgresql/0 nofailover', MEMBER_TAGS_FORM],
    ['readonly-maximum-lag', 0, 'an integer from 1 to 1048576'],
    ['failover-profile', '', 'one of fast, balanced, safe'],
    ['fence-command', 'off\nreboot', COMMAND],
    ['fence-command', '', COMMAND],
    ['experimental-max-connections', 24, 'an integer from 25 to 262143'],
    ['backup-process-max', 0, 'an integer from 1 to 999'],
    ['connection-authentication-timeout', 601, 'an integer from 1 to 600'],
    ['connection-statement-timeout', -1, 'an integer from 0 to 2147483647'],
    ['instance-password-encryption', 'md5', 'one of scram-sha-256'],
    ['ldap-search-filter', '(uid=me)', 'a search filter with (attribute=$username) in it'],
    ['memory-work-mem', 63, 'an integer from 64 to 2147483647'],
    ['optimizer-cursor-tuple-fraction', 1.01, 'a number from 0 to 1'],
    ['plugin-hstore-enable', 'yes', 'true or false'],
    ['system-users', 'operator', 'the URI of a secret'],
    ['cpu-max-parallel-workers', '1', 'auto, or an integer from 2 to 262143'],
    [
      'request-date-style',
      'ISO; DROP',
      'ISO, SQL, Postgres or German, then perhaps a comma and DMY, MDY or YMD',
    ],
  ];
  for (const [option, value, allowed] of refused) {
    test(`${option} = ${JSON.stringify(value)} is refused, saying what is allowed`, () => {
      const answer = parseOptions({ profile: 'testing', [option]: value });
      assert.deepEqual(answer, { ok: false, option, value: String(value), allowed });
    });
  }

  test('a parameter is accepted on both ends of its range and refused one beyond', () => {
    for (const [option, entry] of Object.entries(PARAMETER_OPTIONS)) {
      const { value } = entry;
      if (value.kind !== 'integer' && value.kind !== 'number') continue;
      for (const edge of [value.min, value.max]) {
        const parsed = parseOptions({ [option]: edge });
        assert.ok(parsed.ok && parameterOf(option, entry) in parsed.options.parameters, option);
      }
      const beyond =
        value.max === Number.MAX_VALUE ? [value.min - 1] : [value.min - 1, value.max + 1];
      for (const each of beyond) {
        assert.partialDeepStrictEqual(parseOptions({ [option]: each }), { ok: false, option });
      }
    }
  });

  test('values reach PostgreSQL in its own notation', () => {
    const { parameters } = valid({
      'memory-shared-buffers': 1000,
      'memory-work-mem': 777,
      'durability-max-wal-size': 2048,
      'logging-log-temp-files': -1,
      'request-default-transaction-isolation': 'repeatable read',
      'request-date-style': 'German, DMY',
      'optimizer-enable-seqscan': false,
      'optimizer-pg-stat-statements-track': 'all',
      'cpu-max-parallel-workers': 'auto',
    });
    assert.partialDeepStrictEqual(parameters, {
      shared_buffers: '8000kB',
      work_mem: '777kB',
      max_wal_size: '2048MB',
      log_temp_files: -1,
      default_transaction_isolation: 'repeatable read',
      DateStyle: 'German, DMY',
      enable_seqscan: 'off',
      'pg_stat_statements.track': 'all',
    });
    assert.ok(!('max_parallel_workers' in parameters));
  });

  test('no two options set one parameter, but the two that the reference has', () => {
    const names = Object.entries(PARAMETER_OPTIONS).map(([name, entry]) =>
      parameterOf(name, entry),
    );
    const twice = names.filter((name, index) => names.indexOf(name) !== index);
    assert.deepEqual(twice, ['track_functions']);
  });

  test('whatever the configuration holds, the answer is options or a named refusal', () => {
    const names = Object.keys(declared);
    const value = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.integer());
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (raw) => {
        const answer = readOptions(raw, { ...ANY_MACHINE, cpus: 2, memoryBytes: GIB });
        if (!answer.ok) assert.ok(names.includes(answer.option));
      }),
    );
  });
});

describe('options on a machine', () => {
  test('shared buffers may take 40% of memory, and of the limit where that is less', () => {
    const blocks = Math.floor((GIB * 0.4) / 8192);
    const fits = valid({ 'memory-shared-buffers': blocks }, { memoryBytes: GIB });
    assert.equal(fits.parameters['shared_buffers'], `${blocks * 8}kB`);
    const over = { 'memory-shared-buffers': blocks + 1 };
    assert.equal(refusal(over, { memoryBytes: GIB }).option, 'memory-shared-buffers');
    const limited = { 'memory-shared-buffers': blocks, 'profile-limit-memory': 512 };
    assert.equal(refusal(limited, { memoryBytes: GIB }).option, 'memory-shared-buffers');
  });

  test('ten worker processes for each processor at most, and pools within them', () => {
    assert.equal(valid({ 'cpu-max-worker-processes': '20' }, { cpus: 2 }).plugins.length, 0);
    const many = refusal({ 'cpu-max-worker-processes': '21' }, { cpus: 2 });
    assert.equal(many.allowed, 'auto, or an integer from 2 to 20');
    const pool = refusal({ 'cpu-max-parallel-workers': '5' }, { cpus: 2 });
    assert.equal(pool.allowed, 'at most 4, the value of cpu-max-worker-processes');
    valid({ 'cpu-max-parallel-workers': '5', 'cpu-max-worker-processes': '6' }, { cpus: 2 });
  });

  test('a table of locks that no memory is left for is refused before it is tried', () => {
    const locks = { profile: 'testing', 'instance-max-locks-per-transaction': 4_000_000 };
    const { option, allowed } = refusal(locks, { memoryBytes: GIB, cpus: 2 });
    assert.equal(option, 'instance-max-locks-per-transaction');
    assert.match(allowed, /^small enough: .* MiB for 100 sessions, and may take 102 MiB$/);
    valid({ 'instance-max-locks-per-transaction': 1000 }, { memoryBytes: GIB, cpus: 2 });
    // A machine that is small by itself is no option's fault.
    valid({}, { memoryBytes: 4 * 1024 ** 2, cpus: 64 });
  });

  test('the smaller size of the write-ahead log is not above the larger', () => {
    const raw = { profile: 'testing', 'durability-min-wal-size': 300 };
    assert.equal(refusal(raw).option, 'durability-min-wal-size');
    valid({ ...raw, 'durability-max-wal-size': 300 });
    const low = { profile: 'testing', 'durability-max-wal-size': 64 };
    assert.equal(refusal(low).option, 'durability-max-wal-size');
  });

  test('two options on one parameter must agree', () => {
    const both = { 'logging-track-functions': 'pl', 'optimizer-track-functions': 'all' };
    assert.equal(refusal(both).allowed, 'all, as optimizer-track-functions says');
    valid({ 'logging-track-functions': 'all', 'optimizer-track-functions': 'all' });
  });

  const versions: [option: string, value: number | string, knows: number[], not: number[]][] = [
    ['storage-old-snapshot-threshold', 10, [14, 15, 16], [17, 18]],
    ['session-transaction-timeout', 10, [17, 18], [15, 16]],
    ['cpu-max-parallel-apply-workers-per-subscription', '2', [16, 17], [15]],
  ];
  for (const [option, value, knows, not] of versions) {
    test(`${option} is refused by a PostgreSQL that has no such parameter`, () => {
      for (const postgres of knows) valid({ [option]: value }, { postgres });
      for (const postgres of not) {
        const { allowed } = refusal({ [option]: value }, { postgres });
        assert.match(allowed, new RegExp(`^something that PostgreSQL ${postgres} knows: `));
      }
      for (const postgres of [...knows, ...not]) valid({}, { postgres });
    });
  }

  test('what the machine does not have is refused by name', () => {
    const has: Limits['has'] = (_, name) =>
      ['Europe/Berlin', 'de_DE.UTF-8', 'auto_explain'].includes(name);
    valid(
      {
        'request-time-zone': 'Europe/Berlin',
        'response-lc-time': 'de_DE.UTF-8',
        'response-lc-numeric': 'C',
        'instance-preload-libraries': 'auto_explain',
      },
      { has },
    );
    for (const [option, value] of [
      ['request-time-zone', 'Mars/Olympus'],
      ['request-time-zone', '../../etc/passwd'],
      ['response-lc-time', 'xx_XX'],
      ['instance-preload-libraries', 'auto_explain,evil'],
      ['instance-preload-libraries', '/tmp/evil'],
    ] as const) {
      assert.equal(refusal({ [option]: value }, { has }).option, option);
    }
  });

  test('a lost primary is fenced only where it could not acknowledge anything alone', () => {
    const command = { 'fence-command': 'is-powered-off "$FENCE_UNIT"' };
    assert.equal(valid(command).fenceCommand, command['fence-command']);
    const { option, allowed } = refusal({ ...command, 'synchronous-mode-strict': false });
    assert.equal(option, 'fence-command');
    assert.equal(allowed, 'allowed with synchronous-mode-strict=true only');
  });

  test('a plugin that needs another is refused without it', () => {
    const { allowed } = refusal({ 'plugin-jsonb-plperl-enable': true });
    assert.equal(allowed, 'allowed without plugin-plperl-enable');
    const both = { 'plugin-jsonb-plperl-enable': true, 'plugin-plperl-enable': true };
    assert.deepEqual(valid(both).plugins, ['jsonb-plperl', 'plperl']);
  });
});

describe('synchronous nodes', () => {
  const table: [count: string, units: number, nodes: number][] = [
    ['all', 0, 0],
    ['all', 1, 0],
    ['all', 3, 2],
    ['majority', 1, 0],
    ['majority', 2, 1],
    ['majority', 3, 1],
    ['majority', 5, 2],
    ['2', 2, 1],
    ['2', 5, 2],
  ];
  for (const [count, units, nodes] of table) {
    test(`${count} of ${units} units is ${nodes}`, () => {
      assert.equal(synchronousNodes(valid({ 'synchronous-node-count': count }), units), nodes);
    });
  }
});
