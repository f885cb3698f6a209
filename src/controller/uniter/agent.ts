/**
 * One unit's agent: asks the resolver what comes next, carries it out, asks again; sleeps when
 * there is nothing, until the model changes or something is due.
 *
 * All it needs to go on is in the store: it may be killed at any moment. In memory are only the
 * commands of juju-exec, whose callers are gone when the controller is.
 */
import { join } from 'node:path';
import { messageOf } from '../../../lib/std/errors.ts';
import { unpackCharm } from '../runner/charm-files.ts';
import { endStale, type ProcessRecord } from '../runner/process-record.ts';
import { ToolServer } from '../tools/server.ts';
import type { ToolResult } from '../tools/session.ts';
import { ActionExecution } from './action-execution.ts';
import { setOperation } from './commit.ts';
import { HookExecution } from './hook-execution.ts';
import { lockName } from './lock-name.ts';
import { type Operation, queued } from './operation.ts';
import type { AgentPorts } from './ports.ts';
import { readUnit, type UnitView } from './read-unit.ts';
import { removeUnit } from './removal.ts';
import { nextDeadline, nextOperation } from './resolver.ts';
import { changeStanding } from './standing.ts';
import { setAgentStatus, setWorkloadStatus, workloadStatus } from './statuses.ts';
import { retryDelayMs } from './timing.ts';
import { makePlace, removePlace, unitDirs } from './unit-place.ts';
import { UnitRunner } from './unit-runner.ts';

/** A fault in the agent itself is tried again after this long. */
const FAULT_RETRY_MS = 5000;
/** What a hook of a unit that is removed by force may take. */
const FORCED_HOOK_MS = 60_000;
const LONGEST_TIMER_MS = 3_600_000;

interface Command {
  command: string;
  answer: (result: ToolResult) => void;
}

export class UnitAgent {
  readonly unit: string;
  readonly #ports: AgentPorts;
  readonly #runner: UnitRunner;
  readonly #server: ToolServer;
  readonly #commands: Command[] = [];
  #timer: NodeJS.Timeout | undefined;
  #loop: Promise<void> | undefined;
  #woken = false;
  #faultUntil = 0;
  /** Whether memory and store agree; not after a fault, of which nobody knows where it struck. */
  #settled = false;
  #stopping = false;

