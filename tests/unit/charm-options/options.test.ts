/** What options may hold, what is said of what they may not, and what follows from them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import {
  FAILOVER_CLOCKS,
  PARAMETER_OPTIONS,
  parseOptions,
  synchronousNodes,
} from '../../../src/charm/model/options.ts';

const GIB = 1024 ** 3;

type Raw = Record<string, string | number | boolean>;

function valid(raw: Raw, memory?: number) {
  const parsed = parseOptions(raw, memory);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.options;
}

describe('options', () => {
  test('nothing set: production, every replica confirms, session pools, balanced clocks', () => {
    assert.deepEqual(valid({}), {
      profile: 'production',
      profileLimitMemoryMib: undefined,
      synchronousNodeCount: 'all',
      synchronousModeStrict: true,
      poolerMode: 'session',
      failoverWait: { seconds: 30, clients: undefined },
      maxConnections: undefined,
      failoverProfile: 'balanced',
      parameters: {},
    });
  });

  test('config.yaml declares exactly the options that are parsed, with the same defaults', () => {
    const declared: Record<string, { type: string; default?: unknown }> = parse(
      readFileSync('config.yaml', 'utf8'),
    ).options;
    const defaults = Object.entries(declared)
      .filter(([, option]) => option.default !== undefined)
      .map(([name, option]) => [name, option.default]);
    assert.deepEqual(valid(Object.fromEntries(defaults)), valid({}));
    // A value of the wrong type is refused by name, which shows that the option is read at all.
    for (const name of Object.keys(declared)) {
      assert.partialDeepStrictEqual(parseOptions({ [name]: '' }), { ok: false, option: name });
    }
    const known = Object.keys(declared);
    assert.ok(Object.keys(PARAMETER_OPTIONS).every((name) => known.includes(name)));
  });

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
    ['failover-profile', '', 'one of fast, balanced, safe'],
    ['experimental-max-connections', 19, 'an integer from 20 to 262143'],
    ['connection-authentication-timeout', 601, 'an integer from 1 to 600'],
    ['connection-statement-timeout', -1, 'an integer from 0 to 2147483647'],
    ['memory-work-mem', 63, 'an integer from 64 to 2147483647'],
  ];
  for (const [option, value, allowed] of refused) {
    test(`${option} = ${JSON.stringify(value)} is refused, saying what is allowed`, () => {
      const answer = parseOptions({ profile: 'testing', [option]: value });
      assert.deepEqual(answer, { ok: false, option, value: String(value), allowed });
    });
  }

  test('a parameter is accepted on both ends of its range and refused one beyond', () => {
    for (const [option, { parameter, min, max }] of Object.entries(PARAMETER_OPTIONS)) {
      for (const edge of [min, max]) {
        assert.equal(valid({ [option]: edge }).parameters[parameter], edge);
      }
      for (const beyond of [min - 1, max + 1]) {
        assert.partialDeepStrictEqual(parseOptions({ [option]: beyond }), { ok: false, option });
      }
    }
  });

  test('shared buffers may take 40% of memory, and of the limit where that is less', () => {
    const blocks = Math.floor((GIB * 0.4) / 8192);
    assert.equal(
      valid({ 'memory-shared-buffers': blocks }, GIB).parameters['shared_buffers'],
      blocks,
    );
    const over = { 'memory-shared-buffers': blocks + 1 };
    assert.partialDeepStrictEqual(parseOptions(over, GIB), { option: 'memory-shared-buffers' });
    const limited = { 'memory-shared-buffers': blocks, 'profile-limit-memory': 512 };
    assert.partialDeepStrictEqual(parseOptions(limited, GIB), { option: 'memory-shared-buffers' });
  });

  test('whatever the configuration holds, the answer is options or a named refusal', () => {
    const names = ['profile', 'pooler-mode', 'memory-work-mem', 'synchronous-node-count'];
    const value = fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.integer());
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (raw) => {
        const answer = parseOptions(raw);
        if (!answer.ok) assert.ok(names.includes(answer.option));
      }),
    );
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

test("every failover profile keeps Patroni's rule between its clocks", () => {
  for (const clocks of Object.values(FAILOVER_CLOCKS)) {
    assert.ok(clocks.loop_wait + 2 * clocks.retry_timeout <= clocks.ttl);
    assert.ok(clocks.ttl >= 20 && clocks.retry_timeout >= 3);
  }
});
