/**
 * A cluster under writers for tests of faults: who is primary, whom to kill, and what "recovered"
 * means after any fault: every unit active, every member streaming, exactly one process of each
 * kind and none besides, writers writing, no acknowledged row lost.
 */
import assert from 'node:assert/strict';
import type { Found } from '../../scripts/lib/processes.mjs';
import { charmArchive } from './build.ts';
import { type Census, censusOf, deviations, queuedCopies, type UnitPlace } from './census.ts';
import { type Deployment, startDeployment } from './deployment.ts';
import { killAndWait } from './processes.ts';
import { accessOf } from './sql.ts';
import { singleHosts, startWriters, type Writers } from './writers.ts';

const RECOVERY_MS = 180_000;

export interface FaultOptions {
  units: number;
  /** Further options of the charm, `name=value`. */
  config?: readonly string[];
  /** Machines with a network of their own. The writers, on the host, are let in by address. */
  ownNetworks?: boolean;
}

/** Of 10.64.0.0/10 the machines have one part, and in it the host its address. */
const OWN_NETWORKS = ['access-networks=10.64.0.0/10'];

export class FaultWorld {
  readonly model: Deployment;
  readonly uris: readonly string[];
  readonly writers: Writers;

  private constructor(model: Deployment, uris: readonly string[], writers: Writers) {
    this.model = model;
    this.uris = uris;
    this.writers = writers;
  }

  /** Deploys, waits until everything is active, and starts the writers. */
  static async start(wanted: FaultOptions): Promise<FaultWorld> {
    const { units, config = [], ownNetworks = false } = wanted;
    const model = await startDeployment({ model: { 'update-status-hook-interval': '10s' } });
    try {
      const access = ownNetworks ? OWN_NETWORKS : [];
      const options = ['profile=testing', 'pooler-mode=transaction', ...access, ...config];
      const words = options.flatMap((option) => ['--config', option]);
      if (ownNetworks) words.push('--machine', 'netns');
      await model.pgcharm(['deploy', charmArchive('postgresql'), '-n', String(units), ...words]);
      const name = ['--config', 'database-name=shop'];
      await model.pgcharm(['deploy', charmArchive('data-integrator'), ...name]);
      await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
      await model.active(['postgresql', 'data-integrator']);
      const uris = singleHosts((await accessOf(model)).uris);
      return new FaultWorld(model, uris, await startWriters(uris));
    } catch (error) {
      await model.end();
      throw error;
    }
  }

  async end(): Promise<void> {
    // The cluster may be beyond writing to; what was lost has been asked before.
    this.writers.abandon();
    await this.model.end();
  }

  async shell(unit: string, command: string): Promise<string> {
    return (await this.model.pgcharm(['ssh', unit, command], { mayFail: true })).stdout.trim();
  }

  async unitNames(): Promise<string[]> {
    return Object.keys(await this.model.units('postgresql'));
  }

  /** The unit whose server accepts writes and that the others stream from. */
  async primary(): Promise<string> {
    const names = await this.unitNames();
    const streaming = await Promise.all(names.map((name) => this.#replicas(name)));
    const found = names.filter((_, at) => streaming[at] !== undefined);
    assert.equal(found.length, 1, `primaries: ${found.join(', ')}`);
    return found[0] ?? '';
  }

  async replicas(): Promise<string[]> {
    const primary = await this.primary();
    return (await this.unitNames()).filter((name) => name !== primary);
  }

  /** The unit whose etcd leads. */
  async etcdLeader(): Promise<string> {
    const [asked = ''] = await this.unitNames();
    const lines = (await this.shell(asked, 'etcdctl endpoint status --cluster')).split('\n');
    const leader = lines.map((line) => line.split(', ')).find((fields) => fields[4] === 'true');
    const host = new URL(leader?.[0] ?? '').hostname;
    const place = (await this.#places()).find(({ address }) => address === host);
    if (place === undefined) throw new Error(`no unit has the address ${host}`);
    return place.unit;
  }

  async addressOf(unit: string): Promise<string> {
    return (await this.#place(unit)).address;
  }

  /** The clients' way around the pooler, to the server at `address`. */
  directUri(address: string): string {
    const uri = new URL(this.uris[0] ?? '');
    uri.host = `${address}:5432`;
    return uri.href;
  }

  async machineOf(unit: string): Promise<string> {
    const found = (await this.model.units('postgresql'))[unit];
    if (found === undefined) throw new Error(`no unit ${unit}`);
    return found.machine;
  }

  async census(unit: string): Promise<Census> {
    return censusOf(this.model.root, await this.#place(unit));
  }

  async queued(unit: string): Promise<Found[]> {
    return queuedCopies(this.model.root, await this.#place(unit));
  }

  /** SIGKILL to all of them at once, and their end. */
  async kill(...found: readonly (readonly Found[])[]): Promise<void> {
    const victims = found.flat();
    assert.ok(victims.length >= found.length, 'a process to be killed does not run');
    await killAndWait(victims);
  }

  /** A healthy cluster of `units`, and nothing lost. */
  async recovered(units: number): Promise<void> {
    await this.model.until(
      `${units} members stream`,
      async () => ((await this.#streaming()) === units - 1 ? true : undefined),
      RECOVERY_MS,
    );
    await this.model.active(['postgresql', 'data-integrator'], RECOVERY_MS);
    const places = await this.#places();
    assert.equal(places.length, units);
    const voters = units > 2 ? units : 1;
    let last: string[] = [];
    const probe = async () => {
      last = deviations(this.model.root, places, voters);
      return last.length === 0 ? true : undefined;
    };
    await this.model
      .until('one process of each kind', probe, RECOVERY_MS)
      .catch((error: unknown) => assert.fail(`${last.join('\n')}\n${String(error)}`));
    await this.writing();
    assert.deepEqual((await this.writers.check()).lost, []);
  }

  /** Rows are being acknowledged again. */
  async writing(timeoutMs = RECOVERY_MS): Promise<void> {
    const before = this.writers.acknowledged();
    await this.model.until(
      'writers write',
      async () => (this.writers.acknowledged() > before + 20 ? true : undefined),
      timeoutMs,
    );
  }

  async #places(): Promise<UnitPlace[]> {
    const units = Object.entries(await this.model.units('postgresql'));
    return units.map(([unit, { 'public-address': address }]) => ({ unit, address }));
  }

  async #place(unit: string): Promise<UnitPlace> {
    const place = (await this.#places()).find((each) => each.unit === unit);
    if (place === undefined) throw new Error(`no unit ${unit}`);
    return place;
  }

  async #streaming(): Promise<number> {
    const names = await this.unitNames();
    const counts = await Promise.all(names.map((name) => this.#replicas(name)));
    const known = counts.filter((count) => count !== undefined);
    return known.length === 1 ? (known[0] ?? 0) : 0;
  }

  /** How many replicas stream from this unit; undefined when it is no primary. */
  async #replicas(unit: string): Promise<number | undefined> {
    const query = `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'
       AND application_name LIKE 'postgresql-%' HAVING NOT pg_is_in_recovery()`;
    const answer = await this.shell(unit, `psql -At -c "${query.replaceAll(/\s+/g, ' ')}"`);
    return answer === '' ? undefined : Number(answer);
  }
}
