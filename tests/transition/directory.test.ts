/** The directory against a small model of its steps: histories converge, nothing secret shows. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addGroup, addUser, listUsers, removeGroup } from '../../charms/directory/src/actions.ts';
import { decide } from '../../charms/directory/src/decide.ts';
import { hashOf, slapdConfig } from '../../charms/directory/src/slapd.ts';
import type { Steps, World } from '../../charms/directory/src/world.ts';
import type { Decision } from '../../lib/charm/decision.ts';
import { readLdapData } from '../../lib/relations/ldap.ts';
import { afterWorkload } from '../support/workload.ts';

const BASE = 'dc=example,dc=org';
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';
const PASSWORD = 'made-for-the-relation';
const LOGIN = 'secret:d1f2g3h4i5j6k7l8m9n0';
const places = {
  ...{ root: '/d', config: '/d/c', ca: '/d/ca', certificate: '/d/cert', key: '/d/key' },
  ...{ socket: '/d/run/ldapi', database: '/s/database' },
};
const bare: World = {
  isLeader: true,
  address: '10.0.0.7',
  config: { baseDn: BASE, port: 1636, transport: 'ldaps' },
  places,
  missingPackages: ['slapd'],
  user: 'openldap',
  root: { uid: 0, gid: 0 },
  authority: undefined,
  relations: [{ id: 5, app: 'postgresql', ending: false, local: {}, login: undefined }],
  trusting: [{ id: 6, app: 'postgresql', ending: false, localApp: {}, localUnit: {} }],
  seededFor: undefined,
  written: undefined,
  certified: false,
  services: {},
  supervised: false,
  openPorts: [],
  held: undefined,
  failure: undefined,
  ending: 'none',
};
const nothing = { logins: {}, users: [], groups: [] };

/** What a step makes of the world; `held` follows when slapd runs. */
function after(world: World, step: Decision<Steps>): World {
  if (step.type === 'finding') return world;
  const shared = afterWorkload(world, step);
  if (shared !== undefined) {
    const next = { ...world, ...shared };
    if (step.kind === 'start-service') return { ...next, held: nothing };
    return step.kind === 'stop-service' ? { ...next, held: undefined } : next;
  }
  switch (step.kind) {
    case 'create-authority':
      return { ...world, authority: { certificate: PEM } };
    case 'write-config':
      return { ...world, written: (step.args as Steps['write-config']).text };
    case 'make-database':
      return { ...world, seededFor: (step.args as Steps['make-database']).baseDn };
    case 'issue-certificate':
      return { ...world, certified: true };
    case 'make-login': {
      const login = { id: LOGIN, password: PASSWORD };
      const logins = { 5: hashOf(PASSWORD, Buffer.from('salt')) };
      const relations = world.relations.map((relation) => ({ ...relation, login }));
      return { ...world, relations, held: { ...nothing, ...world.held, logins } };
    }
    case 'remove-login':
      return { ...world, held: { ...nothing, ...world.held, logins: {} } };
    case 'publish': {
      const local = (step.args as Steps['publish']).data as Record<string, string>;
      const merged = (each: World['relations'][number]) => ({ ...each.local, ...local });
      const relations = world.relations.map((each) => ({ ...each, local: merged(each) }));
      return { ...world, relations };
    }
    case 'tell-authority': {
      const { scope, data } = step.args as Steps['tell-authority'];
      const bag = { [scope === 'app' ? 'localApp' : 'localUnit']: data as Record<string, string> };
      return { ...world, trusting: world.trusting.map((each) => ({ ...each, ...bag })) };
    }
    default:
      throw new Error(`no effect of ${step.kind}`);
  }
}

const steps = (world: World) => decide(world).filter((each) => each.type === 'step');

/** Event after event, each cut short after `cut` steps. @returns what never changes any more */
function settle(from: World, cut = Number.POSITIVE_INFINITY): World {
  let world = from;
  for (let round = 0; round < 60; round++) {
    const plan = steps(world);
    if (plan.length === 0) return world;
    assert.doesNotMatch(JSON.stringify(plan), new RegExp(PASSWORD));
    for (const step of plan.slice(0, cut)) world = after(world, step);
  }
  throw new Error('does not settle');
}

