/**
 * A change of the internal CA on one unit of several: both trusted, etcd started anew in its turn,
 * the old one gone when all are ready. Every hook may be cut short before any step.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { digestOf } from '../../lib/std/digest.ts';
import { rotateInternalCa } from '../../src/charm/actions/rotate-internal-ca.ts';
import { internalTrust, ROTATION_FIELDS } from '../../src/charm/model/internal-ca.ts';
import type { Snapshot } from '../../src/charm/model/snapshot.ts';
import { type Committed, type Effects, UnitWorld } from '../support/world.ts';

const CA = 'secret of internal-ca';

/** A unit whose certificate is of whichever CA was present when it was issued. */
class ChangingUnit extends UnitWorld {
  restarts = 0;

  override snapshot(from: Committed = this.committed): Snapshot {
    const world = super.snapshot(from);
    const issuer = from.unitSecret?.['issuer'];
    const trusted = issuer === from.appSecret?.['internal-ca'];
    const certificate = world.certificate && { ...world.certificate, trusted };
    return { ...world, certificate };
  }

  /** What the action does, in the hook of this unit. */
  rotate(number = 2): void {
    const { 'internal-ca': previous = '' } = this.committed.appSecret ?? {};
    this.committed.appSecret = {
      ...this.committed.appSecret,
      'internal-ca': `CA ${number}`,
      [ROTATION_FIELDS.previous]: previous,
      [ROTATION_FIELDS.cross]: `CA ${number} by ${previous}`,
      [ROTATION_FIELDS.number]: String(number),
    };
  }

  trust(): string {
    return this.files[this.snapshot().layout.tls.ca] ?? '';
  }

  protected override effects(): Effects {
    const effects = super.effects();
    return {
      ...effects,
      'issue-certificate': (args, pending) => {
        effects['issue-certificate']?.(args, pending);
        const issuer = pending.appSecret?.['internal-ca'] ?? '';
        const content = {
          'internal-cert': `certificate of ${issuer}`,
          'internal-key': 'secret key',
        };
        pending.unitSecret = { ...content, issuer };
      },
      'restart-service': (args, pending) => {
        if (args.name !== 'etcd') return effects['restart-service']?.(args, pending);
        this.restarts += 1;
        const etcd = this.services['etcd'];
        if (etcd !== undefined) this.services['etcd'] = { ...etcd, loaded: digestOf(this.trust()) };
      },
      'remove-files': ({ paths }) => {
        const kept = Object.entries(this.files).filter(([path]) => !paths.includes(path));
        this.files = Object.fromEntries(kept);
      },
      'retire-internal-ca': (_, pending) => {
        const { previous, cross } = ROTATION_FIELDS;
        const { [previous]: _previous, [cross]: _cross, ...kept } = pending.appSecret ?? {};
        pending.appSecret = kept;
      },
    };
  }
}

async function primary(): Promise<ChangingUnit> {
  const world = new ChangingUnit();
  await world.settle();
  return world;
}

const other = (data: Record<string, string>, name = 'postgresql/1') => ({
  name,
  data: { ip: '10.0.0.11', ...data },
  dying: false,
});
const wanted = (world: ChangingUnit) => digestOf(internalTrust(world.snapshot()) ?? '');

