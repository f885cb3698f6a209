/**
 * The engine together with real hook tools: what a hook writes counts when it succeeds, relations
 * and applications come and go, time passes.
 */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { streamLog } from '../../lib/std/log.ts';
import { Engine } from '../../src/controller/engine.ts';
import { EngineWorld } from '../support/engine-world.ts';
import { projectRoot } from '../support/source-tree.ts';

const CLIENT = join(projectRoot, 'src', 'controller', 'tools', 'client', 'hook-tool');

/** Writes to its databag in -created; a file beside its directory makes it fail or reboot. */
const WRITER = `#!/bin/sh
place="$JUJU_CHARM_DIR/.."
name="\${JUJU_DISPATCH_PATH##*/}"
echo "$name\${JUJU_REMOTE_UNIT:+ $JUJU_REMOTE_UNIT}" >> "$place/events"
case "$name" in
  *-relation-created) relation-set written=yes ;;
  *-relation-joined) relation-get - "$JUJU_REMOTE_UNIT" > "$place/seen" ;;
  start) [ -e "$place/reboot" ] && { rm "$place/reboot"; juju-reboot --now; sleep 300; } ;;
esac
[ -e "$place/fail-$name" ] && exit 1
exit 0
`;

describe('engine and hook tools', () => {
  let world: EngineWorld;
  let engine: Engine;

  beforeEach(async () => {
    world = await EngineWorld.make();
    for (const name of ['hook-tool', 'juju-exec']) {
      copyFileSync(CLIENT, join(world.layout.bin, name));
    }
    engine = new Engine({ store: world.store, root: world.root, log: streamLog({ write() {} }) });
    const charm = await world.addCharm({ files: { dispatch: { text: WRITER, mode: 0o755 } } });
    for (const name of ['a', 'b']) world.addApplication(name, charm);
    await engine.start();
  });
  afterEach(async () => {
    await engine.stop();
    await world.remove();
  });

  test('a relation removed by force goes on without a unit whose hook fails', async () => {
    const relation = world.addRelation('regular', [
      ['a', 'db'],
      ['b', 'db'],
    ]);
    world.tell('a/0', 'fail', 'db-relation-departed');
    const units = [world.addUnit('a'), world.addUnit('b')];
    await world.until('both joined', async () => {
      const all = await Promise.all(units.map((unit) => world.events(unit)));
      return all.every((events) => events.some((event) => event.startsWith('db-relation-joined')));
    });
    await world.untilIdle(...units);
    world.store.run(`UPDATE relation SET life = 'dying' WHERE id = ?`, relation);
    await world.until('it failed', () => world.operation('a/0')?.['step'] === 'failed');
    assert.ok(world.store.get('SELECT 1 FROM relation WHERE id = ?', relation));
    world.store.run('UPDATE relation SET forced_at = ? WHERE id = ?', Date.now(), relation);
    await world.untilIdle(...units);
    assert.equal(world.store.get('SELECT 1 FROM relation WHERE id = ?', relation), undefined);
    assert.ok(!(await world.events('a/0')).includes('db-relation-broken'));
  });

  test('what a failed hook wrote is lost, what a successful one wrote is kept', async () => {
    world.tell('a/0', 'fail', 'peers-relation-created');
    const unit = world.addUnit('a');
    await world.until('it failed', () => world.operation(unit)?.['step'] === 'failed');
    assert.equal(databag(unit)['written'], undefined);
    world.untell(unit, 'fail', 'peers-relation-created');
    const operation = JSON.stringify({ ...world.operation(unit), resolve: 'retry' });
    world.store.run('UPDATE unit SET operation = ? WHERE name = ?', operation, unit);
    await world.untilIdle(unit);
    assert.equal(databag(unit)['written'], 'yes');
    assert.equal(databag(unit)['ingress-address'], '127.99.1.10');
  });

  test('related applications meet; one that is removed takes the relation along', async () => {
    const [a, b] = [world.addUnit('a'), world.addUnit('b', ['data'])];
    await world.untilIdle(a, b);
    const relation = world.addRelation('regular', [
      ['a', 'up'],
      ['b', 'down'],
    ]);
    await met(a, `up-relation-changed ${b}`);
    await met(b, `down-relation-changed ${a}`);
    await world.untilIdle(a, b);
    const before = (await world.events(a)).length;
    world.store.run(`UPDATE application SET life = 'dying', destroy_storage = 1 WHERE name = 'b'`);
    await world.until('it is gone', () => {
      return world.store.get(`SELECT 1 FROM application WHERE name = 'b'`) === undefined;
    });
    await world.untilIdle(a);
    const after = (await world.events(a)).slice(before);
    assert.deepEqual(after, [`up-relation-departed ${b}`, 'up-relation-broken']);
    assert.equal(world.store.get('SELECT 1 FROM relation WHERE id = ?', relation), undefined);
    await world.until('its storage is destroyed', () => {
      return world.store.get('SELECT 1 FROM storage') === undefined;
    });
    assert.equal(existsSync(world.layout.storageDir('data/0')), false);
  });

  test('update-status comes again and again, in the interval of the model', async () => {
    const unit = world.addUnit('a');
    await world.untilIdle(unit);
    world.store.run(`UPDATE model_config SET value = '100ms'`);
    await world.until('it came twice', async () => {
      return (await world.events(unit)).filter((event) => event === 'update-status').length >= 2;
    });
    // It is no news: the unit is as idle as before.
    const { agent_status: status, agent_message: message } = world.unit(unit) ?? {};
    assert.deepEqual([status, message], ['idle', '']);
  });

  test('juju-reboot --now ends the hook, which runs again after the boot', async () => {
    const unit = world.addUnit('a');
    await world.untilIdle(unit);
    await engine.runExec(unit, 'touch "$JUJU_CHARM_DIR/../reboot"');
    world.store.run('UPDATE machine SET boot = boot + 1');
    await world.until('it started after its reboot', async () => {
      return (await world.events(unit)).filter((event) => event === 'start').length >= 3;
    });
    await world.untilIdle(unit);
    assert.equal(existsSync(join(world.layout.agentDir(unit), 'reboot')), false);
    assert.equal(world.operation(unit), null);
  });

  test('a process of the unit can have a command run through the queue', async () => {
    const unit = world.addUnit('a');
    await world.untilIdle(unit);
    world.store.run(`INSERT INTO operation VALUES (1, '', 0)`);
    const inner = 'JUJU_DISPATCH_PATH=hooks/woken ./dispatch';
    // As a service of the unit would: outside the hook, and not waiting within its own turn.
    const call = `env -u JUJU_CONTEXT_ID setsid juju-exec ${unit} "${inner}"`;
    const command = `${call} > /dev/null 2>&1 < /dev/null &`;
    world.store.run(
      `INSERT INTO task (id, operation_id, unit, action, params, enqueued)
       VALUES (2, 1, ?, 'juju-exec', ?, 0)`,
      unit,
      JSON.stringify({ command }),
    );
    await met(unit, 'woken');
    const { status } = world.store.get('SELECT status FROM task') as { status: string };
    assert.equal(status, 'completed');
  });

  function databag(unit: string): Record<string, string> {
    const row = world.store.get<{ data: string }>('SELECT data FROM databag WHERE owner = ?', unit);
    return JSON.parse(row?.data ?? '{}') as Record<string, string>;
  }

  function met(unit: string, event: string): Promise<void> {
    return world.until(`${unit} sees ${event}`, async () => {
      return (await world.events(unit)).includes(event);
    });
  }
});
