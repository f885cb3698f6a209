/** The decider about options: what is refused, and how that is said. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { options, validOptions } from '../../../src/charm/decide/options.ts';
import type { ConfigValues, Snapshot } from '../../../src/charm/model/snapshot.ts';
import { optionsOf } from '../../support/machine.ts';

function aWorld(change: { config: ConfigValues }) {
  return { options: optionsOf(change.config) } as Snapshot;
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
