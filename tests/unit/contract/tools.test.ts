/** Words built for a call mean that call: for every tool, for any text in it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { parsePortRange, portText } from '../../../lib/contract/ports.ts';
import {
  buildWords,
  isToolName,
  TOOLS,
  type ToolCalls,
  type ToolName,
} from '../../../lib/contract/tools/catalogue.ts';
import { helpText, parseCall } from '../../../lib/contract/tools/parse.ts';
import { isApplicationName, isUnitName } from '../../../lib/contract/tools/schema.ts';

const text = fc.string();
const key = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);
const word = fc.stringMatching(/^[^-].*$/s).filter((value) => value !== '-');
const relation = fc.integer({ min: 0, max: 99 }).map((id) => ({ relation: `db:${id}` }));
const unit = fc.integer({ min: 0, max: 99 }).map((number) => `pg/${number}`);
const id = fc.stringMatching(/^[0-9a-v]{20}$/);
const pairs = fc.dictionary(key, text, { maxKeys: 4, noNullPrototype: true });
const nothing = fc.constant({});
const port = fc
  .tuple(fc.integer({ min: 1, max: 65_535 }), fc.integer({ min: 1, max: 65_535 }))
  .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b), protocol: 'udp' as const }));
const portChange = fc.record({ port, endpoints: fc.uniqueArray(key) });
const bool = fc.boolean();
const optional = { requiredKeys: [] };
const filled = fc.string({ minLength: 1 });
const secretChange = fc.record(
  {
    label: filled,
    description: filled,
    rotate: fc.constant('daily' as const),
    expire: fc.constant('24h'),
    owner: fc.constantFrom('application' as const, 'unit' as const),
    content: fc.constant<string[]>(['key=value', 'bin#base64=AA==']),
  },
  { requiredKeys: ['owner', 'content'] },
);

const calls: { [Name in ToolName]: fc.Arbitrary<ToolCalls[Name]> } = {
  'action-fail': fc.record({ message: filled }),
  'action-get': fc.record({ path: fc.array(key, { maxLength: 3 }) }),
  'action-log': fc.record({ message: text }),
  'action-set': fc.record({
    values: fc.array(
      fc.record({
        path: fc.array(fc.constantFrom('a', 'b-c', '9'), { minLength: 1 }),
        value: text,
      }),
    ),
  }),
  'application-version-set': fc.record({ version: text }),
  'close-port': portChange,
  'config-get': fc.oneof(fc.record({ all: bool }), fc.record({ key, all: fc.constant(false) })),
  'credential-get': nothing,
  'goal-state': nothing,
  'is-leader': nothing,
  'juju-log': fc.record({ level: fc.constantFrom('INFO', 'ERROR'), message: text }),
  'juju-reboot': fc.record({ now: bool }),
  'network-get': fc.record({
    binding: key,
    only: fc.subarray(['bind-address' as const, 'egress-subnets' as const]),
  }),
  'open-port': portChange,
  'opened-ports': fc.record({ endpoints: bool }),
  'relation-get': fc
    .tuple(relation, fc.record({ app: bool, who: unit, key }, { requiredKeys: ['app'] }))
    .map(([choice, call]) => ({ ...choice, ...call }))
    .map((call) => (call.app && call.who !== undefined ? { ...call, who: 'pg' } : call)),
  'relation-ids': fc.record({ endpoint: key }, optional),
  'relation-list': fc.tuple(relation, bool).map(([choice, app]) => ({ ...choice, app })),
  'relation-model-get': relation,
  'relation-set': fc
    .tuple(relation, bool, pairs)
    .map(([choice, app, settings]) => ({ ...choice, app, file: '-', settings })),
  'resource-get': fc.record({ name: key }),
  'secret-add': secretChange,
  'secret-get': fc.record(
    { id, label: filled, mode: fc.constant('peek' as const), key },
    { requiredKeys: ['id'] },
  ),
  'secret-grant': fc
    .tuple(relation, id, unit)
    .map(([choice, id, unit]) => ({ ...choice, id, unit })),
  'secret-ids': nothing,
  'secret-info-get': fc.oneof(fc.record({ id }), fc.record({ label: filled })),
  'secret-remove': fc.record({ id, revision: fc.nat() }, { requiredKeys: ['id'] }),
  'secret-revoke': fc.oneof(fc.record({ id, app: key }), fc.record({ id, unit })),
  'secret-set': fc.tuple(secretChange, id).map(([change, id]) => ({ ...change, id })),
  'state-delete': fc.record({ key: filled }),
  'state-get': fc.record({ key, strict: bool }, { requiredKeys: ['strict'] }),
  'state-set': fc.record({ file: fc.constant('-'), values: pairs }, { requiredKeys: ['values'] }),
  'status-get': fc.record({ includeData: bool, application: bool }),
  'status-set': fc.record({
    application: bool,
    status: fc.constantFrom('active' as const, 'blocked' as const),
    message: text,
  }),
  'storage-add': fc.record({
    counts: fc.dictionary(key, fc.integer({ min: 1, max: 9 }), {
      minKeys: 1,
      noNullPrototype: true,
    }),
  }),
  'storage-get': fc.record({ storage: word, key: fc.constant('location') }, optional),
  'storage-list': fc.record({ name: key }, optional),
  'unit-get': fc.constant({ what: 'private-address' as const }),
};

describe('words built for a call mean that call', () => {
  for (const name of Object.keys(TOOLS)) {
    if (!isToolName(name)) continue;
    test(name, () => roundTrip(name, calls[name] as fc.Arbitrary<ToolCalls[typeof name]>));
  }
});

function roundTrip<Name extends ToolName>(
  tool: Name,
  arbitrary: fc.Arbitrary<ToolCalls[Name]>,
): void {
  fc.assert(
    fc.property(arbitrary, (generated) => {
      const call = structuredClone(generated); // With the prototype of a plain object.
      assert.deepEqual(parseCall(tool, buildWords(tool, call)).call, call);
    }),
  );
}

describe('words of any kind', () => {
  for (const name of Object.keys(TOOLS)) {
    if (!isToolName(name)) continue;
    test(`${name} accepts or refuses them, no more`, () => {
      const some = fc.oneof(text, fc.constantFrom('-', '--', '-r', 'a=b', '80', 'x/0', '--app'));
      fc.assert(
        fc.property(fc.array(some), (words) => {
          try {
            parseCall(name, words);
          } catch (error) {
            const { name: kind } = error as Error;
            assert.ok(['UsageError', 'HelpRequested'].includes(kind), String(error));
          }
        }),
        { numRuns: 50 },
      );
    });
  }
});

test('every tool has a help that names its options', () => {
  for (const name of Object.keys(TOOLS)) {
    if (!isToolName(name)) continue;
    const help = helpText(name);
    assert.match(help, new RegExp(`^Usage: ${name}\\b`));
    for (const flag of ('flags' in TOOLS[name] ? TOOLS[name].flags : undefined) ?? []) {
      assert.ok(help.includes(`--${flag.names.at(-1)}`) || help.includes(`-${flag.names.at(-1)} `));
    }
  }
});

describe('names', () => {
  test('of applications and units', () => {
    assert.deepEqual(['pg', 'pg-1a', 'a1'].map(isApplicationName), [true, true, true]);
    assert.deepEqual(['', 'Pg', 'pg-1', '1a', 'a/0'].map(isApplicationName), Array(5).fill(false));
    assert.deepEqual(['pg/0', 'a-b/10'].map(isUnitName), [true, true]);
    assert.deepEqual(
      ['pg', 'pg/', '/0', 'pg/01', 'pg/-1', 'pg/0/1'].map(isUnitName),
      Array(6).fill(false),
    );
  });
});

describe('port ranges', () => {
  test('are written as they are read', () => {
    fc.assert(
      fc.property(port, (range) => assert.deepEqual(parsePortRange(portText(range)), range)),
    );
    assert.deepEqual(parsePortRange('80'), { from: 80, to: 80, protocol: 'tcp' });
    assert.equal(portText(parsePortRange('icmp')), 'icmp');
  });

  for (const bad of [
    '',
    '0',
    '65536',
    '90-80',
    '80-',
    '-80',
    '80/sctp',
    '80/tcp/x',
    '1-2-3',
    'x',
  ]) {
    test(`${JSON.stringify(bad)} is none`, () => {
      assert.throws(() => parsePortRange(bad), UsageError);
    });
  }
});
