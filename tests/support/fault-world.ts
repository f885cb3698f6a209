/**
 * A cluster under writers for tests of faults, struck by the faults of `pgcharm chaos`, and what
 * "recovered" means after any of them: every unit active, every member streaming, exactly one
 * process of each kind and none besides, writers writing, no acknowledged row lost.
 */
import assert from 'node:assert/strict';
import { OperatorError } from '../../lib/std/errors.ts';
import type { Found } from '../../scripts/lib/processes.mjs';
import type { Census } from '../../src/chaos/census.ts';
import { Cluster } from '../../src/chaos/cluster.ts';
import { faults, struckUnits } from '../../src/chaos/faults.ts';
import type { Process } from '../../src/chaos/model.ts';
import { Undo } from '../../src/chaos/undo.ts';
import { singleHosts, startWriters, type Writers } from '../../src/chaos/writers.ts';
import { chaosModel } from '../../src/cli/chaos-model.ts';
import { connectApi } from '../../src/cli/client.ts';
import { ensureController } from '../../src/cli/daemon.ts';
import { charmArchive } from './build.ts';
import { deviations } from './census.ts';
import { type Deployment, startDeployment } from './deployment.ts';
import { killAndWait } from './processes.ts';
import { accessOf } from './sql.ts';

const RECOVERY_MS = 300_000;

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
  readonly cluster: Cluster;
  readonly uris: readonly string[];
  readonly writers: Writers;

  private constructor(model: Deployment, uris: readonly string[], writers: Writers) {
    this.model = model;
    this.cluster = clusterOf(model);
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
      const world = new FaultWorld(model, uris, await startWriters(uris));
      await world.#synchronous(units);
      return world;
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

  unitNames(): Promise<string[]> {
    return this.cluster.names();
  }

  /** The unit whose server accepts writes and that the others stream from. */
  primary(): Promise<string> {
    return this.#present('a primary', () => this.cluster.primary());
  }

  replicas(): Promise<string[]> {
    return this.#present('a primary', () => this.cluster.replicas());
  }

  /** The unit whose etcd leads. */
  etcdLeader(): Promise<string> {
    return this.#present('a leader of etcd', () => this.cluster.etcdLeader());
  }

  async addressOf(unit: string): Promise<string> {
    return (await this.cluster.unit(unit)).address;
  }

  /** The clients' way around the pooler, to the server at `address`. */
  directUri(address: string): string {
    const uri = new URL(this.uris[0] ?? '');
    uri.host = `${address}:5432`;
    return uri.href;
  }

  async machineOf(unit: string): Promise<string> {
    return (await this.cluster.unit(unit)).machine;
  }

  census(unit: string): Promise<Census> {
    return this.cluster.census(unit);
  }

  /** SIGKILL to all of them at once, and their end. */
  async kill(...found: readonly (readonly Found[])[]): Promise<void> {
    const victims = found.flat();
    assert.ok(victims.length >= found.length, 'a process to be killed does not run');
    await killAndWait(victims);
  }

  /**
   * Strikes with a fault of `pgcharm chaos`.
   *
   * @returns the units that it struck, and what gives back what it has taken
   */
  async strike(name: string): Promise<{ units: string[]; giveBack(): Promise<void> }> {
    const fault = faults.find((each) => each.name === name);
    assert.ok(fault !== undefined, `there is no fault ${name}`);
    const { units } = await this.#present(`a ${fault.place}`, async () => {
      return { units: await struckUnits(fault.place, this.cluster, 0) };
    });
    assert.ok(units !== undefined, `there is no ${fault.place}`);
    const undo = new Undo();
    await fault.strike({ cluster: this.cluster, undo }, units);
    return { units, giveBack: () => undo.all() };
  }

  /** A healthy cluster of `units`, and nothing lost. */
  async recovered(units: number): Promise<void> {
    await this.#until('full redundancy', () => this.cluster.missing());
    await this.model.active(['postgresql', 'data-integrator'], RECOVERY_MS);
    await this.#synchronous(units);
    const places = (await this.cluster.units()).map(({ name: unit, address }) => {
      return { unit, address };
    });
    assert.equal(places.length, units);
    const voters = units > 2 ? units : 1;
    const { root } = this.model;
    await this.#until('one process of each kind', async () => deviations(root, places, voters));
    await this.writing();
    const { lost, duplicates } = await this.writers.check();
    assert.deepEqual({ lost, duplicates }, { lost: [], duplicates: [] });
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

  /**
   * Every replica is one that Patroni would promote. Before that a primary that is lost may hold
   * rows that nobody else has, and rightly nobody takes over.
   */
  async #synchronous(units: number): Promise<void> {
    await this.#until('synchronous replicas', async () => {
      const [unit = ''] = await this.unitNames();
      const list = await this.shell(unit, 'patronictl list --format json');
      const found = list.match(/"Sync Standby"/g)?.length ?? 0;
      return found === units - 1 ? [] : [`${found} of ${units - 1} replicas are synchronous`];
    });
  }

  /** Between one and the next there is none for a moment. */
  #present<T>(what: string, ask: () => Promise<T>): Promise<T> {
    const probe = () =>
      ask().catch((error: unknown) => {
        if (error instanceof OperatorError && error.retry === 'now') return undefined;
        throw error;
      });
    return this.model.until(what, probe);
  }

  /** Until nothing is missing; a failure says what was missing last. */
  async #until(what: string, missing: () => Promise<string[]>): Promise<void> {
    let last: string[] = [];
    const probe = async () => {
      last = await missing();
      return last.length === 0 ? true : undefined;
    };
    await this.model
      .until(what, probe, RECOVERY_MS)
      .catch((error: unknown) => assert.fail(`${last.join('\n')}\n${String(error)}`));
  }
}

/** As `pgcharm chaos` sees it. */
function clusterOf({ root }: Deployment): Cluster {
  const { signal } = new AbortController();
  const socket = () => ensureController(root, () => {});
  const api = connectApi({ socket, model: undefined, signal });
  return new Cluster(chaosModel(api, process.env, signal), 'postgresql');
}

/** Number and start of each: together they name a process. */
export function identities(kinds: Record<string, readonly Process[]>): string[] {
  return Object.values(kinds)
    .flat()
    .map(({ pid, started }) => `${pid}/${started}`);
}
