/** The environment of an execution as a typed value, for each kind of event. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseHookContext, splitUnit } from '../../../lib/contract/context.ts';

const base = {
  JUJU_UNIT_NAME: 'pg-a/12',
  JUJU_DISPATCH_PATH: 'hooks/install',
  JUJU_MODEL_NAME: 'm',
  JUJU_MODEL_UUID: 'u',
  JUJU_CHARM_DIR: '/c',
};

describe('the context', () => {
  test('of a plain hook', () => {
    const context = parseHookContext(base);
    assert.partialDeepStrictEqual(context, {
      name: 'install',
      kind: 'hook',
      unit: 'pg-a/12',
      app: 'pg-a',
      unitNumber: 12,
      charmDir: '/c',
      model: { name: 'm', uuid: 'u' },
    });
    for (const absent of ['relation', 'storage', 'secret', 'action'] as const) {
      assert.equal(context[absent], undefined);
    }
    assert.ok(Object.isFrozen(context));
  });

  test('of a relation hook; empty names are absent', () => {
    const context = parseHookContext({
      ...base,
      JUJU_DISPATCH_PATH: 'hooks/db-relation-broken',
      JUJU_RELATION: 'db',
      JUJU_RELATION_ID: 'db:7',
      JUJU_REMOTE_APP: 'web',
      JUJU_REMOTE_UNIT: '',
    });
    assert.deepEqual(context.relation, {
      endpoint: 'db',
      id: 7,
      remoteApp: 'web',
      remoteUnit: undefined,
      departingUnit: undefined,
    });
  });

  test('of storage, secret and action', () => {
    const context = parseHookContext({
      ...base,
      JUJU_DISPATCH_PATH: 'actions/create-backup',
      JUJU_STORAGE_ID: 'data/0',
      JUJU_STORAGE_LOCATION: '/s',
      JUJU_SECRET_ID: 'secret:x',
      JUJU_SECRET_LABEL: 'l',
      JUJU_ACTION_NAME: 'create-backup',
      JUJU_ACTION_UUID: '12',
    });
    assert.deepEqual(context.storage, { id: 'data/0', location: '/s' });
    assert.deepEqual(context.secret, { id: 'secret:x', label: 'l', revision: undefined });
    assert.deepEqual(context.action, { name: 'create-backup', taskId: '12' });
    assert.equal(context.kind, 'action');
  });

  test('is refused outside an execution', () => {
    const { JUJU_UNIT_NAME: _, ...rest } = base;
    assert.throws(() => parseHookContext(rest), {
      code: 'not-in-a-hook',
      message: 'cannot dispatch: JUJU_UNIT_NAME is not set',
    });
  });
});

test('names of units split at the last slash', () => {
  assert.deepEqual(splitUnit('a-b/10'), ['a-b', 10]);
});