describe('the directory', () => {
  const settled = settle(bare);

  test('runs, and tells who is related where it is and whom to trust', () => {
    assert.deepEqual(decide(settled), []);
    const reading = readLdapData(settled.relations[0]?.local ?? {});
    assert.ok(reading.state === 'complete');
    assert.deepEqual(reading.value, {
      security: 'ldaps',
      servers: [{ host: '10.0.0.7', port: 1636 }],
      baseDn: BASE,
      bindDn: `cn=relation-5,ou=services,${BASE}`,
      passwordSecret: LOGIN,
      caChain: [PEM],
    });
    assert.equal(settled.trusting[0]?.localApp['certificates'], JSON.stringify([PEM]));
    assert.equal(settled.written, slapdConfig(places, BASE, bare.root));
  });

  for (const cut of [1, 2, 3]) {
    test(`gets there also when every event dies after ${cut} steps`, () => {
      assert.deepEqual(decide(settle(bare, cut)), []);
    });
  }

  test('gives a login that slapd has forgotten, or has otherwise, anew', () => {
    const other = { 5: hashOf('another', Buffer.from('salt')) };
    for (const logins of [{}, other]) {
      const plan = steps({ ...settled, held: { ...nothing, logins } });
      assert.deepEqual(
        plan.map((each) => each.kind),
        ['make-login'],
      );
    }
  });

  test('takes the login of a relation that is gone away', () => {
    const relations = settled.relations.map((each) => ({ ...each, ending: true }));
    assert.deepEqual(
      steps({ ...settled, relations }).map((each) => each.kind),
      ['remove-login'],
    );
  });

  test('moves to StartTLS: slapd runs otherwise, and the relation says so', () => {
    const config = { ...settled.config, transport: 'starttls' };
    const moved = settle({ ...settled, config });
    assert.equal(moved.relations[0]?.local['starttls'], 'true');
    assert.match(moved.services['slapd']?.spec?.command.at(-1) ?? '', /^ldap:/);
  });

  const refused: [string, Partial<World>, RegExp][] = [
    ['a base that is none', { config: { ...bare.config, baseDn: 'o=x' } }, /base-dn/],
    ['another base than the data', { seededFor: 'dc=other' }, /dc=other, for which/],
    ['a low port', { config: { ...bare.config, port: 636 } }, /1024 to 65535/],
    ['plain text', { config: { ...bare.config, transport: 'ldap' } }, /ldaps, starttls/],
    ['a second unit', { isLeader: false }, /second, empty directory/],
  ];
  for (const [what, change, why] of refused) {
    test(`refuses ${what} and does nothing`, () => {
      const plan = decide({ ...settled, ...change });
      assert.equal(plan.length, 1);
      assert.ok(plan[0]?.type === 'finding');
      assert.match(plan[0].message, why);
    });
  }

  test('without root names the packages instead of installing them', () => {
    const plan = decide({ ...bare, root: { uid: 1000, gid: 1000 } });
    assert.match(JSON.stringify(plan), /sudo apt-get install slapd/);
  });

  test('says that slapd does not run, and why', () => {
    assert.match(JSON.stringify(decide({ ...settled, held: undefined, failure: 'bad' })), /bad/);
  });

  test('stops with its unit, and then asks for nothing', () => {
    const stopped = settle({ ...settled, ending: 'stop' });
    assert.equal(stopped.services['slapd']?.wantedUp, false);
  });
});

describe('actions of the directory', () => {
  const held = {
    logins: {},
    users: [{ name: 'alice', fullName: 'Alice' }],
    groups: [{ name: 'staff', members: ['alice'] }],
  };
  const world = { ...settle(bare), held };

  test('a user is made, and for one who exists a password', () => {
    for (const [name, exists] of [
      ['Bob', false],
      ['alice', true],
    ] as const) {
      const answer = addUser.plan(world, addUser.parse({ name }));
      assert.ok(answer.accepted);
      assert.partialDeepStrictEqual(answer.steps[0], { kind: 'set-user', args: { exists } });
    }
  });

  test('a group takes new members only, and nobody who does not exist', () => {
    const more = addGroup.plan(world, addGroup.parse({ name: 'staff', members: 'alice' }));
    assert.deepEqual(more, {
      accepted: true,
      steps: [],
      results: { group: 'staff', members: 'alice' },
    });
    const who = addGroup.plan(world, addGroup.parse({ name: 'staff', members: 'mallory,@none' }));
    assert.match(JSON.stringify(who), /there is no mallory, @none/);
  });

  test('members leave a group, which stays', () => {
    const answer = removeGroup.plan(world, removeGroup.parse({ name: 'staff', members: 'alice' }));
    assert.match(JSON.stringify(answer), /"how":"delete"/);
    assert.deepEqual(answer.accepted && answer.results, { group: 'staff', members: '' });
  });

  test('users are listed with their groups', () => {
    const answer = listUsers.plan(world, undefined);
    assert.deepEqual(answer.accepted && answer.results, {
      ...{ users: 'alice | Alice | staff', groups: 'staff: alice', total: '1' },
    });
  });

  for (const name of ['', 'a b', 'a,b', 'a=b', '(x)', 'a\nb', 'x'.repeat(64), 7]) {
    test(`${JSON.stringify(name).slice(0, 20)} is no name`, () => {
      assert.throws(() => addUser.parse({ name }), /is not a name/);
    });
  }

  test('nothing is done while slapd does not answer', () => {
    const answer = addUser.plan({ ...world, held: undefined }, { name: 'bob', fullName: 'Bob' });
    assert.partialDeepStrictEqual(answer, { accepted: false, code: 'slapd-down' });
  });
});
