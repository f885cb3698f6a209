/** Who may come from where beyond what relations ask for: networks, entries, users of SQL. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { access, accessRules, clientNetworks } from '../../src/charm/decide/access.ts';
import { desired } from '../../src/charm/decide/desired.ts';
import { patroni } from '../../src/charm/decide/patroni.ts';
import type { Desired } from '../../src/charm/model/desired.ts';
import type { Snapshot } from '../../src/charm/model/snapshot.ts';
import type { Decision, Steps } from '../../src/charm/model/steps.ts';
import { type DatabaseRole, known, type LocalView, unknown } from '../../src/charm/model/world.ts';
import { renderPooler } from '../../src/charm/workload/pgbouncer.ts';
import { optionsOf } from '../support/machine.ts';
import { UnitWorld } from '../support/world.ts';

const unit = new UnitWorld();
await unit.settle();
const settled = unit.snapshot();
const given = (config: Record<string, string>): Snapshot => ({
  ...settled,
  options: optionsOf({ ...unit.config, ...config }),
});
const role = (name: string, change: Partial<DatabaseRole> = {}): DatabaseRole => ({
  ...{ name, login: true, superuser: false, memberOf: [] },
  ...change,
});

function withRoles(world: Snapshot, roles: DatabaseRole[] | undefined): Snapshot {
  assert.ok(world.agent.known);
  const view = { systemIdentifier: '1', serverVersion: '15', databases: ['shop'] };
  const database =
    roles === undefined ? unknown('no primary') : known({ ...DATABASE, ...view, roles });
  return { ...world, agent: known({ ...world.agent.value, database }) };
}
const DATABASE = { preloaded: [], extensions: {} };

/** The text that a plan writes to a path. */
function written(plan: Decision[], path: string): string {
  for (const step of plan) {
    if (step.type !== 'step' || step.kind !== 'write-file') continue;
    const args = step.args as Steps['write-file'];
    if (args.path === path) return args.content.reveal();
  }
  throw new Error(`the plan does not write ${path}`);
}
const hbaOf = (world: Snapshot): string[] =>
  JSON.parse(written(patroni(world), world.layout.patroniConfig)).postgresql.pg_hba;
const wishOf = (world: Snapshot): Desired =>
  JSON.parse(written(desired(world), world.layout.desired));

describe('access', () => {
  test('an opened network is open to every user', () => {
    const world = given({ 'access-networks': '192.168.0.0/16' });
    assert.ok(clientNetworks(world).includes('192.168.0.0/16'));
    assert.ok(!clientNetworks(settled).includes('192.168.0.0/16'));
  });

  test('entries stand behind the own users and before all others, in both places', () => {
    const line = 'host all all 10.0.0.0/8 scram-sha-256';
    const entries = `${line}\nhost shop +staff 10.0.0.0/8 scram-sha-256`;
    const world = withRoles(given({ 'access-hba-entries': entries }), [
      role('bob', { connect: ['shop'] }),
    ]);
    const lines = hbaOf(world);
    const at = lines.indexOf(line);
    assert.match(lines[at - 1] ?? '', /^host all .*"operator".* ::\/0 reject$/);
    assert.equal(lines[at + 1], 'host "shop" +"staff" 10.0.0.0/8 scram-sha-256');
    assert.match(lines.at(-1) ?? '', /^host "shop" "bob" /);
    const wish = wishOf(world);
    assert.deepEqual(wish.pooler.entries, [line]);
    const content = { databases: [], users: [], admin: 'root' };
    const topology = { primary: undefined, readers: [] };
    const { hba } = renderPooler(wish, { ...content, topology });
    const pooled = hba.split('\n');
    assert.ok(pooled.indexOf(line) > pooled.indexOf('host pgbouncer all ::/0 reject'));
    assert.ok(pooled.indexOf(line) < pooled.findIndex((each) => each.includes('"bob"')));
  });

  test('a bad entry changes nothing, and is named', () => {
    const world = given({ 'access-hba-entries': 'host all all 10.0.0.0/8 trust' });
    assert.deepEqual(patroni(world), []);
    assert.deepEqual(desired(world), []);
  });

  test('an entry that PostgreSQL does not take is told', () => {
    assert.ok(settled.agent.known);
    const local = { role: 'primary', serverVersion: '15', pendingRestart: [], hbaUsers: [] };
    const hbaErrors = ['line 7: invalid IP mask'];
    const seen = { ...local, damagedPages: 0, hbaErrors } as LocalView;
    const agent = known({ ...settled.agent.value, local: known(seen) });
    assert.partialDeepStrictEqual(access({ ...settled, agent }), [
      {
        level: 'blocked',
        message: 'PostgreSQL keeps its former access rules: line 7: invalid IP mask',
      },
    ]);
    assert.deepEqual(access(settled), []);
  });
});

describe('users made by SQL', () => {
  const roles = [
    role('bob', { connect: ['postgres', 'shop'] }),
    role('nobody', { login: false, connect: ['shop'] }),
    role('operator', { superuser: true, connect: ['shop'] }),
    role('homeless'),
  ];

  test('may enter what they may connect to, from where clients are', () => {
    const world = withRoles(given({ 'access-networks': '192.168.0.0/16' }), roles);
    assert.deepEqual(accessRules(world), [
      {
        ...{ bySql: true, user: 'bob', databases: ['postgres', 'shop'] },
        networks: clientNetworks(world),
      },
    ]);
  });

  test('keep what they had while the primary says nothing', () => {
    const before = withRoles(settled, roles);
    const text = written(desired(before), before.layout.desired);
    const files = { ...before.files, [before.layout.desired]: text };
    const without = withRoles({ ...before, files }, undefined);
    assert.deepEqual(accessRules(without), accessRules(before));
    assert.deepEqual(accessRules(withRoles({ ...before, files }, [])), []);
  });
});
