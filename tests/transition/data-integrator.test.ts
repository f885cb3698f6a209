/** Whole events of the data-integrator against a fake of the contract. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dataIntegrator } from '../../charms/data-integrator/src/charm.ts';
import { runEvent } from '../../lib/charm/dispatch.ts';
import {
  answerData,
  loginSecret,
  secretGroup,
  tlsSecret,
} from '../../lib/relations/postgresql-client.ts';
import { parseRequests, requestData } from '../../lib/relations/postgresql-client-request.ts';
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
  const asked = bags['data-integrator'] ?? {};
  const { protocol, requests } = parseRequests(asked) ?? { protocol: 'v0', requests: [] };
  const [parsed] = requests;
  if (!parsed?.ok) throw new Error('nothing has been asked for that can be granted');
  const { request } = parsed;
  const facts = {
    database: 'database' in request.resource ? 'shop' : `${request.resource.prefix}*`,
    endpoints: 'h1:6432,h2:6432',
    readOnlyEndpoints: 'h2:5432',
    version: '15.18',
    ...('prefix' in request.resource ? { prefixDatabases: ['abc_1', 'abc_2'] } : {}),
  };
  const login = { username: 'relation-3', password: 'hush' };
  state.secrets['u'] = { content: loginSecret(login, facts, request), grants: [3] };
  state.secrets['t'] = { content: tlsSecret(undefined, protocol), grants: [3] };
  const secrets = { [secretGroup(request)]: 'secret:u', tls: 'secret:t' };
  const data = answerData(protocol, asked, [{ request, facts, secrets }], []);
  bags['pg'] = Object.fromEntries(
    Object.entries(data).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

const asks = (state: FakeState) =>
  parseRequests(state.relations[0]?.bags['data-integrator'] ?? {})?.requests[0];

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
    assert.partialDeepStrictEqual(asks(state), {
      ok: true,
      request: { resource: { database: 'shop' }, entity: 'login' },
    });
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
    const asked = requestData({ database: 'shop', extraUserRoles: '' });
    Object.assign(state.relations[0]?.bags ?? {}, { 'data-integrator': asked });
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

  test('names the user that it wants, in a secret that goes when the answer is there', async () => {
    const state = related({ 'database-name': 'shop', 'requested-entity-name': 'anna' });
    await event(state, 'postgresql-relation-created');
    const [id, secret] = Object.entries(state.secrets)[0] ?? [];
    assert.deepEqual(secret?.content, { 'entity-name': 'anna' });
    assert.deepEqual(secret?.grants, [3]);
    const request = { entitySecret: `secret:${id}` };
    assert.partialDeepStrictEqual(asks(state), { ok: true, request });
    answer(state);
    await event(state, 'postgresql-relation-changed');
    assert.deepEqual(Object.keys(state.secrets).sort(), ['t', 'u']);
    assert.equal(state.status.status, 'active');
    const before = structuredClone(state);
    await event(state, 'update-status');
    assert.deepEqual(state.relations, before.relations);
  });

  test('follows where the connections come from after the grant', async () => {
    const state = related();
    await event(state, 'postgresql-relation-created');
    answer(state);
    state.config = { 'database-name': 'shop', 'external-node-connectivity': true };
    await event(state, 'config-changed');
    assert.equal(state.status.status, 'active');
    assert.partialDeepStrictEqual(asks(state), { ok: true, request: { external: true } });
  });

  const wrong: [config: FakeState['config'], message: RegExp][] = [
    [{ 'database-name': 'ab*' }, /at least 3 letters/],
    [{ 'entity-type': 'users' }, /option entity-type: allowed are USER and GROUP/],
    [{ protocol: 'v2' }, /option protocol: allowed are v0 and v1/],
    [{ 'requested-entity-name': 'operator' }, /requested-entity-name: the name is reserved/],
    [{ 'requested-entity-name': 'anna', protocol: 'v1' }, /only protocol v0/],
  ];
  for (const [config, message] of wrong) {
    test(`says what is wrong with ${JSON.stringify(config)}`, async () => {
      const state = related({ 'database-name': 'shop', ...config });
      await event(state, 'config-changed');
      assert.equal(state.status.status, 'blocked');
      assert.match(state.status.message, message);
      assert.deepEqual(state.relations[0]?.bags, {});
    });
  }

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
      'postgresql.single-host-read-only-uris': 'postgresql://relation-3:hush@h2:5432/shop',
      'postgresql.single-host-uris': 'postgresql://relation-3:hush@h1:6432/shop',
      'postgresql.tls': 'False',
      'postgresql.uris':
        'postgresql://relation-3:hush@h1:6432,h2:6432/shop?target_session_attrs=read-write',
      'postgresql.username': 'relation-3',
      'postgresql.version': '15.18',
    });
  });

  const modes: [what: string, config: FakeState['config'], results: Record<string, string>][] = [
    [
      'in protocol v1',
      { protocol: 'v1' },
      { 'postgresql.username': 'relation-3', 'postgresql.password': 'hush' },
    ],
    [
      'of a user as an entity',
      { 'entity-type': 'USER' },
      { 'postgresql.entity-name': 'relation-3', 'postgresql.entity-password': 'hush' },
    ],
    [
      'of a group, which has no password',
      { 'entity-type': 'GROUP', 'extra-group-roles': 'charmed_read' },
      { 'postgresql.entity-name': 'relation-3' },
    ],
    [
      'for a prefix',
      { 'database-name': 'abc*' },
      { 'postgresql.database': 'abc*', 'postgresql.prefix-databases': 'abc_1,abc_2' },
    ],
  ];
  for (const [what, config, results] of modes) {
    test(`answers ${what}`, async () => {
      const state = related({ 'database-name': 'shop', ...config });
      await event(state, 'postgresql-relation-created');
      answer(state);
      await event(state, 'postgresql-relation-changed');
      assert.deepEqual(state.status, { status: 'active', message: '' });
      await event(state, 'get-credentials', true);
      assert.partialDeepStrictEqual(state.action.results, results);
      assert.equal('postgresql.entity-password' in state.action.results, what.includes('user'));
    });
  }

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

describe('a certificate that data-integrator is given', () => {
  for (const protocol of ['v0', 'v1']) {
    test(`goes into a secret of ${protocol}, is replaced there, and goes again`, async () => {
      const config = { 'database-name': 'shop', protocol };
      const state = related({ ...config, 'mtls-cert': 'first' });
      const offered = () => {
        const parsed = asks(state);
        const certificate = parsed?.ok ? parsed.request.certificate : undefined;
        const uri = certificate !== undefined && 'secret' in certificate ? certificate.secret : '';
        return state.secrets[uri.replace('secret:', '')];
      };
      await event(state, 'config-changed');
      // A request is made when there is something that it can name.
      await event(state, 'update-status');
      assert.partialDeepStrictEqual(offered(), { content: { 'mtls-cert': 'first' }, grants: [3] });
      answer(state);
      state.config['mtls-cert'] = 'second';
      await event(state, 'config-changed');
      assert.deepEqual(offered()?.content, { 'mtls-cert': 'second' });
      assert.equal(state.status.status, 'active');
      delete state.config['mtls-cert'];
      await event(state, 'config-changed');
      assert.equal(offered(), undefined);
      const contents = Object.values(state.secrets).map(({ content }) => content);
      assert.ok(contents.every((content) => content['mtls-cert'] === undefined));
    });
  }
});
