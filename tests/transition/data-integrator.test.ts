/** Whole events of the data-integrator against a fake of the contract. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dataIntegrator } from '../../charms/data-integrator/src/charm.ts';
import { runEvent } from '../../lib/charm/dispatch.ts';
import {
  parseRequest,
  providerData,
  tlsSecret,
  userSecret,
} from '../../lib/relations/postgresql-client.ts';
import { type FakeState, fakeEvent, fakeState } from '../../lib/testing/fake-hooks.ts';

const event = (state: FakeState, name: string, action?: true) =>
  fakeEvent(state, { name, ...(action ? { action } : {}) }, (base) =>
    runEvent(dataIntegrator, base),
  );

function related(config: FakeState['config'] = { 'database-name': 'shop' }): FakeState {
  const relations = [{ endpoint: 'postgresql', id: 3, app: 'pg', bags: {} }];
  return fakeState({ unit: 'data-integrator/0', config, relations });
}

/** The provider answers as the postgresql charm does. */
function answer(state: FakeState): void {
  const bags = state.relations[0]?.bags ?? {};
  const facts = {
    database: 'shop',
    endpoints: 'h1:6432,h2:6432',
    readOnlyEndpoints: 'h2:5432',
    version: '15.18',
  };
  const login = { username: 'relation-3', password: 'hush' };
  const wants = { uris: true, readOnlyUris: true, tls: true };
  state.secrets['u'] = { content: userSecret(login, facts, wants), grants: [3] };
  state.secrets['t'] = { content: tlsSecret(undefined), grants: [3] };
  bags['pg'] = {
    ...providerData(facts, bags['data-integrator'] ?? {}),
    'secret-user': 'secret:u',
    'secret-tls': 'secret:t',
  };
}

describe('data-integrator', () => {
  test('asks the operator for a name, then for a database', async () => {
    const state = fakeState({ unit: 'data-integrator/0' });
    await event(state, 'config-changed');
    assert.deepEqual(state.status, {
      status: 'blocked',
      message: 'please specify the option database-name',
    });
    state.config = { 'database-name': 'shop' };
    await event(state, 'config-changed');
    assert.match(state.status.message, /please integrate/);
  });

  test('says what is wrong with a name before any database has to', async () => {
    const state = related({ 'database-name': 'postgres' });
    await event(state, 'config-changed');
    assert.deepEqual(state.status, {
      status: 'blocked',
      message: 'option database-name: the name is reserved',
    });
    assert.deepEqual(state.relations[0]?.bags, {});
  });

  test('asks once, waits, and is active when it has been answered', async () => {
    const state = related();
    await event(state, 'postgresql-relation-created');
    const request = parseRequest(state.relations[0]?.bags['data-integrator'] ?? {});
    assert.partialDeepStrictEqual(request, { ok: true, request: { database: 'shop' } });
    assert.deepEqual(state.status, { status: 'waiting', message: 'waiting for pg to grant shop' });
    answer(state);
    const before = structuredClone(state.relations);
    await event(state, 'postgresql-relation-changed');
    assert.deepEqual(state.status, { status: 'active', message: '' });
    assert.deepEqual(state.relations, before);
  });

  test('a unit that does not lead asks for nothing and is active all the same', async () => {
    const state = { ...related(), leader: false };
    await event(state, 'postgresql-relation-created');
    assert.deepEqual(state.relations[0]?.bags, {});
    answer(state);
    await event(state, 'postgresql-relation-changed');
    assert.equal(state.status.status, 'active');
  });

  test('does not change what was granted, and heals when the option is set back', async () => {
    const state = related();
    await event(state, 'postgresql-relation-created');
    answer(state);
    state.config = { 'database-name': 'bank', 'extra-user-roles': 'charmed_read' };
    await event(state, 'config-changed');
    assert.equal(state.status.status, 'blocked');
    assert.match(state.status.message, /^cannot change database-name, extra-user-roles while/);
    assert.equal(state.relations[0]?.bags['data-integrator']?.['database'], 'shop');
    state.config = { 'database-name': 'shop' };
    await event(state, 'config-changed');
    assert.equal(state.status.status, 'active');
  });

  test('mends a request that has not been granted', async () => {
    const state = related({ 'database-name': 'shop', 'extra-user-roles': 'superuser' });
    await event(state, 'postgresql-relation-created');
    assert.equal(state.relations[0]?.bags['data-integrator']?.['extra-user-roles'], 'superuser');
    state.config = { 'database-name': 'bank' };
    await event(state, 'config-changed');
    const bag = state.relations[0]?.bags['data-integrator'];
    assert.equal(bag?.['database'], 'bank');
    assert.equal(bag?.['extra-user-roles'], undefined);
    assert.equal(state.status.status, 'waiting');
  });

  test('when its relation ends it asks to be integrated again', async () => {
    const state = related();
    await event(state, 'postgresql-relation-created');
    answer(state);
    const relation = { endpoint: 'postgresql', id: 3 };
    await fakeEvent(state, { name: 'postgresql-relation-broken', relation }, (base) =>
      runEvent(dataIntegrator, base),
    );
    assert.match(state.status.message, /please integrate/);
  });
});

describe('get-credentials', () => {
  test('answers with everything that a client needs', async () => {
    const state = related();
    await event(state, 'postgresql-relation-created');
    answer(state);
    await event(state, 'get-credentials', true);
    assert.equal(state.action.failed, undefined);
    assert.deepEqual(state.action.results, {
      ok: 'True',
      'postgresql.data': JSON.stringify({
        database: 'shop',
        'requested-secrets': state.relations[0]?.bags['data-integrator']?.['requested-secrets'],
      }),
      'postgresql.database': 'shop',
      'postgresql.endpoints': 'h1:6432,h2:6432',
      'postgresql.password': 'hush',
      'postgresql.read-only-endpoints': 'h2:5432',
      'postgresql.read-only-uris': 'postgresql://relation-3:hush@h2:5432/shop',
      'postgresql.tls': 'False',
      'postgresql.uris': 'postgresql://relation-3:hush@h1:6432,h2:6432/shop',
      'postgresql.username': 'relation-3',
      'postgresql.version': '15.18',
    });
  });

  test('keeps the password out of the log', async () => {
    const state = related();
    await event(state, 'postgresql-relation-created');
    answer(state);
    await event(state, 'get-credentials', true);
    assert.ok(state.log.some((line) => line.includes('ask-for-database')));
    assert.ok(!state.log.join('\n').includes('hush'));
  });

  const refusals: [why: string, state: FakeState, message: RegExp][] = [
    ['no name', related({}), /database-name is not set/],
    ['no relation', { ...related(), relations: [] }, /not integrated/],
    ['no answer', related(), /pg has not granted any yet/],
  ];
  for (const [why, state, message] of refusals) {
    test(`refuses while there is ${why}`, async () => {
      await event(state, 'get-credentials', true);
      assert.match(state.action.failed ?? '', message);
      assert.deepEqual(state.action.results, {});
    });
  }
});
