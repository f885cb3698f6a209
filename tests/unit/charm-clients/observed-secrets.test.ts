/** Which secrets an event looks for: all that a client can have, and few that it cannot. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { requestData, requestDataV1 } from '../../../lib/relations/postgresql-client-request.ts';
import type { Relation } from '../../../src/charm/model/snapshot.ts';
import {
  observeGrantedSecrets,
  observeRelationSecrets,
} from '../../../src/charm/observe/relations.ts';

const wish = { database: 'shop', extraUserRoles: '' };
const ID = '0123456789abcdef';
const relation = (change: Partial<Relation>): Relation => ({
  ...{ endpoint: 'database', id: 7, app: 'app', ending: false, localApp: {}, localUnit: {} },
  ...{ remoteApp: requestData(wish), units: [], ...change },
});

/** Hook tools that know every secret, and what they were asked for. */
function recording() {
  const asked: string[] = [];
  const hooks: Partial<Hooks> = {
    secretInfo: async () => ({ id: 'x', revision: 1, label: '', owner: '', rotation: '' }),
    async secretGet(secret) {
      asked.push('label' in secret ? secret.label : secret.id);
      return { some: 'content' };
    },
  };
  return { asked, hooks: hooks as Hooks };
}

describe('secrets of a client', () => {
  const cases: [what: string, relation: Relation, labels: string[]][] = [
    ['that asks for a login', relation({}), ['database.7.user.secret', 'database.7.tls.secret']],
    [
      'that asks for a group',
      relation({ remoteApp: requestData({ ...wish, entityType: 'GROUP' }) }),
      ['database.7.entity.secret', 'database.7.tls.secret'],
    ],
    [
      'of v1, and of a request that it has withdrawn',
      relation({
        remoteApp: requestDataV1(wish, ID, 'salt'),
        localApp: { requests: JSON.stringify([{ 'request-id': 'fedcba9876543210' }]) },
      }),
      [
        ...[`database.7.${ID}.user.secret`, `database.7.${ID}.tls.secret`],
        ...['user', 'tls', 'entity'].map((it) => `database.7.fedcba9876543210.${it}.secret`),
      ],
    ],
    [
      'that goes',
      relation({ ending: true, remoteApp: {} }),
      ['database.7.user.secret', 'database.7.tls.secret', 'database.7.entity.secret'],
    ],
    [
      'of v1 that goes',
      relation({ ending: true, remoteApp: requestDataV1(wish, ID, 'salt') }),
      ['user', 'tls', 'entity'].map((it) => `database.7.${ID}.${it}.secret`),
    ],
  ];
  for (const [what, related, labels] of cases) {
    test(what, async () => {
      const { asked, hooks } = recording();
      const found = await observeRelationSecrets(hooks, [related]);
      assert.deepEqual(asked, labels);
      assert.deepEqual(Object.keys(found), labels);
    });
  }
});

test('a name that a client has granted is read by the leader, and by nobody later', async () => {
  const named = relation({ remoteApp: requestData({ ...wish, entitySecret: 'secret:name' }) });
  for (const [isLeader, ending, expected] of [
    [true, false, ['secret:name']],
    [true, true, []],
    [false, false, []],
  ] as const) {
    const { asked, hooks } = recording();
    await observeGrantedSecrets(hooks, [{ ...named, ending }], isLeader);
    assert.deepEqual(asked, expected);
  }
});

test('a certificate that a client offers is read by the leader, beside the name', async () => {
  const secrets = { entitySecret: 'secret:name', certificateSecret: 'secret:cert' };
  const offering = relation({ remoteApp: requestData({ ...wish, ...secrets }) });
  for (const [isLeader, expected] of [
    [true, ['secret:name', 'secret:cert']],
    [false, []],
  ] as const) {
    const { asked, hooks } = recording();
    await observeGrantedSecrets(hooks, [offering], isLeader);
    assert.deepEqual(asked, expected);
  }
});