  constructor(unit: string, ports: AgentPorts) {
    this.unit = unit;
    this.#ports = ports;
    this.#runner = new UnitRunner(unit, ports);
    this.#server = new ToolServer(ports.layout.socket(unit), {
      session: () => this.#sessionForCall(),
      exec: (target, command) => ports.exec(unit, target, command),
      isPoweredOff: (target) => ports.isPoweredOff(target),
      broke: (tool, error) => ports.log.error(`${tool} of ${unit}: ${messageOf(error)}`),
    });
  }

  get running(): boolean {
    return this.#runner.running;
  }

  /** Looks for something to do, now or once the operation in progress has ended. */
  wake(): void {
    this.#woken = true;
    const resting = this.#ports.now() < this.#faultUntil;
    if (this.#loop !== undefined || this.#stopping || resting) return;
    this.#loop = this.#work().finally(() => {
      this.#loop = undefined;
      if (this.#woken) this.wake();
    });
  }

  /** Runs a shell command between two hooks, with the hook tools. */
  command(command: string): Promise<ToolResult> {
    const { promise, resolve } = Promise.withResolvers<ToolResult>();
    this.#commands.push({ command, answer: resolve });
    this.wake();
    return promise;
  }

  /** Ends the hook, action or command that runs. */
  interrupt(): void {
    this.#runner.kill();
  }

  /** Starts nothing new; waits for what runs, at most `graceMs`, then ends it. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const timer = setTimeout(() => this.interrupt(), graceMs);
    await this.#loop;
    clearTimeout(timer);
    this.#refuseCommands('the controller is stopping');
    await this.#server.close();
  }

  async #work(): Promise<void> {
    clearTimeout(this.#timer);
    try {
      if (!this.#settled) await this.#adopt();
      while (!this.#stopping) {
        this.#woken = false;
        if (!(await this.#turn())) return;
      }
    } catch (error) {
      this.#ports.log.error(`agent of ${this.unit}: ${messageOf(error)}`);
      this.#settled = false;
      this.#faultUntil = this.#ports.now() + FAULT_RETRY_MS;
      this.#sleepUntil(this.#faultUntil);
    }
  }

  /**
   * Settles what a dead controller, or a fault of this one, left behind: its process, its half-done
   * operation, its actions.
   */
  async #adopt(): Promise<void> {
    const { store, layout } = this.#ports;
    const row = store.get<{ process: string | null }>(
      'SELECT process FROM unit WHERE name = ?',
      this.unit,
    );
    if (row === undefined) return;
    if (row.process !== null) await endStale(JSON.parse(row.process) as ProcessRecord);
    store.tx(() => settleInterrupted(this.#ports, this.unit));
    await makePlace(layout, this.unit);
    if (!this.#server.listening) await this.#server.listen();
    this.#settled = true;
  }

  #view(): UnitView | undefined {
    const { store } = this.#ports;
    return readUnit(store, this.unit, this.#ports.now(), this.#commands.length);
  }

  /** @returns whether something was done, so that it is worth asking again at once */
  async #turn(): Promise<boolean> {
    const view = this.#view();
    if (view === undefined) return false;
    const operation = this.#next(view);
    if (operation === undefined) {
      this.#rest(view);
      return false;
    }
    const name = lockName(this.#ports.store, view, operation);
    if (name === undefined) {
      await this.#carryOut(operation, view);
      return true;
    }
    const unlock = await this.#ports.locks.acquire(name);
    try {
      // While the machine was busy the world may have moved on.
      const fresh = this.#view();
      const still = fresh === undefined ? undefined : this.#next(fresh);
      if (fresh === undefined || still === undefined || this.#stopping) return !this.#stopping;
      if (lockName(this.#ports.store, fresh, still) !== name) return true;
      await this.#carryOut(still, fresh);
    } finally {
      unlock();
    }
    return true;
  }

  #next(view: UnitView): Operation | undefined {
    if (!view.powered) {
      return view.forceRemoval && view.remote.life !== 'alive' ? { kind: 'die' } : undefined;
    }
    const { local, remote, forceRemoval } = view;
    const { operation } = local;
    // By force: whatever failed or was ended counts as done.
    if (forceRemoval && operation !== undefined && operation.attempts > 0) {
      return { kind: 'skip-hook', hook: operation.hook };
    }
    return nextOperation(local, remote, this.#ports.now());
  }

  #rest(view: UnitView): void {
    if (!view.powered) {
      this.#refuseCommands(`the machine of ${this.unit} is off`);
      return;
    }
    const { store, now } = this.#ports;
    if (view.local.operation === undefined) {
      setAgentStatus(store, this.unit, { status: 'idle', message: '' }, now());
    }
    const due = nextDeadline(view.local, view.remote);
    if (due !== undefined) this.#sleepUntil(due);
  }

  #sleepUntil(at: number): void {
    const wait = Math.min(Math.max(at - this.#ports.now(), 1), LONGEST_TIMER_MS);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), wait);
  }

  async #carryOut(operation: Operation, view: UnitView): Promise<void> {
    const { store } = this.#ports;
    switch (operation.kind) {
      case 'hook':
        return this.#hook(new HookExecution(this.#ports, this.#runner, view, operation.hook), view);
      case 'skip-hook':
        return this.#skip(operation, view);
      case 'unpack':
        return this.#unpack(view);
      case 'action':
        return new ActionExecution(this.#ports, this.#runner).run(operation.taskId);
      case 'command':
        return this.#runCommand();
      case 'die':
        return this.#die();
      default:
        store.tx(() => changeStanding(store, view, operation));
    }
  }

  async #hook(execution: HookExecution, view: UnitView): Promise<void> {
    const timer = view.forceRemoval
      ? setTimeout(() => this.interrupt(), FORCED_HOOK_MS)
      : undefined;
    await execution.run().finally(() => clearTimeout(timer));
  }

  /** Resolved, or removed by force: as if it had run. Otherwise its reason is gone: as if never. */
  #skip(operation: Operation & { kind: 'skip-hook' }, view: UnitView): void {
    const asked = view.local.operation?.resolve === 'no-retry' || view.forceRemoval;
    if (asked) new HookExecution(this.#ports, this.#runner, view, operation.hook).skip();
    else setOperation(this.#ports.store, this.unit, undefined);
  }

  async #unpack(view: UnitView): Promise<void> {
    const { store, layout } = this.#ports;
    const { charm } = view.remote;
    const first = view.local.charm === undefined;
    const kind = first ? 'install' : 'upgrade-charm';
    // An upgrade that goes on; or one that was forced, and then the hook that failed follows it.
    const hook = view.local.operation?.hook ?? { kind, name: kind };
    const attempts = view.local.operation?.attempts ?? 0;
    const state = { hook, step: 'unpacking', attempts, retryAt: 0, resolve: null } as const;
    const row = store.get<{ name: string; revision: number; sha256: string }>(
      'SELECT name, revision, sha256 FROM charm WHERE id = ?',
      charm.id,
    );
    this.#announce(first);
    setOperation(store, this.unit, state);
    try {
      await unpackCharm({
        archive: layout.charmArchive(row?.sha256 ?? ''),
        charmDir: layout.charmDir(this.unit),
        manifest: join(layout.agentDir(this.unit), 'charm-files.json'),
        url: `local:${row?.name ?? ''}-${row?.revision ?? 0}`,
      });
    } catch (error) {
      const retryAt = this.#ports.now() + retryDelayMs(attempts + 1, this.#ports.random());
      setOperation(store, this.unit, { ...state, attempts: attempts + 1, retryAt });
      const status = { status: 'failed', message: messageOf(error) };
      setAgentStatus(store, this.unit, status, this.#ports.now());
      this.#ports.log.error(`${messageOf(error)}: ${messageOf((error as Error).cause)}`);
      return;
    }
    store.tx(() => {
      store.run(
        'UPDATE unit SET charm_id = ?, charm_modified = ? WHERE name = ?',
        charm.id,
        charm.modified,
        this.unit,
      );
      setOperation(store, this.unit, first ? undefined : queued(hook));
    });
  }

  #announce(first: boolean): void {
    const { store, now } = this.#ports;
    if (first && workloadStatus(store, this.unit).message === 'waiting for machine') {
      const status = { status: 'waiting', message: 'agent initialising' };
      setWorkloadStatus(store, this.unit, status, now());
    }
  }

  async #runCommand(): Promise<void> {
    const next = this.#commands.shift();
    if (next === undefined) return;
    try {
      next.answer(await new ActionExecution(this.#ports, this.#runner).command(next.command));
    } catch (error) {
      next.answer({ code: 1, stdout: '', stderr: `ERROR ${messageOf(error)}\n` });
    }
  }

  /** In this order, so that a crash in between is finished by doing it again. */
  async #die(): Promise<void> {
    const { store, layout } = this.#ports;
    const machine = store.get<{ kind: string }>(
      'SELECT m.kind FROM machine m JOIN unit u ON u.machine_id = m.id WHERE u.name = ?',
      this.unit,
    );
    await this.#server.close();
    const dirs = unitDirs(store, layout, this.unit);
    await this.#ports.machine(machine?.kind ?? 'loopback').end(dirs);
    await removePlace(layout, this.unit);
    this.#refuseCommands(`${this.unit} is gone`);
    store.tx(() => removeUnit(store, this.unit, this.#ports.now()));
  }

  #refuseCommands(reason: string): void {
    for (const { answer } of this.#commands.splice(0)) {
      answer({ code: 1, stdout: '', stderr: `ERROR cannot run the command: ${reason}\n` });
    }
  }

  /** `juju-reboot --now` is heard when the call that made it has been answered. */
  #sessionForCall() {
    const { session } = this.#runner;
    if (session !== undefined) {
      setImmediate(() => {
        if (session.reboot() === 'now' && this.#runner.session === session) this.#runner.kill();
      });
    }
    return session;
  }
}

/** A hook that was under way has failed and runs again at once; an action is never run again. */
function settleInterrupted({ store, now }: AgentPorts, unit: string): void {
  const view = readUnit(store, unit, now());
  const operation = view?.local.operation;
  if (operation?.step === 'pending') {
    setOperation(store, unit, { ...operation, step: 'failed', retryAt: 0 });
    const message = `hook failed: "${operation.hook.name}"`;
    if (view?.powered) setAgentStatus(store, unit, { status: 'error', message }, now());
  }
  store.run('UPDATE unit SET process = NULL WHERE name = ?', unit);
  store.run(
    `UPDATE task SET status = CASE status WHEN 'aborting' THEN 'aborted' ELSE 'failed' END,
     message = 'action terminated', completed = ? WHERE unit = ?
     AND status IN ('running', 'aborting')`,
    now(),
    unit,
  );
}
