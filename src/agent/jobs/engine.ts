/**
 * Jobs: processes of their own, started here, followed by whoever asks, and found again by the next
 * agent. An agent that ends leaves them alone. Also keeps the last view of the repository, which a
 * job of its own refreshes when the wish changes, when a backup has ended, and now and then.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { signal as sendSignal } from '../../../lib/machine/processes.ts';
import { systemClock } from '../../../lib/std/clock.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { readIfExists, writeAtomic } from '../../../lib/std/files.ts';
import { Turns } from '../../../lib/std/turns.ts';
import {
  type JobView,
  known,
  type Observed,
  type RepositoryView,
  unknown,
} from '../../charm/model/world.ts';
import type { Ending } from '../../charm/workload/ports.ts';
import type { Jobs, JobsContext } from '../jobs-port.ts';
import { followLog } from './follow.ts';
import { createJob, jobIds, jobPaths, readJob, removeJob } from './record.ts';
import { startProcess } from './start.ts';

export interface JobsOptions {
  /** The job's program; default: `jobs/runner` beside the agent's own entry. */
  runner?: string;
}

/** Of jobs that somebody asked for: an operator looks for last week's backup. */
const KEPT = 20;
/** Of looks at the repository, which come every few minutes. */
const KEPT_LOOKS = 5;
const BUSY_MS = 300;
const IDLE_MS = 3000;
const RECHECK_MS = 300_000;
const RETRY_MS = [2000, 5000, 15_000, 30_000, 60_000];
const CANCEL_MS = 20_000;
/** Those that change the repository or the database: one at a time. */
const EXCLUSIVE: readonly JobView['kind'][] = ['backup', 'restore'];

type Running = JobView & { pid: number | undefined };
interface Kept {
  digest: string;
  view: RepositoryView;
}

export function createJobs(context: JobsContext, options: JobsOptions = {}): Jobs {
  const directory = join(context.dir, 'jobs');
  const entry = process.argv[1] ?? '';
  const runner = options.runner ?? join(dirname(entry), 'jobs', `runner${extname(entry)}`);
  const engine = new Engine(context, directory, runner);
  engine.begin();
  return engine;
}

class Engine implements Jobs {
  readonly #context: JobsContext;
  readonly #directory: string;
  readonly #runner: string;
  #views: Running[] = [];
  #kept: Kept | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** So that the end of a job is seen exactly once. */
  readonly #refreshes = new Turns();
  /** The second to start has to see the first. */
  readonly #starts = new Turns();
  #attempted: string | undefined;
  #failures = 0;
  #checkDue = 0;

  constructor(context: JobsContext, directory: string, runner: string) {
    this.#context = context;
    this.#directory = directory;
    this.#runner = runner;
  }

  begin(): void {
    void this.#turn();
  }

  list(): JobView[] {
    return this.#views.map(({ pid: _, ...view }) => view);
  }

  async start(kind: string, params: Record<string, string>): Promise<string> {
    if (!isKind(kind)) {
      throw new OperatorError({ code: 'no-such-kind', message: `cannot start a job ${kind}` });
    }
    return this.#starts.take(() => this.#startUnlessBusy(kind, params));
  }

