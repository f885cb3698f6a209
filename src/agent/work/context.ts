/** What phases and tasks are given: the adapters, the newest facts, and the record behind them. */
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { Desired, Member } from '../../charm/model/desired.ts';
import type { AgentWorld } from '../../charm/model/world.ts';
import type { EtcdPort, PatroniPort, SqlPort } from '../../charm/workload/ports.ts';
import type { Clients } from '../clients.ts';
import type { PoolerControl } from '../pooler/pause.ts';
import type { TaskContext, WorkContext, WorkKind, WorkParams } from './kind.ts';
import { withLine } from './record.ts';
import type { Run } from './run.ts';

/** CHECKPOINT on a busy server takes its time. */
const STATEMENT_MS = 120_000;

export interface ContextParts {
  clients: Clients;
  log: Log;
  pooler: PoolerControl;
  world(): AgentWorld;
  observe(): Promise<AgentWorld>;
}

/** What one agent sends another to have a task done; see server/peer-api.ts. */
export interface TaskRequest {
  id: string;
  owner: string;
  kind: string;
  task: string;
  params: WorkParams;
}

export class UnitContext implements TaskContext {
  readonly signal: AbortSignal;
  protected readonly parts: ContextParts;

  constructor(parts: ContextParts, signal: AbortSignal) {
    this.parts = parts;
    this.signal = signal;
  }

  get desired(): Desired {
    return this.parts.clients.desired;
  }

  get etcd(): EtcdPort {
    return this.parts.clients.etcd();
  }

  get log(): Log {
    return this.parts.log;
  }

  get pooler(): PoolerControl {
    return this.parts.pooler;
  }

  patroni(member?: Member): PatroniPort {
    return this.parts.clients.patroni(member);
  }

  localSql(): Promise<SqlPort> {
    return this.parts.clients.localSql(STATEMENT_MS);
  }

  world(): AgentWorld {
    return this.parts.world();
  }

  observe(): Promise<AgentWorld> {
    return this.parts.observe();
  }

  async sleep(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.signal });
  }
}

export class RunContext extends UnitContext implements WorkContext {
  readonly #run: Run;

  constructor(parts: ContextParts, run: Run) {
    super(parts, run.signal);
    this.#run = run;
  }

  get id(): string {
    return this.#run.record().id;
  }

  get params(): WorkParams {
    return this.#run.record().params;
  }

  get memo(): Readonly<Record<string, string>> {
    return this.#run.record().memo;
  }

  remember(facts: Record<string, string>): Promise<void> {
    return this.#run.update((now) => ({ ...now, memo: { ...now.memo, ...facts } }));
  }

  note(line: string): Promise<void> {
    return this.#run.update((now) => withLine(now, line));
  }

  result(facts: Record<string, string>): Promise<void> {
    return this.#run.update((now) => ({ ...now, result: { ...now.result, ...facts } }));
  }

  async primarySql(): Promise<SqlPort> {
    const { cluster } = this.world();
    const members = cluster.known ? cluster.value.members : [];
    const primary = members.find((member) => member.role === 'primary');
    if (primary === undefined) throw noPrimary();
    return this.parts.clients.sqlAt(primary.address, STATEMENT_MS);
  }

  ask(
    member: Member,
    task: string,
    params: WorkParams,
    timeoutMs: number,
  ): Promise<Record<string, string>> {
    if (member.unit === this.desired.unit.name) {
      return runTask(this.#run.kind, task, this, params);
    }
    return askPeer({ parts: this.parts, run: this.#run, member, task, params, timeoutMs });
  }
}

interface Asking {
  parts: ContextParts;
  run: Run;
  member: Member;
  task: string;
  params: WorkParams;
  timeoutMs: number;
}

async function askPeer(asking: Asking): Promise<Record<string, string>> {
  const { parts, run, member, task, params, timeoutMs } = asking;
  const { clients } = parts;
  const { id, owner, kind } = run.record();
  const json: TaskRequest = { id, owner, kind, task, params };
  const url = clients.peerUrl(member, '/v1/task');
  const answer = await clients
    .peers()
    .request({ method: 'POST', url, json, timeoutMs })
    .catch((cause: unknown) => {
      throw cannotAsk(member, task, messageOf(cause), 'now');
    });
  const body = JSON.parse(answer.body) as Record<string, string> & { error?: { message: string } };
  if (answer.status === 200) return body;
  throw cannotAsk(member, task, body.error?.message ?? `HTTP ${answer.status}`);
}

/** @throws OperatorError `no-such-task` */
export async function runTask(
  kind: WorkKind,
  name: string,
  context: TaskContext,
  params: WorkParams,
): Promise<Record<string, string>> {
  const task = kind.tasks?.[name];
  if (task === undefined) {
    const message = `cannot run task ${name}: ${kind.kind} has none of that name`;
    throw new OperatorError({ code: 'no-such-task', message, retry: 'never' });
  }
  return (await task(context, params)) ?? {};
}

/** @param retry `now`: it has not answered at all */
function cannotAsk(
  member: Member,
  task: string,
  reason: string,
  retry: OperatorError['retry'] = 'next-event',
): OperatorError {
  return new OperatorError({
    code: 'peer-failed',
    message: `cannot have ${task} done on ${member.unit}: ${reason}`,
    retry,
  });
}

export function noPrimary(): OperatorError {
  return new OperatorError({
    code: 'no-primary',
    message: 'cannot reach the primary: the cluster has none at this moment',
    retry: 'now',
  });
}
