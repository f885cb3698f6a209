/** Patroni on a unit that was away while its restore ended waits until the agent has been there. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { patroni } from '../../../src/charm/decide/patroni.ts';
import type { Snapshot } from '../../../src/charm/model/snapshot.ts';
import { UnitWorld } from '../../support/world.ts';

const world = new UnitWorld();
await world.settle();
const settled = world.snapshot();
const service = settled.services['patroni'] ?? assert.fail();

const down = (wantedUp: boolean, supervised: boolean, beforeRestore = true): Snapshot => ({
  ...settled,
  supervised,
  data: { ...settled.data, beforeRestore },
  services: { ...settled.services, patroni: { ...service, running: false, wantedUp } },
});
const said = (snapshot: Snapshot) =>
  patroni(snapshot).map((each) => (each.type === 'step' ? each.kind : each.level));

describe('data of before a restore beside the data', () => {
  test('keep a supervisor that comes up from starting Patroni', () => {
    assert.deepEqual(said(down(true, false)), ['stop-service', 'maintenance']);
  });

  test('keep the charm from starting it, whatever lies in their place', () => {
    assert.deepEqual(said(down(false, true)), ['maintenance']);
    const debris = down(false, false);
    const half = { ...debris.data, systemIdentifier: undefined, debris: true };
    assert.deepEqual(said({ ...debris, data: half }), ['maintenance']);
  });

  test('leave a Patroni alone that is wanted under its supervisor, or that runs', () => {
    assert.deepEqual(said(down(true, true)), ['maintenance']);
    const runs = { ...settled, data: { ...settled.data, beforeRestore: true } };
    assert.deepEqual(said(runs), []);
  });

  test('once gone, it starts', () => {
    assert.deepEqual(said(down(false, true, false)), ['start-service']);
  });
});
