/** The work that clones a member: what each side looks up before, and what counts as an attempt. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { logTo } from '../../../lib/std/log.ts';
import type { WorkContext } from '../../../src/agent/work/kind.ts';
import { cloneRecordOf, recloneKind, writeCloneRecord } from '../../../src/agent/work/reclone.ts';
import type { Desired } from '../../../src/charm/model/desired.ts';
import { type ClusterMember, known } from '../../../src/charm/model/world.ts';
import { aMember, aWorld, clusterOf } from './cluster.ts';

const primary = aMember('pg-0', { role: 'primary' });
const broken = aMember('pg-1', { state: 'start failed' });

interface Place {
  context: WorkContext;
  desired: Desired;
  /** How often Patroni was asked. */
  asked: string[];
  run(): Promise<void>;
}

/** Unit pg/1, which owns the work about itself. */
async function at(
  members: ClusterMember[],
  params: Record<string, string>,
  body: (place: Place) => Promise<void>,
): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'reclone-'));
  const units = [0, 1].map((n) => ({ unit: `pg/${n}`, member: `pg-${n}`, address: `addr-${n}` }));
  const paths = { run: join(base, 'run'), dataDir: join(base, 'data/main') };
  const desired = { members: units, unit: units[1], paths } as unknown as Desired;
  const database = known({ systemIdentifier: '7' } as never);
  const asked: string[] = [];
  const context = {
    desired,
    params: { member: 'pg-1', ...params },
    log: logTo(() => undefined),
    observe: async () => aWorld({ cluster: known(clusterOf(members)), database }),
    note: async () => undefined,
    ask: (_: unknown, task: string, given: Record<string, string>) =>
      recloneKind.tasks?.[task]?.(context as unknown as WorkContext, given),
    patroni: ({ member }: { member: string }) => ({
      reinitialize: async () => void asked.push(member),
    }),
  } as unknown as WorkContext;
  const run = async () => {
    await recloneKind.check(context);
    for (const phase of recloneKind.phases) await phase.run(context);
  };
  await body({ context, desired, asked, run }).finally(() => rm(base, { recursive: true }));
}

describe('cloning a member', () => {
  test('asks its own Patroni, and counts only what nobody asked for', async () => {
    await at([primary, broken], {}, async ({ run, asked, desired }) => {
      await run();
      assert.deepEqual(asked, ['pg-1']);
      assert.deepEqual((await cloneRecordOf(desired)).attempts, []);
    });
    await at([primary, broken], { attempt: 'true' }, async ({ run, asked, desired }) => {
      await run();
      assert.deepEqual([asked.length, (await cloneRecordOf(desired)).attempts.length], [1, 1]);
    });
  });

  test('with release forgets quarantine and attempts first', () =>
    at([primary, broken], { release: 'true' }, async ({ run, asked, desired }) => {
      await writeCloneRecord(desired, { attempts: [1, 2, 3], quarantined: 'x' });
      await run();
      assert.deepEqual(await cloneRecordOf(desired), { attempts: [] });
      assert.deepEqual(asked, ['pg-1']);
    }));

  test('is refused where it may not be, and Patroni is not asked', async () => {
    const rows: [ClusterMember[], Record<string, string>, RegExp][] = [
      [[broken], {}, /no member is primary/],
      [[aMember('pg-1', { role: 'primary' })], {}, /it is the primary/],
      [[primary, broken], { member: 'pg-9' }, /no unit of the application/],
    ];
    for (const [members, params, message] of rows) {
      await at(members, params, async ({ run, asked }) => {
        await assert.rejects(run(), { code: 'reclone-refused', message });
        assert.deepEqual(asked, []);
      });
    }
  });

  test('is refused by the unit itself while data of before a restore lie there', () =>
    at([primary, broken], { attempt: 'true' }, async ({ run, asked, desired }) => {
      await mkdir(`${desired.paths.dataDir}.before-abc`, { recursive: true });
      await assert.rejects(run(), { message: /before a restore/ });
      assert.deepEqual([asked, (await cloneRecordOf(desired)).attempts], [[], []]);
    }));

  test('that has begun is not begun again by whoever takes the work over', () =>
    at([primary, { ...broken, state: 'creating replica' }], {}, async ({ context, asked }) => {
      await recloneKind.tasks?.['clone']?.(context, { attempt: 'true' });
      assert.deepEqual(asked, []);
    }));
});
