/**
 * One unit, three, five, two, one, under clients that write all the time; the primary's unit and
 * the leader are among those that go. A deployment of its own: every test changes its size.
 */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { singleHosts, startWriters, type Writers } from '../../src/chaos/writers.ts';
import { charmArchive } from '../support/build.ts';
import { startDeployment } from '../support/deployment.ts';
import { accessOf } from '../support/sql.ts';

describe('scaling under load', async () => {
  const model = await startDeployment({ model: { 'update-status-hook-interval': '10s' } });
  const running: Writers[] = [];
  after(async () => {
    await Promise.all(running.map((writers) => writers.stop().catch(() => {})));
    await model.end();
  });

  const shell = async (unit: string, command: string) =>
    (await model.pgcharm(['ssh', unit, command])).stdout;
  const aUnit = async () => Object.keys(await model.units('postgresql'))[0] ?? '';
  const members = async () =>
    (await shell(await aUnit(), 'patronictl list -f json')).match(/"Member": "[^"]+"/g) ?? [];
  const voters = async () =>
    (await shell(await aUnit(), 'etcdctl member list'))
      .trim()
      .split('\n')
      .filter((line) => line.includes(', started,') && line.endsWith('false')).length;

  /** All units active, and as many members of both clusters as the design wants. */
  async function settled(units: number, wantedVoters: number): Promise<void> {
    await model.until(
      `${units} units`,
      async () =>
        Object.keys(await model.units('postgresql')).length === units ? true : undefined,
      240_000,
    );
    await model.active(['postgresql']);
    await model.until(
      `${wantedVoters} voters and ${units} members`,
      async () => {
        // While members come and go there may be nobody to answer.
        const found = await Promise.all([voters(), members()]).catch(() => undefined);
        if (found === undefined) return undefined;
        const [etcd, patroni] = found;
        return etcd === wantedVoters && patroni.length === units ? true : undefined;
      },
      240_000,
    );
  }

  async function unitWhere(test: (unit: { leader?: boolean; message: string }) => boolean) {
    const found = Object.entries(await model.units('postgresql')).find(([, unit]) =>
      test({
        ...(unit.leader === undefined ? {} : { leader: unit.leader }),
        message: unit['workload-status'].message ?? '',
      }),
    );
    if (found === undefined) throw new Error(`no such unit\n${await model.diagnosis()}`);
    return found[0];
  }
  const primaryUnit = () => unitWhere(({ message }) => message.startsWith('Primary'));

  async function underLoad(change: () => Promise<void>): Promise<void> {
    const { uris } = await accessOf(model);
    const writers = await startWriters(singleHosts(uris));
    running.push(writers);
    await change();
    const before = writers.acknowledged();
    await model.until('more rows', async () =>
      writers.acknowledged() > before + 20 ? true : undefined,
    );
    const report = await writers.stop();
    assert.deepEqual(report.lost, []);
    assert.ok(report.acknowledged > before);
  }

  test('one unit', async () => {
    const options = ['--config', 'profile=testing', '--config', 'pooler-mode=transaction'];
    await model.pgcharm(['deploy', charmArchive('postgresql'), ...options]);
    const name = ['--config', 'database-name=shop'];
    await model.pgcharm(['deploy', charmArchive('data-integrator'), ...name]);
    await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
    await model.active(['postgresql', 'data-integrator']);
    await settled(1, 1);
  });

  test('one becomes three, with three voters', () =>
    underLoad(async () => {
      await model.pgcharm('add-unit postgresql -n 2');
      await settled(3, 3);
    }));

  test('three become five, with five voters', () =>
    underLoad(async () => {
      await model.pgcharm('add-unit postgresql -n 2');
      await settled(5, 5);
    }));

  test('the primary and two more units go at once', () =>
    underLoad(async () => {
      const primary = await primaryUnit();
      const others = Object.keys(await model.units('postgresql')).filter(
        (name) => name !== primary,
      );
      await model.pgcharm(['remove-unit', '--no-prompt', primary, ...others.slice(-2)]);
      await settled(2, 1);
    }));

  test('the leader goes, and one is left', () =>
    underLoad(async () => {
      const leader = await unitWhere((unit) => unit.leader === true);
      await model.pgcharm(['remove-unit', '--no-prompt', leader]);
      await settled(1, 1);
    }));
});
