/**
 * The engine: an agent for every unit, the leases, the power of the machines, and the tidying that
 * no unit does for itself. Reacts to changes of the store; whoever changes the model writes there.
 *
 * Everything it needs after a crash is in the store. Databases are children of nobody here: they
 * keep running whatever happens to the engine.
 */
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';
import { bootMarker, hasRebooted, hostIdentity } from './machines/boot.ts';
import { machineOf } from './machines/machine.ts';
import { MachineNamespaces } from './machines/namespaces.ts';
import { NETWORK_KEY } from './machines/net-plan.ts';
import { MachineNetworks } from './machines/networks.ts';
import type { EnvironmentFacts } from './runner/environment.ts';
import { MachineLocks } from './runner/machine-locks.ts';
import { runProgram } from './runner/process.ts';
import { Layout } from './state/layout.ts';
import type { Store } from './state/store.ts';
import { failed, type ToolResult } from './tools/session.ts';
import { UnitAgent } from './uniter/agent.ts';
import { keepLeases } from './uniter/leases.ts';
import type { AgentPorts } from './uniter/ports.ts';
import { sweep } from './uniter/removal.ts';
import { dropForced } from './uniter/scope.ts';
import { setAgentStatus } from './uniter/statuses.ts';
import { unitDirs } from './uniter/unit-place.ts';

/** Well below half a lease, so that a renewal is never late. */
const TICK_MS = 10_000;
const STOP_GRACE_MS = 20_000;

export interface EngineOptions {
  store: Store;
  /** Absolute path of D. */
  root: string;
  log: Log;
}

