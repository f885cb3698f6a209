/**
 * Runs one execution of a unit at a time, hook, action or command: its session, its environment,
 * its process on record, its output in the log. Decides nothing about success.
 */
import { randomBytes } from 'node:crypto';
import { messageOf } from '../../../lib/std/errors.ts';
import { executionEnvironment } from '../runner/environment.ts';
import type { Ended } from '../runner/process.ts';
import { type ProcessRecord, signalGroup, startTimeOf } from '../runner/process-record.ts';
import { unitTag } from '../state/layout.ts';
import { appendLog, type LogLevel } from '../state/log-table.ts';
import { RemoteBags } from '../tools/remote-bags.ts';
import { Session } from '../tools/session.ts';
import type { HookInfo } from './hook-info.ts';
import type { AgentPorts } from './ports.ts';
import { addStorage } from './storage-add.ts';

export interface Run {
  session: Session;
  /** Last part of the log module: the hook's or action's name. */
  name: string;
  file: string;
  args?: readonly string[];
  /** Absent for commands. */
  dispatchPath?: string;
  action?: { name: string; taskId: number };
  capture?: boolean;
}

/** Nothing of the execution has run. */
export class PowerLost extends Error {
  override readonly name = 'PowerLost';
}

export class UnitRunner {
  readonly unit: string;
  readonly #ports: AgentPorts;
  readonly #remoteBags = new RemoteBags();
  #session: Session | undefined;
  #pid: number | undefined;
  /** It was to be ended before it had begun. */
  #doomed = false;

  constructor(unit: string, ports: AgentPorts) {
    this.unit = unit;
    this.#ports = ports;
  }

  /** The execution that runs now. */
  get session(): Session | undefined {
    return this.#session;
  }

  get running(): boolean {
    return this.#pid !== undefined;
  }

  /** A session under a context id of its own; hook tools reach it while run() is under way. */
  newSession(name: string, what: { hook?: HookInfo; action?: { taskId: number } }): Session {
    this.#doomed = false;
    const { store, layout } = this.#ports;
    const random = BigInt.asUintN(63, randomBytes(8).readBigUInt64BE());
    const spec = {
      contextId: `${this.unit}-${name}-${random}`,
      unit: this.unit,
      charmDir: layout.charmDir(this.unit),
      resourcesDir: layout.resourcesDir(this.unit),
      remoteBags: this.#remoteBags,
      ...what,
    };
    return new Session(store, spec, {
      log: (level, module, message) => this.log(level as LogLevel, module, message),
      addStorage: (unit, name, count) => addStorage(this.#ports, unit, name, count),
      now: () => this.#ports.now(),
    });
  }

  async run(run: Run): Promise<Ended> {
    const cwd = this.#ports.layout.charmDir(this.unit);
    const entrance = await this.#ports.entrance(this.unit, cwd);
    this.#session = run.session;
    try {
      return await this.#ports.runProgram({
        file: run.file,
        ...(run.args === undefined ? {} : { args: run.args }),
        cwd,
        entrance,
        env: this.#environment(run),
        capture: run.capture === true,
        onLine: (stream, line) =>
          this.log(
            stream === 'stdout' ? 'DEBUG' : 'WARNING',
            `unit.${this.unit}.${run.name}`,
            line,
          ),
        onSpawn: (pid) => this.#record(pid, run.session.spec.contextId),
      });
    } finally {
      this.#session = undefined;
      this.#pid = undefined;
    }
  }

  /** @throws PowerLost when the machine was switched off since the execution was chosen */
  #record(pid: number, contextId: string): void {
    const { store } = this.#ports;
    const machine = store.get<{ power: string }>(
      'SELECT m.power FROM machine m JOIN unit u ON u.machine_id = m.id WHERE u.name = ?',
      this.unit,
    );
    if (machine?.power !== 'on') throw new PowerLost(`the machine of ${this.unit} is off`);
    const record: ProcessRecord = { pid, startTime: startTimeOf(pid) ?? '', contextId };
    store.run('UPDATE unit SET process = ? WHERE name = ?', JSON.stringify(record), this.unit);
    this.#pid = pid;
    if (this.#doomed) this.kill();
  }

  /** Ends the process group that runs now, or the one that is about to, once it is there. */
  kill(): void {
    if (this.#pid === undefined) this.#doomed = true;
    else signalGroup(this.#pid, 'SIGKILL');
  }

  /** A line that cannot be kept, because the disk is full, say, is lost and ends nothing. */
  log(level: LogLevel, module: string, message: string): void {
    const line = { entity: unitTag(this.unit), level, module, message };
    try {
      appendLog(this.#ports.store, line, this.#ports.now());
    } catch (error) {
      this.#ports.log.error(`cannot keep a log line of ${this.unit}: ${messageOf(error)}`);
    }
  }

  #environment(run: Run): Record<string, string> {
    const { contextId, hook } = run.session.spec;
    const storage = this.#ports.store.get<{ location: string; kind: string }>(
      'SELECT location, kind FROM storage WHERE id = ?',
      hook?.storageId ?? '',
    );
    return executionEnvironment(this.#ports.environment(this.unit), {
      contextId,
      ...(hook === undefined ? {} : { hook }),
      ...(run.action === undefined ? {} : { action: run.action }),
      ...(run.dispatchPath === undefined ? {} : { dispatchPath: run.dispatchPath }),
      ...(storage === undefined ? {} : { storage }),
    });
  }
}