  async #startUnlessBusy(kind: JobView['kind'], params: Record<string, string>): Promise<string> {
    await this.#refresh();
    const other = this.#views.find(
      (view) => view.state === 'running' && EXCLUSIVE.includes(view.kind),
    );
    if (other !== undefined && EXCLUSIVE.includes(kind)) {
      throw new OperatorError({
        code: 'job-running',
        message: `cannot start a ${kind}: ${other.kind} ${other.id} is running on this unit`,
        hint: 'wait for its end, or end it with cancel-job',
      });
    }
    return this.#launch(kind, params);
  }

  async follow(id: string, onLine: (line: string) => void, signal: AbortSignal): Promise<Ending> {
    await this.#require(id);
    const isRunning = async () => (await this.#require(id)).state === 'running';
    await followLog(jobPaths(this.#directory, id).log, { onLine, isRunning, signal });
    const ended = await this.#require(id);
    if (ended.state === 'running') {
      return { outcome: 'failed', message: 'no longer followed', result: {} };
    }
    return { outcome: ended.state, message: ended.message, result: ended.result };
  }

  async cancel(id: string): Promise<void> {
    const job = await this.#require(id);
    if (job.state !== 'running' || job.pid === undefined) return;
    // The whole group: the job and the programs it runs.
    sendSignal(-job.pid, 'SIGTERM');
    const deadline = Date.now() + CANCEL_MS;
    while ((await this.#require(id)).state === 'running') {
      if (Date.now() > deadline) {
        throw new OperatorError({
          code: 'job-does-not-end',
          message: `cannot end ${id}: it still runs after ${CANCEL_MS / 1000} s`,
        });
      }
      await systemClock.sleep(100);
    }
    await this.#refresh();
  }

  repository(): Observed<RepositoryView> {
    const digest = this.#digest();
    if (digest === undefined) return unknown('no object store is related');
    if (this.#kept?.digest !== digest) return unknown('the repository is being checked');
    return known(this.#kept.view);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #launch(kind: JobView['kind'], params: Record<string, string>): Promise<string> {
    const startedAt = Date.now();
    const id = `${stamp(startedAt)}-${kind}-${randomUUID().slice(0, 4)}`;
    await createJob(this.#directory, { id, kind, params, startedAt });
    await startProcess(this.#runner, jobPaths(this.#directory, id));
    await this.#refresh();
    this.#schedule(BUSY_MS);
    return id;
  }

  #read(id: string): Promise<Running | undefined> {
    return readJob(this.#directory, id, Date.now());
  }

  async #require(id: string): Promise<Running> {
    const job = /^[\w-]+$/.test(id) ? await this.#read(id) : undefined;
    if (job !== undefined) return job;
    throw new OperatorError({ code: 'no-such-job', message: `cannot find job ${id}` });
  }

  async #turn(): Promise<void> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      this.#kept ??= await readKept(this.#directory);
      await this.#refresh();
      await this.#check();
    } catch (error) {
      this.#context.log.warning(`jobs: ${messageOf(error)}`);
    }
    this.#schedule(this.#views.some(({ state }) => state === 'running') ? BUSY_MS : IDLE_MS);
  }

  #schedule(afterMs: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#turn(), afterMs);
  }

  #refresh(): Promise<void> {
    return this.#refreshes.take(() => this.#refreshOnce());
  }

  async #refreshOnce(): Promise<void> {
    const ids = await jobIds(this.#directory);
    const seen = new Map(this.#views.map((view) => [view.id, view]));
    const read = await Promise.all(
      ids.map((id) => {
        const view = seen.get(id);
        return view !== undefined && view.state !== 'running' ? view : this.#read(id);
      }),
    );
    const views = read.filter((view) => view !== undefined);
    const before = new Map(this.#views.map((view) => [view.id, view.state]));
    this.#views = views;
    const ended = views.filter(
      (view) => view.state !== 'running' && before.get(view.id) === 'running',
    );
    for (const view of ended) await this.#ended(view);
    for (const { id } of surplusOf(views)) await removeJob(this.#directory, id);
    const started = views.some(({ id }) => !before.has(id));
    if (started || ended.length > 0) this.#context.changed();
  }

  async #ended(view: Running): Promise<void> {
    if (view.kind === 'backup' || view.kind === 'restore') this.#checkDue = 0;
    if (view.kind !== 'stanza') return;
    const text = view.result['view'];
    const digest = view.result['digest'];
    if (text === undefined || digest === undefined) {
      this.#retryLater();
      this.#context.log.warning(`check of the repository: ${view.message}`);
      return;
    }
    this.#kept = { digest, view: JSON.parse(text) };
    await writeAtomic(join(this.#directory, 'repository.json'), JSON.stringify(this.#kept));
    if (this.#kept.view.stanza === 'ok' && this.#kept.view.archiving) {
      this.#failures = 0;
      this.#checkDue = Date.now() + RECHECK_MS;
    } else {
      this.#retryLater();
    }
  }

  #retryLater(): void {
    const wait = RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)] ?? RECHECK_MS;
    this.#checkDue = Date.now() + wait;
  }

  async #check(): Promise<void> {
    const digest = this.#digest();
    if (digest === undefined) return;
    if (this.#views.some((view) => view.state === 'running')) return;
    if (digest !== this.#attempted) {
      this.#attempted = digest;
      this.#failures = 0;
      this.#checkDue = 0;
    }
    if (Date.now() < this.#checkDue) return;
    await this.#launch('stanza', { digest });
  }

  #digest(): string | undefined {
    const backup = this.#context.desired()?.backup;
    if (backup === undefined) return undefined;
    return createHash('sha256').update(JSON.stringify(backup)).digest('hex').slice(0, 16);
  }
}

/** What has ended and is too old to be kept, of views from the oldest on. */
function surplusOf(views: readonly Running[]): Running[] {
  const ended = views.filter(({ state }) => state !== 'running');
  const asked = ended.filter(({ kind }) => EXCLUSIVE.includes(kind));
  const looks = ended.filter(({ kind }) => !EXCLUSIVE.includes(kind));
  return [...asked.slice(0, -KEPT), ...looks.slice(0, -KEPT_LOOKS)];
}

async function readKept(directory: string): Promise<Kept | undefined> {
  const text = await readIfExists(join(directory, 'repository.json'));
  return text === undefined ? undefined : (JSON.parse(text) as Kept);
}

function isKind(kind: string): kind is JobView['kind'] {
  return ['backup', 'restore', 'stanza', 'list'].includes(kind);
}

function stamp(now: number): string {
  return new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
}
