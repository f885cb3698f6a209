/** The resolver chain: for each state of a unit and its model, what comes next. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { nextDeadline } from '../../../src/controller/uniter/resolver.ts';
import { updateStatusDueAt } from '../../../src/controller/uniter/timing.ts';
import type { UnitLocal, UnitRemote } from '../../../src/controller/uniter/unit-state.ts';
import {
  aLocal,
  aRelation,
  aRemote,
  HASHES,
  NO_SECRETS,
  NOW,
  next,
  operation,
  seen,
} from '../../support/unit-state.ts';

const NEW = {
  installed: false,
  started: false,
  seenBoot: 0,
  charm: undefined,
  hashes: { config: undefined, trust: undefined, address: undefined },
};
const UNPACKED = { ...NEW, charm: { id: 1, modified: 0 } };
const INSTALLED = { ...UNPACKED, installed: true };
const DATA = { id: 'data/0', life: 'alive', attached: false } as const;
const due = { id: 'x', label: undefined, revision: 2 };

describe('the resolver chain', () => {
  type Case = [says: string, local: Partial<UnitLocal>, remote: Partial<UnitRemote>, next: string];
  const cases: Case[] = [
    ['nothing to do', {}, {}, '-'],
    // Start-up.
    ['a new unit gets its charm first', NEW, { storage: [DATA] }, 'unpack'],
    ['storage comes before install', UNPACKED, { storage: [DATA] }, 'data-storage-attached data/0'],
    [
      'install once storage is there',
      UNPACKED,
      { storage: [{ ...DATA, attached: true }] },
      'install',
    ],
    ['before install there is no leader', UNPACKED, { leader: true }, 'install'],
    ['before install no relation is entered', UNPACKED, { relations: [aRelation()] }, 'install'],
    [
      'created before leadership',
      INSTALLED,
      { relations: [aRelation()], leader: true },
      'enter-scope',
    ],
    [
      'entered, -created runs',
      { ...INSTALLED, relations: seen({ createdRun: false }) },
      { relations: [aRelation()], leader: true },
      'db-relation-created',
    ],
    ['leadership before config', INSTALLED, { leader: true }, 'accept-leadership'],
    [
      'secrets before config',
      INSTALLED,
      { secrets: { ...NO_SECRETS, changed: [due] } },
      'secret-changed 2',
    ],
    ['actions before config', INSTALLED, { tasks: [7, 8] }, 'action'],
    ['config before joined', INSTALLED, { relations: [] }, 'config-changed'],
    [
      'config before joined, with somebody there',
      { ...INSTALLED, relations: seen() },
      { relations: [aRelation({ members: { 'b/0': 1 } })] },
      'config-changed',
    ],
    ...['leadership', 'action', 'secret', 'storage', 'relation'].map(
      (what): Case => [
        `nothing comes between config-changed and start: no ${what}`,
        {
          ...INSTALLED,
          hashes: HASHES,
          operation: operation('start', { step: 'queued', retryAt: 0 }),
        },
        {
          leader: what === 'leadership',
          tasks: what === 'action' ? [1] : [],
          secrets: what === 'secret' ? { ...NO_SECRETS, expired: [due] } : NO_SECRETS,
          storage: what === 'storage' ? [DATA] : [],
          relations: what === 'relation' ? [aRelation()] : [],
        },
        'start',
      ],
    ),
    // Reboot.
    ['after a boot, start again', {}, { boot: 2, tasks: [1] }, 'start'],
    ['a boot before the first start is no event', INSTALLED, { boot: 2 }, 'config-changed'],
    ['a boot while a hook has failed waits', { operation: operation('stop') }, { boot: 2 }, '-'],
    ['a dying unit is not started', {}, { boot: 2, life: 'dying' }, 'stop'],
    // Leadership.
    ['lost', { leaderAccepted: true }, {}, 'resign-leadership'],
    [
      'lost while a hook has failed',
      { leaderAccepted: true, operation: operation('start') },
      {},
      'resign-leadership',
    ],
    ['kept', { leaderAccepted: true }, { leader: true }, '-'],
    [
      'gained while a hook has failed waits',
      { operation: operation('start') },
      { leader: true },
      '-',
    ],
    [
      'a dying leader resigns',
      { leaderAccepted: true },
      { leader: true, life: 'dying' },
      'resign-leadership',
    ],
    [
      'elected, but no longer leader: no hook',
      { operation: operation('leader-elected', { step: 'queued', retryAt: 0 }) },
      {},
      'skip-hook',
    ],
    // Secrets, in this order.
    [
      'expired first',
      {},
      { secrets: { expired: [due], rotate: [due], changed: [due], obsolete: [due], nextAt: 0 } },
      'secret-expired 2',
    ],
    [
      'then rotate, which names no revision',
      {},
      { secrets: { ...NO_SECRETS, rotate: [due], changed: [due], obsolete: [due] } },
      'secret-rotate',
    ],
    [
      'then changed',
      {},
      { secrets: { ...NO_SECRETS, changed: [due], obsolete: [due] } },
      'secret-changed 2',
    ],
    ['then remove', {}, { secrets: { ...NO_SECRETS, obsolete: [due] } }, 'secret-remove 2'],
    [
      'not for a dying unit',
      {},
      { secrets: { ...NO_SECRETS, expired: [due] }, life: 'dying' },
      'stop',
    ],
    // Actions and commands.
    ['an action in a hook error', { operation: operation('start') }, { tasks: [1] }, 'action'],
    ['a command in a hook error', { operation: operation('start') }, { commands: 1 }, 'command'],
    ['no action without a charm', NEW, { tasks: [1] }, 'unpack'],
    ['an action before storage', {}, { tasks: [1], storage: [DATA] }, 'action'],
    ['an action on a dying unit', {}, { tasks: [1], life: 'dying' }, 'action'],
    // Storage.
    ['new storage is attached', {}, { storage: [DATA] }, 'data-storage-attached data/0'],
    [
      'dying storage is detached',
      {},
      { storage: [{ ...DATA, life: 'dying', attached: true }] },
      'data-storage-detaching data/0',
    ],
    [
      'storage that was never attached just goes',
      {},
      { storage: [{ ...DATA, life: 'dying' }] },
      '-',
    ],
    // Failure.
    ['before its time no retry', { operation: operation('start') }, {}, '-'],
    ['in time a retry', { operation: operation('start', { retryAt: NOW }) }, {}, 'start'],
    [
      'no retry when the model forbids it',
      { operation: operation('start', { retryAt: 0 }) },
      { automaticallyRetryHooks: false },
      '-',
    ],
    [
      'resolved: at once, whatever the model says',
      { operation: operation('start', { resolve: 'retry' }) },
      { automaticallyRetryHooks: false },
      'start',
    ],
    [
      'resolved --no-retry',
      { operation: operation('start', { resolve: 'no-retry' }) },
      {},
      'skip-hook',
    ],
    [
      'a failed unit sees no change of config',
      { hashes: NEW.hashes, operation: operation('start') },
      {},
      '-',
    ],
    // Upgrade.
    ['a new charm', {}, { charm: { id: 2, modified: 1 } }, 'unpack'],
    ['the same charm again', {}, { charm: { id: 1, modified: 1 } }, 'unpack'],
    ['upgrade before config', { hashes: NEW.hashes }, { charm: { id: 2, modified: 1 } }, 'unpack'],
    [
      'an upgrade under way is continued before anything else',
      { operation: operation('upgrade-charm', { step: 'unpacking', retryAt: 0 }) },
      { leader: true, tasks: [1] },
      'unpack',
    ],
    [
      'an unpacking that failed waits',
      { operation: operation('upgrade-charm', { step: 'unpacking' }) },
      {},
      '-',
    ],
    [
      'a unit that dies before it has a charm needs none',
      { ...NEW, operation: operation('install', { step: 'unpacking' }) },
      { life: 'dying' },
      'skip-hook',
    ],
    // Configuration.
    ['options', {}, { hashes: { ...HASHES, config: 'other' } }, 'config-changed'],
    ['trust', {}, { hashes: { ...HASHES, trust: '1' } }, 'config-changed'],
    ['addresses', {}, { hashes: { ...HASHES, address: 'b' } }, 'config-changed'],
    // The way out.
    [
      'detaching comes first',
      { relations: seen({ members: { 'b/0': 1 } }) },
      {
        life: 'dying',
        storage: [{ ...DATA, attached: true }],
        relations: [aRelation({ members: { 'b/0': 1 } })],
      },
      'data-storage-detaching data/0',
    ],
    ['then stop', {}, { life: 'dying', storage: [DATA] }, 'stop'],
    ['then remove', { stopped: true }, { life: 'dying' }, 'remove'],
    ['removed', { stopped: true, removed: true }, { life: 'dying' }, 'die'],
    ['without start no stop', { started: false }, { life: 'dying' }, 'remove'],
    ['without install nothing', NEW, { life: 'dying' }, 'die'],
    [
      'an install that was to run again is not',
      { ...UNPACKED, operation: operation('install', { step: 'queued', retryAt: 0 }) },
      { life: 'dying' },
      'skip-hook',
    ],
    ['a failed hook holds a dying unit', { operation: operation('start') }, { life: 'dying' }, '-'],
  ];
  for (const [says, local, remote, expected] of cases) {
    test(says, () => assert.equal(next(local, remote), expected));
  }
});

describe('what is due', () => {
  test('update-status comes after its interval, a fifth more or less', () => {
    const at = updateStatusDueAt('a/0', NOW, 300_000);
    assert.ok(at >= NOW + 240_000 && at <= NOW + 360_000);
    assert.equal(next({}, {}, at - 1), '-');
    assert.equal(next({}, {}, at), 'update-status');
    assert.equal(next({ started: false }, {}, at), '-');
    assert.equal(nextDeadline(aLocal(), aRemote()), at);
  });

  test('a failed hook is due at its retry, unless retries are off', () => {
    const failed = aLocal({ operation: operation('start') });
    assert.equal(nextDeadline(failed, aRemote()), NOW + 1);
    assert.equal(nextDeadline(failed, aRemote({ automaticallyRetryHooks: false })), undefined);
  });

  test('a rotation may be due before update-status', () => {
    const secrets = { ...NO_SECRETS, nextAt: NOW + 5 };
    assert.equal(nextDeadline(aLocal(), aRemote({ secrets })), NOW + 5);
  });
});