export class Engine {
  readonly #store: Store;
  readonly #layout: Layout;
  readonly #log: Log;
  readonly #agents = new Map<string, UnitAgent>();
  readonly #ports: AgentPorts;
  readonly #namespaces: MachineNamespaces;
  readonly #networks: MachineNetworks;
  readonly #ubuntu = isUbuntu();
  #unsubscribe: (() => void) | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #ticker: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor({ store, root, log }: EngineOptions) {
    this.#store = store;
    this.#layout = new Layout(root);
    this.#log = log;
    this.#namespaces = new MachineNamespaces(store, this.#layout);
    this.#networks = new MachineNetworks(store, this.#layout);
    this.#ports = {
      store,
      layout: this.#layout,
      locks: new MachineLocks(),
      log,
      now: () => Date.now(),
      random: () => Math.random(),
      runProgram,
      environment: (unit) => this.#environmentFacts(unit),
      machine: machineOf,
      entrance: (unit, directory) => this.entrance(unit, directory),
      exec: (from, unit, command) => this.#execFrom(from, unit, command),
      isPoweredOff: (unit) => this.isPoweredOff(unit),
      reboot: (machineId) => this.#reboot(machineId),
    };
  }

  /** Takes up where the last run ended. */
  async start(): Promise<void> {
    this.#noticeReboot();
    this.#unsubscribe = this.#store.onChange(() => this.wake());
    this.#ticker = setInterval(() => this.wake(), TICK_MS);
    this.#survey();
  }

  /** Lets running hooks end, at most 20 s. What runs on the machines keeps running. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#unsubscribe?.();
    clearInterval(this.#ticker);
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    await Promise.all([...this.#agents.values()].map((agent) => agent.stop(STOP_GRACE_MS)));
    this.#agents.clear();
  }

  /** Something may have changed. Many calls in one turn of the event loop are one. */
  wake(): void {
    if (this.#immediate !== undefined || this.#stopping) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#survey();
    });
  }

  /**
   * Ends every process of the machine at once and starts no agent on it until powerOn.
   *
   * @throws OperatorError `machine-not-found`
   */
  async powerOff(machineId: string): Promise<void> {
    const { kind } = this.#machineRow(machineId);
    const units = this.#unitsOn(machineId);
    const now = Date.now();
    // First the switch, so that no agent starts what is being ended.
    this.#store.tx(() => {
      this.#store.run(
        `UPDATE machine SET power = 'off', status = 'down', status_since = ? WHERE id = ?`,
        now,
        machineId,
      );
      const lost = { status: 'lost', message: 'agent is not communicating with the server' };
      for (const unit of units) setAgentStatus(this.#store, unit, lost, now);
    });
    for (const unit of units) this.#agents.get(unit)?.interrupt();
    // A computer that loses its power tells nobody: no connection of it may end in good order.
    await this.#networks.unplug(machineId);
    const dirs = units.flatMap((unit) => unitDirs(this.#store, this.#layout, unit));
    if (dirs.length > 0) await machineOf(kind).end(dirs);
    await Promise.all([this.#namespaces.end(machineId), this.#networks.end(machineId)]);
    this.#log.info(`machine ${machineId} is off`);
  }

  /** @throws OperatorError `machine-not-found` */
  async powerOn(machineId: string): Promise<void> {
    const { power } = this.#machineRow(machineId);
    if (power === 'on') return;
    this.#store.run(
      `UPDATE machine SET power = 'on', boot = boot + 1, status = 'started', status_since = ?
       WHERE id = ?`,
      Date.now(),
      machineId,
    );
    this.#log.info(`machine ${machineId} is on`);
  }

  /**
   * A pending task is cancelled, a running one ended and aborted; any other stays as it is.
   *
   * @returns whether there was something to cancel
   */
  cancelTask(taskId: number): boolean {
    return this.#store.tx(() => {
      const cancelled = this.#store.run(
        `UPDATE task SET status = 'cancelled', completed = ? WHERE id = ? AND status = 'pending'`,
        Date.now(),
        taskId,
      );
      if (cancelled > 0) return true;
      const aborting = this.#store.run(
        `UPDATE task SET status = 'aborting' WHERE id = ? AND status = 'running'`,
        taskId,
      );
      if (aborting === 0) return false;
      const task = this.#store.get<{ unit: string }>('SELECT unit FROM task WHERE id = ?', taskId);
      this.#agents.get(task?.unit ?? '')?.interrupt();
      return true;
    });
  }

  /** Words to put before a program so that it runs on the unit's machine; none: it does here. */
  async entrance(unit: string, directory: string): Promise<readonly string[]> {
    const network = await this.#networks.entrance(unit);
    return [...network, ...(await this.#namespaces.entrance(unit, directory))];
  }

  /** @throws OperatorError when this host can have no netns machines */
  prepareNetworks(): Promise<void> {
    return this.#networks.prepare();
  }

  /** Waits until addresses and cuts are as the store says. @throws OperatorError */
  refreshNetworks(): Promise<void> {
    return this.#networks.refresh();
  }

  /** Runs a shell command through the unit's queue, never beside a hook. */
  async runExec(unit: string, command: string): Promise<ToolResult> {
    const agent = this.#agents.get(unit);
    if (agent !== undefined) return agent.command(command);
    return { code: 1, stdout: '', stderr: `ERROR unit "${unit}" not found\n` };
  }

  /** Under Juju too, juju-exec reaches the units of its own machine only. */
  async #execFrom(from: string, unit: string, command: string): Promise<ToolResult> {
    const same = this.#store.get(
      `SELECT 1 FROM unit a JOIN unit b ON a.machine_id = b.machine_id
       WHERE a.name = ? AND b.name = ?`,
      from,
      unit,
    );
    if (same !== undefined) return this.runExec(unit, command);
    return { code: 1, stdout: '', stderr: `ERROR unit "${unit}" not found on this machine\n` };
  }

  /**
   * Code 0 only when the unit's machine is certainly without power. The switch alone proves
   * nothing: while powerOff is at work a server may still accept writes. An unknown unit may run
   * somewhere.
   */
  isPoweredOff(unit: string): ToolResult {
    const row = this.#store.get<{ id: string; kind: string; power: string }>(
      `SELECT m.id, m.kind, m.power FROM machine m JOIN unit u ON u.machine_id = m.id
       WHERE u.name = ?`,
      unit,
    );
    if (row === undefined) return failed(1, `unit "${unit}" not found`);
    if (row.power === 'on') return failed(1, `machine ${row.id} of ${unit} is on`);
    const dirs = this.#unitsOn(row.id).flatMap((each) => unitDirs(this.#store, this.#layout, each));
    if (machineOf(row.kind).runs(dirs)) {
      return failed(1, `machine ${row.id} of ${unit} is going off`);
    }
    return { code: 0, stdout: `machine ${row.id} of ${unit} is off\n`, stderr: '' };
  }

  #survey(): void {
    if (this.#stopping) return;
    try {
      this.#store.tx(() => {
        dropForced(this.#store, Date.now());
        sweep(this.#store);
        keepLeases(this.#store, Date.now());
      });
      this.#wakeAgents();
    } catch (error) {
      // A full disk, say. The next tick tries again; meanwhile the model can still be read.
      this.#log.error(`cannot survey the model: ${messageOf(error)}`);
    }
    void this.#namespaces.tidy().catch((error: unknown) => {
      this.#log.error(`cannot tidy namespaces: ${messageOf(error)}`);
    });
    void this.#networks.refresh().catch((error: unknown) => this.#log.error(messageOf(error)));
    void this.#destroyStorage().catch((error: unknown) => {
      this.#log.error(`cannot remove storage: ${messageOf(error)}`);
    });
  }

  #wakeAgents(): void {
    const units = new Set(
      this.#store.all<{ name: string }>('SELECT name FROM unit').map(({ name }) => name),
    );
    for (const [unit, agent] of this.#agents) {
      if (units.has(unit)) continue;
      this.#agents.delete(unit);
      void agent.stop(0).catch((error: unknown) => this.#log.error(messageOf(error)));
    }
    for (const unit of units) {
      const agent = this.#agents.get(unit) ?? new UnitAgent(unit, this.#ports);
      this.#agents.set(unit, agent);
      agent.wake();
    }
  }

  /** Instances that end and that no unit holds: their data goes, then their record. */
  async #destroyStorage(): Promise<void> {
    const rows = this.#store.all<{ id: string; location: string }>(
      `SELECT id, location FROM storage WHERE life <> 'alive' AND unit IS NULL`,
    );
    for (const { id, location } of rows) {
      // A location of the operator's own is his to empty.
      if (location === this.#layout.storageDir(id)) {
        await rm(location, { recursive: true, force: true });
      }
      this.#store.run('DELETE FROM storage WHERE id = ?', id);
    }
  }

  #noticeReboot(): void {
    const last = this.#store.meta('host-boot');
    const marker = bootMarker(this.#layout.root, process.env);
    if (hasRebooted(last, marker)) {
      this.#log.info('this host has restarted: every unit gets its start event');
      this.#store.run(`UPDATE machine SET boot = boot + 1 WHERE power = 'on'`);
    }
    this.#store.setMeta('host-boot', hostIdentity());
  }

  /** A hook's juju-reboot: what runs on the machine ends, its units get start. */
  async #reboot(machineId: string): Promise<void> {
    await this.powerOff(machineId);
    await this.powerOn(machineId);
  }

  #machineRow(id: string): { kind: string; power: string } {
    const row = this.#store.get<{ kind: string; power: string }>(
      'SELECT kind, power FROM machine WHERE id = ?',
      id,
    );
    if (row !== undefined) return row;
    throw new OperatorError({
      code: 'machine-not-found',
      message: `machine ${id} not found`,
      hint: 'see the machines with: pgcharm status',
      retry: 'never',
    });
  }

  #unitsOn(machineId: string): string[] {
    return this.#store
      .all<{ name: string }>('SELECT name FROM unit WHERE machine_id = ?', machineId)
      .map(({ name }) => name);
  }

  #environmentFacts(unit: string): EnvironmentFacts {
    const store = this.#store;
    const row = store.get<{ id: string; kind: string }>(
      'SELECT m.id, m.kind FROM unit u JOIN machine m ON m.id = u.machine_id WHERE u.name = ?',
      unit,
    );
    const network = store.meta(row?.kind === 'netns' ? NETWORK_KEY : 'subnet');
    const options = store.all<{ key: string; value: string }>(
      `SELECT key, value FROM model_config WHERE key LIKE '%proxy' OR key = 'hook-transport'`,
    );
    const settings = Object.fromEntries(options.map(({ key, value }) => [key, value]));
    return {
      unit,
      machineId: row?.id ?? '',
      model: { name: store.meta('model-name') ?? '', uuid: store.meta('model-uuid') ?? '' },
      charmDir: this.#layout.charmDir(unit),
      socket: this.#layout.socket(unit),
      toolsDir: this.#layout.toolsDir(unit),
      binDir: this.#layout.bin,
      apiAddress: `${network ?? '127.0.0'}.1:17070`,
      path: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      ubuntu: this.#ubuntu,
      proxies: settings,
      offersSocket: settings['hook-transport'] !== 'tools',
    };
  }
}

function isUbuntu(): boolean {
  try {
    return /^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}