describe('a change of the internal CA', () => {
  test('of a lone unit comes to its end by itself', async () => {
    const world = await primary();
    world.rotate();
    const { kinds, status } = await world.settle();
    assert.deepEqual(kinds, []);
    assert.deepEqual(status, { status: 'active', message: 'Primary' });
    assert.equal(world.trust(), 'CA 2');
    const { layout } = world.snapshot();
    assert.equal(world.files[layout.tls.cert], 'certificate of CA 2');
    assert.equal(world.committed.appSecret?.[ROTATION_FIELDS.previous], undefined);
    assert.equal(world.restarts, 2, 'etcd learns of the new one, and forgets the old one');
    const { restapi } = JSON.parse(world.files[layout.patroniConfig] ?? '{}');
    assert.match(restapi.certfile, /\/tls\/internal-[0-9a-f]{16}\.cert\.pem$/);
    assert.equal(world.files[restapi.certfile], 'certificate of CA 2');
    const copies = Object.keys(world.files).filter((path) => path.includes('/tls/internal-'));
    assert.equal(copies.length, 2, 'those of the change itself have gone');
    assert.equal(
      world.services['patroni']?.loaded,
      digestOf(world.files[layout.patroniConfig] ?? ''),
    );
  });

  test('before the first nothing of it is seen anywhere', async () => {
    const world = await primary();
    assert.equal(world.committed.own['internal-ca'], undefined);
    assert.equal(world.committed.app['internal-ca'], undefined);
    assert.ok(!Object.keys(world.files).some((path) => path.includes('/tls/internal-')));
  });

  test('trusts both, shows the new one with the old one’s word, until all are ready', async () => {
    const world = await primary();
    world.planned = ['postgresql/0', 'postgresql/1'];
    world.others = [other({ 'internal-ca': 'of before' })];
    world.rotate();
    const { status } = await world.settle();
    assert.deepEqual(status, {
      status: 'maintenance',
      message: 'changing the internal CA: waiting for postgresql/1',
    });
    assert.equal(world.trust(), `CA 2\n${CA}\n`);
    const { layout } = world.snapshot();
    assert.equal(world.files[layout.tls.cert], `certificate of CA 2\nCA 2 by ${CA}\n`);
    assert.equal(world.committed.own['internal-ca'], wanted(world));
    assert.equal(world.committed.app['internal-ca'], wanted(world));
    world.others = [other({ 'internal-ca': wanted(world) })];
    await world.settle();
    assert.equal(world.trust(), 'CA 2');
  });

  test('starts etcd anew only in the turn of its unit', async () => {
    const world = await primary();
    const number = 3;
    const asThird = (from: Snapshot): Snapshot => {
      assert.ok(from.agent.known && from.agent.value.etcd.known);
      const { members } = from.agent.value.etcd.value;
      const etcd = {
        known: true as const,
        value: {
          leader: 'postgresql-0',
          members: [...members, ...members.map((each) => ({ ...each, name: 'postgresql-1' }))],
        },
      };
      const agent = { known: true as const, value: { ...from.agent.value, etcd } };
      return { ...from, agent, unit: { ...from.unit, number } };
    };
    const plain = world.snapshot.bind(world);
    world.snapshot = (from) => {
      const seen = plain(from);
      return seen.agent.known && seen.agent.value.etcd.known ? asThird(seen) : seen;
    };
    world.planned = ['postgresql/0', 'postgresql/1'];
    world.others = [other({})];
    world.rotate();
    await world.settle();
    assert.equal(world.restarts, 0);
    assert.equal(world.committed.own['internal-ca'], undefined);
    world.others = [other({ 'internal-ca': wanted(world) })];
    await world.hook();
    assert.equal(world.restarts, 1);
  });

  test('is finished by later hooks wherever one was cut short', async () => {
    const whole = await primary();
    whole.rotate();
    const steps = (await whole.hook()).kinds.length;
    whole.reality();
    await whole.settle();
    assert.ok(steps > 5, `only ${steps} steps`);
    for (let dieBefore = 0; dieBefore < steps; dieBefore++) {
      const world = await primary();
      world.rotate();
      assert.equal((await world.hook('config-changed', dieBefore)).kinds.length, dieBefore);
      world.reality();
      const { kinds } = await world.settle();
      assert.deepEqual(kinds, []);
      assert.equal(world.trust(), 'CA 2', `cut before step ${dieBefore}`);
      assert.deepEqual(world.committed, whole.committed);
    }
  });
});

describe('rotate-internal-ca', () => {
  test('starts a change, one at a time, on the leader', async () => {
    const world = await primary();
    const plan = () => rotateInternalCa.plan(world.snapshot(), undefined);
    assert.partialDeepStrictEqual(plan(), { steps: [{ kind: 'rotate-internal-ca' }] });
    world.isLeader = false;
    assert.partialDeepStrictEqual(plan(), { code: 'not-leader' });
    world.isLeader = true;
    world.rotate();
    assert.partialDeepStrictEqual(plan(), { code: 'ca-changing' });
  });

  test('is refused before there is a cluster', () => {
    const plan = rotateInternalCa.plan(new ChangingUnit().snapshot(), undefined);
    assert.partialDeepStrictEqual(plan, { code: 'no-cluster' });
  });
});
