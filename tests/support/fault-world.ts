/**
 * A cluster under writers for tests of faults: which process of a unit is which, whom to kill, and
 * what "recovered" means after any fault: every unit active, every member streaming, exactly one
 * process of each service and none besides, writers writing, no acknowledged row lost.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Found } from '../../scripts/lib/processes.mjs';
import { charmArchive } from './build.ts';
import { type Deployment, startDeployment } from './deployment.ts';
import { findProcesses, killAndWait } from './processes.ts';
import { accessOf } from './sql.ts';
import { singleHosts, startWriters, type Writers } from './writers.ts';

export type ServiceName = 'patroni' | 'etcd' | 'pgbouncer' | 'agent';

const SERVICES: readonly ServiceName[] = ['patroni', 'etcd', 'pgbouncer', 'agent'];
/** Kept down without an object store, but supervised. */
const SUPERVISED: readonly string[] = [...SERVICES, 'pgbackrest'];
const RECOVERY_MS = 180_000;

/** The processes of one unit, by what they are. */
export interface Census {
  supervisor: Found[];
  runsv: Record<string, Found[]>;
  services: Record<string, Found[]>;
  postmaster: Found[];
  /** Copies of a service that wait for its lock. */
  queued: Found[];
  /** Backends of a postmaster that is gone. */
  orphans: Found[];
}

export interface FaultOptions {
  units: number;
  /** Further options of the charm, `name=value`. */
  config?: readonly string[];
}

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
  static async start({ units, config = [] }: FaultOptions): Promise<FaultWorld> {
    const model = await startDeployment({ model: { 'update-status-hook-interval': '10s' } });
    try {
      const options = ['profile=testing', 'pooler-mode=transaction', ...config];
      const words = options.flatMap((option) => ['--config', option]);
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
    for (const [name, unit] of Object.entries(await this.model.units('postgresql'))) {
      if (unit['public-address'] === host) return name;
    }
    throw new Error(`no unit has the address ${host}`);
  }

  async machineOf(unit: string): Promise<string> {
    const found = (await this.model.units('postgresql'))[unit];
    if (found === undefined) throw new Error(`no unit ${unit}`);
    return found.machine;
  }

  async census(unit: string): Promise<Census> {
    const { 'public-address': address } = (await this.model.units('postgresql'))[unit] ?? {};
    const all = findProcesses(this.model.root);
    const base = `${this.model.root}/agents/unit-${unit.replace('/', '-')}/pg`;
    const having = (...words: string[]) =>
      all.filter(({ command }) => words.every((word) => command.includes(word)));
    const postmaster = having('bin/postgres -D ', `--listen_addresses=${address} `);
    return {
      supervisor: having('runsvdir ', `${base}/service `),
      runsv: inEach(SUPERVISED, (name) =>
        all.filter(
          ({ command, cwd }) => command === `runsv ${name}` && cwd === `${base}/service/${name}`,
        ),
      ),
      services: {
        patroni: having('/patroni ', `${base}/etc/patroni.yaml`),
        etcd: having('/etcd ', `${base}/etc/etcd.yaml`),
        pgbouncer: having('/pgbouncer ', `${base}/etc/pgbouncer.ini`),
        agent: having('src/agent/main.js', ` --dir ${base} `),
      },
      postmaster,
      queued: all.filter(
        ({ command, cwd }) => command.startsWith('chpst ') && cwd.startsWith(`${base}/service/`),
      ),
      orphans: all.filter(({ pid, command }) => command.startsWith('postgres: ') && isAlone(pid)),
    };
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
    const names = await this.unitNames();
    assert.equal(names.length, units);
    const voters = units > 2 ? units : 1;
    let last: string[] = [];
    await this.model
      .until(
        'one process of each kind',
        async () => {
          const all = await Promise.all(names.map((name) => this.census(name)));
          last = all.flatMap((each, at) => deviations(names[at] ?? '', each));
          const etcds = all.filter(({ services }) => services['etcd']?.length === 1).length;
          if (etcds !== voters) last.push(`${etcds} of ${voters} voters run`);
          return last.length === 0 ? true : undefined;
        },
        RECOVERY_MS,
      )
      .catch((error: unknown) => assert.fail(`${last.join('; ')}\n${String(error)}`));
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

function inEach<T>(names: readonly string[], make: (name: string) => T): Record<string, T> {
  return Object.fromEntries(names.map((name) => [name, make(name)]));
}

/** What of a healthy unit this one lacks or has too much of; an etcd need not be on every unit. */
function deviations(unit: string, census: Census): string[] {
  const { supervisor, postmaster, services, queued, orphans } = census;
  const { etcd = [], ...everywhere } = services;
  const runsv = Object.entries(census.runsv).map(([name, found]) => [`runsv ${name}`, found]);
  const single: Record<string, Found[]> = {
    runsvdir: supervisor,
    postmaster,
    ...everywhere,
    ...Object.fromEntries(runsv),
  };
  const counts = Object.entries(single)
    .filter(([, found]) => found.length !== 1)
    .map(([name, found]) => `${found.length} ${name}`);
  if (etcd.length > 1) counts.push(`${etcd.length} etcd`);
  const besides = [...queued, ...orphans].map(({ pid, command }) => `${pid} ${command}`);
  return [...counts, ...besides].map((finding) => `${unit}: ${finding}`);
}

/** Its parent is no postmaster: that has died. */
function isAlone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] ?? '';
    return !readFileSync(`/proc/${parent}/cmdline`, 'utf8').includes('bin/postgres\0-D');
  } catch {
    return false; // One of the two has just ended: the next look tells.
  }
}
