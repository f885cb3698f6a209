/** The deciders about options and about the metrics that a unit offers. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { observability } from '../../../src/charm/decide/observability.ts';
import { options, validOptions } from '../../../src/charm/decide/options.ts';
import type { ConfigValues, Relation, Snapshot } from '../../../src/charm/model/snapshot.ts';

function aWorld(change: { config?: ConfigValues; address?: string; relations?: Relation[] }) {
  return {
    app: 'postgresql',
    model: { name: 'main', uuid: '5f1a3c1e-0000-4000-8000-000000000001' },
    unit: { address: change.address },
    machine: { cpus: 2, memoryBytes: 1024 ** 3 },
    config: change.config ?? {},
    relations: change.relations ?? [],
  } as unknown as Snapshot;
}

describe('options', () => {
  test('a value that is not allowed blocks, naming option, value and what is allowed', () => {
    const world = aWorld({ config: { profile: 'staging\nx' } });
    assert.deepEqual(options(world), [
      {
        type: 'finding',
        level: 'blocked',
        code: 'option-invalid',
        message: 'option profile: "staging\\nx" is not one of production, testing',
      },
    ]);
    assert.equal(validOptions(world), undefined);
  });

  test('a long value is cut in the status', () => {
    const [finding] = options(aWorld({ config: { profile: 'x'.repeat(500) } }));
    assert.ok(finding?.type === 'finding' && finding.message.length < 150);
  });

  test('allowed values are in force', () => {
    const world = aWorld({ config: { profile: 'testing' } });
    assert.deepEqual(options(world), []);
    assert.equal(validOptions(world)?.profile, 'testing');
  });
});

describe('observability', () => {
  const related: Relation = {
    endpoint: 'cos-agent',
    id: 5,
    app: 'monitoring',
    ending: false,
    localApp: {},
    localUnit: {},
    remoteApp: {},
    units: [],
  };

  test('every unit offers its own metrics once, and again when its address changes', () => {
    const [offer] = observability(aWorld({ address: '10.0.0.5', relations: [related] }));
    assert.ok(offer?.type === 'step' && offer.kind === 'relation-set');
    const { config } = offer.args.data;
    assert.match(config ?? '', /"10\.0\.0\.5:9188"/);
    const told = { ...related, localUnit: { config: config ?? '' } };
    assert.deepEqual(observability(aWorld({ address: '10.0.0.5', relations: [told] })), []);
    const moved = observability(aWorld({ address: '10.0.0.6', relations: [told] }));
    assert.equal(moved.length, 1);
  });

  test('offers nothing without an address, nor to a relation that ends or is another', () => {
    assert.deepEqual(observability(aWorld({ relations: [related] })), []);
    const relations = [
      { ...related, ending: true },
      { ...related, endpoint: 'database' },
    ];
    assert.deepEqual(observability(aWorld({ address: '10.0.0.5', relations })), []);
  });
});
