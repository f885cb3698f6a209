/** `pgcharm chaos` before it strikes: what it lists, and what it refuses. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { chaosModel } from '../../../src/cli/chaos-model.ts';
import { chaos } from '../../../src/cli/commands/chaos.ts';
import type { StatusAnswer } from '../../../src/controller/api/documents.ts';
import type { Verb } from '../../../src/controller/api.ts';
import { anApplication, aStatus, aUnit, runCommand } from './surface.ts';

const codeOf = (error: unknown) => (error instanceof OperatorError ? error.code : error);

describe('chaos', () => {
  test('lists the faults without asking a controller', async () => {
    const { out, asked, code } = await runCommand(chaos, ['--list']);
    assert.equal(code, 0);
    assert.match(out.stdout(), /^kill-postmaster:primary +\* +PostgreSQL crashes$/m);
    assert.match(out.stdout(), /^freeze-unit:replica +all of the unit/m);
    assert.deepEqual(asked, []);
  });

  test('lists them for programs', async () => {
    const { out } = await runCommand(chaos, ['--list', '--format', 'json']);
    const entries = JSON.parse(out.stdout()) as { name: string; lasts: boolean }[];
    assert.equal(entries.find(({ name }) => name === 'power-off:primary')?.lasts, true);
  });

  test('breaks nothing that nobody has confirmed', async () => {
    const { error, asked } = await runCommand(chaos, ['--faults', 'kill-agent:primary']);
    assert.equal(codeOf(error), 'not-confirmed');
    assert.deepEqual(asked, []);
  });

  for (const [words, message] of [
    ['--repeat 0', /must be from 1 to 1000/],
    ['--writers 65', /must be from 1 to 64/],
    ['--writers some', /invalid syntax/],
    ['--hold 0', /must be longer than nothing/],
    ['--seed -1', /must be a positive integer/],
    ['--format xml', /unknown format/],
  ] as const) {
    test(`refuses ${words}`, async () => {
      const { error } = await runCommand(chaos, [...words.split(' '), '--yes']);
      assert.ok(error instanceof UsageError);
      assert.match(error.message, message);
    });
  }

  test('refuses a fault and an application that there are not', async () => {
    const none = { status: { document: aStatus({}), relations: [] } };
    const fault = await runCommand(chaos, ['--faults', 'earthquake', '--yes']);
    assert.equal(codeOf(fault.error), 'unknown-fault');
    const application = await runCommand(chaos, ['--app', 'web', '--yes'], none);
    assert.equal(codeOf(application.error), 'not-found');
  });
});

describe('a model for campaigns', () => {
  const status = aStatus({
    db: anApplication({
      relations: {
        database: [
          { 'related-application': 'client', interface: 'postgresql_client', scope: 'global' },
        ],
        peers: [{ 'related-application': 'db', interface: 'peers', scope: 'global' }],
      },
      units: { 'db/0': { ...aUnit('active', ''), leader: true }, 'db/1': aUnit('active', '') },
    }),
    client: anApplication({ units: { 'client/0': aUnit('active', '') } }),
  });
  status.storage = {
    storage: {
      'data/4': {
        kind: 'filesystem',
        status: { current: 'attached' },
        persistent: false,
        attachments: { units: { 'db/1': { machine: '1', location: '/d/storage/data/4' } } },
      },
    },
  };
  const answer: StatusAnswer = { document: status, relations: [] };
  const model = chaosModel(
    {
      call: async (verb: Verb) => {
        assert.equal(verb, 'status');
        return answer as never;
      },
      watch: async () => assert.fail('nothing is waited for'),
    },
    {},
    new AbortController().signal,
  );

  test('has units with what an operator sees of them', async () => {
    const [first, second] = await model.units('db');
    assert.partialDeepStrictEqual(first, { name: 'db/0', leader: true, settled: true });
    assert.deepEqual(second?.storage, { data: '/d/storage/data/4' });
    await assert.rejects(model.units('web'), { code: 'not-found' });
  });

  test('has those that are related, without the application itself', async () => {
    assert.deepEqual(await model.related('db'), [
      { application: 'client', interface: 'postgresql_client', units: ['client/0'] },
    ]);
  });
});
