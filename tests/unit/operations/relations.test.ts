/** integrate and remove-relation: which endpoints are meant, and Juju's words when unclear. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  ensureRelation,
  integrate,
  removeRelation,
} from '../../../src/controller/operations/relations.ts';
import { OperatorModel } from '../../support/operator-model.ts';

const charm = (endpoints: string) => ({
  metadata: `summary: s\ndescription: d\n${endpoints}`,
  units: 0,
});
const server = charm('provides: {db: sql, admin: sql, site: http}');
const client = charm('requires: {main: {interface: sql, limit: 1}, info: juju-info}');

describe('relations', () => {
  let world: OperatorModel;
  beforeEach(async () => {
    world = await OperatorModel.make();
    await world.deploy('pg', server);
    await world.deploy('web', client);
  });
  afterEach(() => world.end());

  const endpoints = () =>
    world.store
      .all<{ text: string }>(
        `SELECT application || ':' || endpoint || ' ' || role AS text FROM relation_endpoint
       ORDER BY relation_id, text`,
      )
      .map(({ text }) => text);

  describe('integrate', () => {
    test('joins the named endpoints, whichever is named first', () => {
      integrate(world.model, 'pg:db', 'web');
      assert.deepEqual(endpoints(), ['pg:db provider', 'web:main requirer']);
    });

    test('refuses to choose between two', () => {
      assert.throws(() => integrate(world.model, 'web:main', 'pg'), {
        message:
          'ambiguous relation: "web:main pg" could refer to "web:main pg:admin"; "web:main pg:db"',
      });
    });

    test('infers the only pair, and prefers declared endpoints to the implicit one', async () => {
      await world.deploy('one', charm('provides: {db: sql}'));
      integrate(world.model, 'web', 'one');
      assert.deepEqual(endpoints(), ['one:db provider', 'web:main requirer']);
    });

    test('every application provides juju-info', async () => {
      await world.deploy('bare', charm(''));
      integrate(world.model, 'web', 'bare');
      assert.deepEqual(endpoints(), ['bare:juju-info provider', 'web:info requirer']);
    });

    for (const [first, second, message] of [
      ['pg:site', 'web', 'no relations found'],
      ['pg:nope', 'web', 'application "pg" has no "nope" relation'],
      ['nope', 'web', 'application "nope" not found'],
      ['pg:db', 'pg', 'no relations found'],
    ] as const) {
      test(`${first} ${second}: ${message}`, () => {
        assert.throws(() => integrate(world.model, first, second), { message });
        assert.deepEqual(endpoints(), []);
      });
    }

    test('refuses the same relation twice, and more than an endpoint takes', async () => {
      integrate(world.model, 'pg:db', 'web');
      assert.throws(() => integrate(world.model, 'web:main', 'pg:db'), {
        message: 'cannot add relation "web:main pg:db": relation web:main pg:db already exists',
        hint: /status --relations/,
      });
      assert.throws(() => integrate(world.model, 'web:main', 'pg:admin'), {
        message:
          'establishing a new relation for web:main would exceed its maximum relation limit of 1',
      });
    });

    test('a bundle finds its relation there, also when its endpoints are not all named', () => {
      assert.equal(ensureRelation(world.model, 'pg:db', 'web'), true);
      assert.equal(ensureRelation(world.model, 'pg:db', 'web'), false);
      assert.equal(ensureRelation(world.model, 'web', 'pg'), false);
    });
  });

  describe('remove-relation', () => {
    const life = () =>
      world.store.all<{ life: string }>('SELECT life FROM relation').map((row) => row.life);

    test('ends the relation between two applications', () => {
      integrate(world.model, 'pg:db', 'web');
      removeRelation(world.model, { endpoints: ['web', 'pg'] });
      assert.deepEqual(life(), ['dying']);
    });

    test('what is on its way out can be neither added again nor taken for there', () => {
      integrate(world.model, 'pg:db', 'web');
      removeRelation(world.model, { endpoints: ['web', 'pg'] });
      const refused = { message: /^cannot add relation .* is dying, but not yet removed$/ };
      assert.throws(() => integrate(world.model, 'pg:db', 'web:main'), refused);
      assert.throws(() => ensureRelation(world.model, 'pg:db', 'web:main'), refused);
    });

    test('by force it waits a minute for its units, counted from the first time', () => {
      const forced = () =>
        world.store.get<{ at: number | null }>('SELECT forced_at AS at FROM relation')?.at;
      integrate(world.model, 'pg:db', 'web');
      removeRelation(world.model, { endpoints: ['web', 'pg'] });
      assert.equal(forced(), null);
      const model = { ...world.model, now: () => 1000 };
      removeRelation(model, { endpoints: ['web', 'pg'], force: true });
      removeRelation({ ...model, now: () => 9000 }, { endpoints: ['web', 'pg'], force: true });
      assert.deepEqual([forced(), life()], [61_000, ['dying']]);
    });

    test('takes an id, and refuses peer relations', async () => {
      integrate(world.model, 'pg:db', 'web');
      await world.deploy('crowd', charm('peers: {crew: crowd}'));
      removeRelation(world.model, { endpoints: ['0'] });
      assert.throws(
        () => removeRelation(world.model, { endpoints: ['1'] }),
        /cannot remove a peer relation/,
      );
      assert.deepEqual(life(), ['dying', 'alive']);
    });

    test('says what is not there', () => {
      assert.throws(() => removeRelation(world.model, { endpoints: ['pg', 'web'] }), {
        message: 'relation "pg web" not found',
      });
      assert.throws(() => removeRelation(world.model, { endpoints: ['pg', 'nope'] }), {
        message: 'application "nope" not found',
      });
      assert.throws(() => removeRelation(world.model, { endpoints: ['9'] }), {
        message: 'relation 9 not found',
      });
    });
  });
});
