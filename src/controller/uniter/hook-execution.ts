/**
 * One hook from "chosen" to "committed", "failed" or "to be run again".
 *
 * The hook's own writes, its effects on the unit and the end of the operation are one transaction.
 */
import { mkdir } from 'node:fs/promises';
import { messageOf } from '../../../lib/std/errors.ts';
import { findProgram } from '../runner/charm-program.ts';
import type { Ended } from '../runner/process.ts';
import type { Session } from '../tools/session.ts';
import { commitHook, setOperation } from './commit.ts';
import type { HookInfo } from './hook-info.ts';
import type { OperationState } from './operation.ts';
import type { AgentPorts } from './ports.ts';
import type { UnitView } from './read-unit.ts';
import { withCurrentVersion } from './relation-resolver.ts';
import {
  executingMessage,
  setAgentStatus,
  setWorkloadStatus,
  statusBefore,
  workloadStatus,
} from './statuses.ts';
import { retryDelayMs } from './timing.ts';
import { PowerLost, type UnitRunner } from './unit-runner.ts';

const MODULE = 'juju.worker.uniter.operation';

export class HookExecution {
  readonly #ports: AgentPorts;
  readonly #runner: UnitRunner;
  readonly #view: UnitView;
  readonly #hook: HookInfo;

  /** @param view the unit as it is when the hook starts */
  constructor(ports: AgentPorts, runner: UnitRunner, view: UnitView, hook: HookInfo) {
    this.#ports = ports;
    this.#runner = runner;
    this.#view = view;
    this.#hook = withCurrentVersion(hook, view.remote);
  }

  async run(): Promise<void> {
    this.#begin();
    const session = this.#runner.newSession(this.#hook.name, { hook: this.#hook });
    let ended: Ended | undefined;
    let via = '';
    try {
      await this.#prepare();
      const charmDir = this.#ports.layout.charmDir(this.#runner.unit);
      const dispatchPath = `hooks/${this.#hook.name}`;
      const program = await findProgram(charmDir, dispatchPath);
      if (program !== undefined) {
        via = ` (via ${program.via})`;
        const { name } = this.#hook;
        ended = await this.#runner.run({ session, name, file: program.file, dispatchPath });
      }
    } catch (error) {
      session.discard();
      if (error instanceof PowerLost) this.#requeue();
      else this.#fail(via, messageOf(error));
      return;
    }
    this.#settle(session, ended, via);
    if (session.reboot() !== 'none') await this.#ports.reboot(this.#view.machineId);
  }

  /** Counts the hook as done without running it. */
  skip(): void {
    const { store } = this.#ports;
    store.tx(() => this.#commitEffects());
    this.#runner.log('INFO', MODULE, `skipped "${this.#hook.name}" hook (resolved)`);
  }

  #begin(): void {
    const { store } = this.#ports;
    const { unit } = this.#runner;
    const now = this.#ports.now();
    store.tx(() => {
      setOperation(store, unit, this.#state('pending', this.#attempts(), 0));
      if (this.#hook.kind !== 'update-status') {
        const message = executingMessage(this.#hook);
        setAgentStatus(store, unit, { status: 'executing', message }, now);
      }
      const status = statusBefore(this.#hook, workloadStatus(store, unit));
      if (status !== undefined) setWorkloadStatus(store, unit, status, now);
    });
  }

  async #prepare(): Promise<void> {
    if (this.#hook.kind !== 'storage-attached') return;
    const storage = this.#ports.store.get<{ location: string }>(
      'SELECT location FROM storage WHERE id = ?',
      this.#hook.storageId ?? '',
    );
    if (storage !== undefined) await mkdir(storage.location, { recursive: true, mode: 0o755 });
  }

  #settle(session: Session, ended: Ended | undefined, via: string): void {
    const { name } = this.#hook;
    if (ended === undefined) {
      this.#ports.store.tx(() => this.#commitEffects());
      this.#runner.log('INFO', MODULE, `skipped "${name}" hook (missing)`);
    } else if (ended.code === 0) {
      this.#commit(session, via);
    } else {
      session.discard();
      const killed = ended.signal === 'SIGKILL' || ended.signal === 'SIGTERM';
      const forced = this.#view.forceRemoval;
      if ((killed && !forced) || session.reboot() === 'now') this.#requeue();
      else this.#fail(via, endText(ended));
    }
  }

  #commit(session: Session, via: string): void {
    try {
      this.#ports.store.tx(() => {
        session.commit();
        this.#commitEffects();
      });
    } catch (error) {
      session.discard();
      this.#fail(via, messageOf(error));
      return;
    }
    this.#runner.log('INFO', MODULE, `ran "${this.#hook.name}" hook${via}`);
  }

  #commitEffects(): void {
    const { store } = this.#ports;
    const { unit } = this.#runner;
    const { hashes, boot } = this.#view.remote;
    commitHook(store, unit, this.#hook, { hashes, boot, now: this.#ports.now() });
  }

  /** Whoever ended it was not the charm: it runs again as if it had not been started. */
  #requeue(): void {
    const { store, now } = this.#ports;
    const { unit } = this.#runner;
    const attempts = this.#attempts() + 1;
    // The first time at once; then a hook that is killed again and again must not spin.
    const retryAt = attempts === 1 ? 0 : now() + retryDelayMs(attempts - 1, this.#ports.random());
    store.tx(() => {
      setOperation(store, unit, this.#state('queued', attempts, retryAt));
      store.run('UPDATE unit SET process = NULL WHERE name = ?', unit);
    });
    this.#runner.log('WARNING', MODULE, `hook "${this.#hook.name}" was terminated`);
  }

  #fail(via: string, reason: string): void {
    const { store } = this.#ports;
    const { unit } = this.#runner;
    const now = this.#ports.now();
    const attempts = this.#attempts() + 1;
    const retryAt = now + retryDelayMs(attempts, this.#ports.random());
    const { name } = this.#hook;
    store.tx(() => {
      setOperation(store, unit, this.#state('failed', attempts, retryAt));
      store.run('UPDATE unit SET process = NULL WHERE name = ?', unit);
      const message = `hook failed: "${name}"`;
      setAgentStatus(store, unit, { status: 'error', message }, now);
    });
    this.#runner.log('ERROR', MODULE, `hook "${name}"${via} failed: ${reason}`);
  }

  #attempts(): number {
    return this.#view.local.operation?.attempts ?? 0;
  }

  #state(step: OperationState['step'], attempts: number, retryAt: number): OperationState {
    return { hook: this.#hook, step, attempts, retryAt, resolve: null };
  }
}

/** How Juju words the end of a process. */
export function endText({ code, signal }: Ended): string {
  if (signal === null) return `exit status ${code}`;
  const words: Record<string, string> = { SIGKILL: 'killed', SIGTERM: 'terminated' };
  return `signal: ${words[signal] ?? signal}`;
}
