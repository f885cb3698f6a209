/**
 * Three units under clients that write all the time, and one fault after the other: whatever is
 * killed, the cluster recovers by itself, no acknowledged row is lost, and no process is left over
 * or runs twice. One deployment for all: each fault meets what the ones before have left.
 */
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { everyoneOf } from '../../src/chaos/census.ts';
import { bootMarker } from '../../src/controller/machines/boot.ts';
import { FaultWorld, identities } from '../support/fault-world.ts';
import { findProcesses, powerCut } from '../support/processes.ts';

describe('faults of a cluster of three', async () => {
  const world = await FaultWorld.start({ units: 3, config: ['failover-profile=fast'] });
  after(() => world.end());
  const primary = async () => world.census(await world.primary());
  const recovered = () => world.recovered(3);

  for (const fault of [
    'kill-postmaster:primary',
    'kill-patroni:primary',
    'kill-database:primary',
    'kill-etcd:etcd-leader',
    'kill-pgbouncer:primary',
    'kill-agent:primary',
  ]) {
    test(fault, async () => {
      await world.strike(fault);
      await recovered();
    });
  }

  test('runsv is killed: the service lives on, alone, and has a supervisor again', async () => {
    const before = await world.census(await world.primary());
    const [unit = ''] = (await world.strike('kill-runsv:primary')).units;
    const services = Object.values(before.services).flat();
    // The new supervisors' copies wait until the orphans end, and take over then.
    await world.model.until('copies wait', async () => {
      const { starting } = await world.census(unit);
      const waiting = starting.filter(({ command }) => command.startsWith('chpst '));
      return waiting.length === services.length ? true : undefined;
    });
    const now = await world.census(unit);
    assert.deepEqual(identities(now.services), identities(before.services));
    await world.kill(services);
    await recovered();
  });

  test('runsvdir is killed: the services live on and have a supervisor again', async () => {
    const before = await world.census(await world.primary());
    const [unit = ''] = (await world.strike('kill-runsvdir:primary')).units;
    await recovered();
    const { services, runsv } = await world.census(unit);
    assert.deepEqual(identities(services), identities(before.services));
    // The new one tries again and again to start what runs already: those end at once.
    const now = identities(runsv);
    assert.deepEqual(
      identities(before.runsv).filter((one) => !now.includes(one)),
      [],
    );
  });

  test('the controller is killed while hooks run', async () => {
    const before = await Promise.all((await world.unitNames()).map((name) => world.census(name)));
    await world.model.pgcharm('config postgresql connection-statement-timeout=60000');
    for (let round = 0; round < 3; round += 1) {
      await hooksRun(world);
      await world.strike('kill-controller');
      await world.model.pgcharm('status');
    }
    await recovered();
    const after = await Promise.all((await world.unitNames()).map((name) => world.census(name)));
    const postmasters = (all: typeof before) => all.map(({ postmaster }) => postmaster[0]?.pid);
    assert.deepEqual(postmasters(after), postmasters(before));
  });

  test('the machine of the primary loses power, which is proven, and gets it back', async () => {
    // With half a minute of lease it is the proof that lets a replica lead.
    const fence = 'fence-command=is-powered-off "$FENCE_UNIT"';
    await world.model.pgcharm(['config', 'postgresql', 'failover-profile=safe', fence]);
    await shown(world, await world.unitNames(), /"command": ?"is-powered-off/);
    const unit = await world.primary();
    await shown(world, [unit], /^loop_wait: 10$/m);
    const machine = await world.machineOf(unit);
    await world.model.pgcharm(['power-off', machine]);
    await world.writing();
    assert.deepEqual(everyoneOf(await world.census(unit)), []);
    assert.equal(await proofs(world), 1);
    await world.model.pgcharm(['config', 'postgresql', 'failover-profile=fast']);
    await shown(world, [await world.primary()], /^loop_wait: 1$/m);
    await world.model.pgcharm(['power-on', machine]);
    await recovered();
  });

  test('every process of the primary’s unit is killed', async () => {
    await world.kill(everyoneOf(await primary()));
    await recovered();
    // As silent as a machine without power, which it is not.
    assert.equal(await proofs(world), 1);
  });

  test('the host loses power: a command brings everything back', async () => {
    const { root } = world.model;
    const before = await startHooks(world);
    await powerCut(root);
    const marker = bootMarker(root, process.env);
    if (marker !== undefined) rmSync(marker);
    await world.model.pgcharm('status');
    await recovered();
    // Three units and their client.
    assert.equal(await startHooks(world), before + 4);
    assert.ok(marker === undefined || existsSync(marker));
  });
});

/** Waits until each of the units says so, in Patroni's configuration or its agent's. */
async function shown(world: FaultWorld, units: readonly string[], text: RegExp): Promise<void> {
  const command = 'patronictl show-config; cat pg/desired.json';
  for (const unit of units) {
    await world.model.until(`${unit} shows ${text}`, async () =>
      text.test(await world.shell(unit, command)) ? true : undefined,
    );
  }
}

/** How often an agent has had a machine proven off. */
async function proofs(world: FaultWorld): Promise<number> {
  const command = 'cat pg/log/agent/* | grep -c "the machine of the primary is proven off"';
  const counts = await Promise.all(
    (await world.unitNames()).map((unit) => world.shell(unit, command)),
  );
  return counts.reduce((sum, count) => sum + Number(count), 0);
}

async function startHooks(world: FaultWorld): Promise<number> {
  const { stdout } = await world.model.pgcharm('debug-log --replay --no-tail');
  return stdout.match(/ran "start" hook/g)?.length ?? 0;
}

async function hooksRun(world: FaultWorld): Promise<void> {
  await world.model.until('a hook runs', async () =>
    findProcesses(world.model.root, 'dispatch').length > 0 ||
    findProcesses(world.model.root, 'charm/src/charm/main.js').length > 0
      ? true
      : undefined,
  );
}
