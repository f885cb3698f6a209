/**
 * Puts the parts of one unit's agent together. Holds no logic of its own: deciding is in decide/,
 * watching in watch/, doing in pooler/, wake/, work/ and jobs/.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { poll } from '../../lib/std/clock.ts';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';
import type { Desired } from '../charm/model/desired.ts';
import { type AgentWorld, type ClusterView, known, type PeerView } from '../charm/model/world.ts';
import type { LeaveReport, LeaveRequest } from '../charm/workload/ports.ts';
import { AGENT_PORT, Clients } from './clients.ts';
import { withReplication } from './decide/cluster.ts';
import { coarse } from './decide/wake.ts';
import { DirectoryKeeper } from './directory/keeper.ts';
import { keepEtcdLeadershipAway } from './etcd-leadership.ts';
import { Facts, type Subject } from './facts.ts';
import { keepFence } from './fence/keeper.ts';
import type { Jobs, JobsContext } from './jobs-port.ts';
import { leave } from './leave.ts';
import type { Loop } from './loop.ts';
import { PoolerKeeper } from './pooler/keeper.ts';
import { keepFollowing } from './reclone.ts';
import { listener } from './server/http.ts';
import { Listening } from './server/listen.ts';
import { localRoutes } from './server/local-api.ts';
import { backupListener, metricsListener } from './server/metrics.ts';
import { peerRoutes } from './server/peer-api.ts';
import { RepositoryInfo } from './server/repository-info.ts';
import { Settings } from './settings.ts';
import { keepSlots } from './slots.ts';
import { keepSyncRecord } from './sync-record.ts';
import { TraceSender } from './traces.ts';
import { Moments } from './wake/moments.ts';
import { Waker } from './wake/waker.ts';
import { createWatches, type Watches } from './watches.ts';
import { RunContext, runTask, type TaskRequest, UnitContext } from './work/context.ts';
import { WorkEngine } from './work/engine.ts';
import { followWork } from './work/follow.ts';
import { END_TRANSACTIONS, FORCE } from './work/hold.ts';
import type { WorkKind } from './work/kind.ts';
import { WorkStore } from './work/record.ts';

/** The first observations arrive one by one: they should wake the charm once. */
const FIRST_WAKE_MS = 1500;
/** Certificates may be renewed without a change of desired.json. */
const CERTIFICATES_MS = 5000;
const PEER_TIMEOUT_MS = 2000;

export interface AgentOptions {
  /** Holds desired.json and run/. */
  dir: string;
  revision: string;
  log: Log;
  kinds: readonly WorkKind[];
  createJobs(context: JobsContext): Jobs;
}

export class Agent {
  readonly #options: AgentOptions;
  readonly #facts = new Facts();
  readonly #clients = new Clients();
  readonly #settings: Settings;
  readonly #watches: Watches;
  readonly #pooler: PoolerKeeper;
  readonly #syncRecord: Loop;
  readonly #fence: Loop;
  readonly #etcdLeadership: Loop;
  readonly #slots: Loop;
  readonly #following: Loop;
  readonly #directory: DirectoryKeeper;
  readonly #waker: Waker;
  readonly #moments = new Moments();
  readonly #store: WorkStore;
  readonly #engine: WorkEngine;
  readonly #jobs: Jobs;
  readonly #traces: TraceSender;
  readonly #servers: Record<'local' | 'peer' | 'metrics' | 'backup', Listening>;
  #certificates: NodeJS.Timeout | undefined;
  #lastCluster: ClusterView | undefined;
  #settled = false;

  constructor(options: AgentOptions) {
    const { dir, log } = options;
    this.#options = options;
    const [facts, clients] = [this.#facts, this.#clients];
    this.#settings = new Settings(dir, log, (desired) => this.#configure(desired));
    this.#store = new WorkStore(
      () => clients.etcd(),
      () => clients.desired.unit.app,
    );
    this.#engine = this.#createEngine();
    this.#pooler = new PoolerKeeper(facts, clients, log);
    this.#syncRecord = keepSyncRecord(facts, clients, log);
    this.#fence = keepFence(facts, clients, log);
    this.#etcdLeadership = keepEtcdLeadershipAway(facts, clients, log);
    this.#slots = keepSlots(facts, clients, log);
    this.#following = keepFollowing({
      facts,
      clients,
      log,
      world: () => this.world(),
      start: (params) => this.#engine.start('reclone', params),
    });
    this.#watches = createWatches(facts, clients, log, {
      workChanged: () => this.#engine.loop.nudge(),
      poolerLeadsTo: () => this.#pooler.leadsTo,
    });
    this.#directory = new DirectoryKeeper(facts, clients, log);
    this.#waker = new Waker({
      command: () => this.#settings.current?.wake.command,
      digest: () => coarse(this.world()),
      log,
    });
    this.#jobs = options.createJobs({
      dir,
      desired: () => this.#settings.current,
      world: () => this.world(),
      log,
      changed: () => facts.set('jobs', facts.now.jobs + 1),
    });
    this.#traces = new TraceSender(() => this.#settings.current?.tracing, log);
    this.#servers = this.#createServers();
    facts.onChange((subject) => this.#changed(subject));
  }

  async start(): Promise<void> {
    const { dir } = this.#options;
    this.#servers.local.ensure({ socketPath: join(dir, 'run', 'agent.sock') });
    await this.#settings.start(dir);
    this.#certificates = setInterval(() => {
      const { current } = this.#settings;
      if (current === undefined) return;
      this.#connect(current);
      if (this.#moments.passed(current.wake.at ?? [], Date.now())) this.#waker.demand();
    }, CERTIFICATES_MS);
    setTimeout(() => {
      this.#settled = true;
      this.#waker.consider();
    }, FIRST_WAKE_MS).unref();
  }

  async stop(): Promise<void> {
    this.#settings.stop();
    clearInterval(this.#certificates);
    this.#waker.stop();
    for (const server of Object.values(this.#servers)) server.stop();
    this.#jobs.close();
    // Its command may take long, and is of no use any more.
    void this.#fence.stop();
    await this.#engine.stop();
    const kept = [this.#syncRecord, this.#following, this.#etcdLeadership, this.#slots];
    await Promise.all([...kept, this.#directory.loop].map((loop) => loop.stop()));
    await Promise.all([this.#watches.stop(), this.#pooler.stop()]);
    this.#clients.close();
  }

  world(): AgentWorld {
    const { etcd, patroni, primary, local, pooler, peers, work, directory, reclone } =
      this.#facts.now;
    return {
      generation: this.#pooler.written,
      revision: this.#options.revision,
      etcd,
      cluster: withReplication(patroni, primary.known ? primary.value.replication : []),
      database: primary.known ? known(primary.value.database) : primary,
      local,
      pooler,
      peers,
      jobs: this.#jobs.list(),
      work,
      backup: this.#jobs.repository(),
      ...(directory === undefined ? {} : { directory }),
      ...(reclone === undefined ? {} : { reclone }),
      ...(this.#lastCluster === undefined ? {} : { lastCluster: this.#lastCluster }),
    };
  }

  async #observe(): Promise<AgentWorld> {
    await this.#watches.observe();
    return this.world();
  }

  /** A new desired.json, or the first. */
  #configure(desired: Desired): void {
    this.#connect(desired);
    const { address } = desired.unit;
    this.#servers.metrics.ensure({ host: address, port: desired.metrics.port });
    this.#servers.backup.ensure({ host: address, port: desired.metrics.backupPort });
    // Starting what already runs is the same as nudging it.
    this.#watches.start();
    this.#pooler.loop.start();
    this.#syncRecord.start();
    this.#fence.start();
    this.#etcdLeadership.start();
    this.#slots.start();
    this.#following.start();
    this.#directory.configure(desired);
    this.#engine.loop.start();
    this.#traces.loop.start();
  }

  /** Adapters and the peers' server, with the certificates as they are now. */
  #connect(desired: Desired): void {
    const changed = this.#clients.update(desired);
    if (changed) this.#watches.reconnect();
    const { unit, paths } = desired;
    try {
      const { ca, cert, key } = paths.tls;
      const pem = (path: string) => readFileSync(path, 'utf8');
      const tls = { ca: pem(ca), cert: pem(cert), key: pem(key) };
      this.#servers.peer.ensure({ host: unit.address, port: AGENT_PORT, tls });
    } catch (error) {
      this.#options.log.warning(`cannot serve peers yet: ${messageOf(error)}`);
    }
  }

  #changed(subject: Subject): void {
    const { patroni } = this.#facts.now;
    // What a loss of etcd would leave unknown; from then on there is nothing new to remember.
    const hasPrimary =
      patroni.known && patroni.value.members.some(({ role }) => role === 'primary');
    if (hasPrimary) this.#lastCluster = patroni.value;
    if (['patroni', 'primary', 'pulse'].includes(subject)) this.#pooler.loop.nudge();
    if (subject === 'pulse') this.#fence.nudge();
    if (subject === 'patroni') this.#slots.nudge();
    if (subject === 'etcd' || subject === 'patroni') this.#etcdLeadership.nudge();
    if (this.#settled) this.#waker.consider();
  }

  #createEngine(): WorkEngine {
    const { log, kinds } = this.#options;
    return new WorkEngine({
      store: this.#store,
      etcd: () => this.#clients.etcd(),
      kinds,
      self: () => this.#clients.desired.unit.name,
      context: (run) => new RunContext(this.#parts(), run),
      place: () => ({ desired: this.#clients.desired, log }),
      seen: (view) => this.#facts.set('work', view),
      log,
    });
  }

  #parts() {
    return {
      clients: this.#clients,
      log: this.#options.log,
      pooler: this.#pooler,
      world: () => this.world(),
      observe: () => this.#observe(),
    };
  }

  #createServers() {
    const { log } = this.#options;
    const local = localRoutes({
      world: () => this.world(),
      apply: (generation, timeoutMs) => this.#apply(generation, timeoutMs),
      wakeAfter: (ms) => this.#waker.after(ms),
      leave: (request) => this.#leave(request),
      startWork: (kind, params) => this.#engine.start(kind, params),
      followWork: (id, onLine, signal) => followWork(this.#store, id, onLine, signal),
      jobs: () => this.#jobs,
    });
    const peer = peerRoutes({
      view: () => this.#peerView(),
      pulse: () => this.#facts.now.pulse,
      wake: () => this.#waker.demand(),
      readWork: () => this.#store.read(),
      runTask: (request, signal) => this.#runTask(request, signal),
    });
    const metrics = metricsListener(
      {
        world: () => this.world(),
        console: () => this.#pooler.console(),
        wakes: () => this.#waker.counters,
      },
      log,
    );
    const repository = new RepositoryInfo(log);
    const info = async () => {
      const { current } = this.#settings;
      if (current?.backup === undefined) return 'none';
      return repository.read(current, this.#facts.now.jobs);
    };
    return {
      local: new Listening('hooks', listener(local, log), log),
      peer: new Listening('peers', listener(peer, log), log),
      metrics: new Listening('metrics', metrics, log),
      backup: new Listening('metrics of backups', backupListener(info, log), log),
    };
  }

  #peerView(): PeerView {
    const { pooler, local } = this.#facts.now;
    return {
      generation: this.#pooler.written,
      ...(pooler.known ? { poolerUsers: pooler.value.users } : {}),
      ...(local.known ? { hbaUsers: local.value.hbaUsers } : {}),
    };
  }

  async #runTask(request: TaskRequest, signal: AbortSignal): Promise<Record<string, string>> {
    const kind = this.#options.kinds.find((each) => each.kind === request.kind);
    if (kind === undefined) {
      const message = `cannot run a task of ${request.kind}: this agent does not know it`;
      throw new OperatorError({ code: 'no-such-work', message, retry: 'never' });
    }
    const context = new UnitContext(this.#parts(), signal);
    return runTask(kind, request.task, context, request.params);
  }

  async #apply(generation: number, timeoutMs: number): Promise<number> {
    await this.#settings.reload();
    this.#pooler.loop.nudge();
    // PgBouncer may not run yet; then the files are all that can be in force.
    const reached = async () => {
      const there = this.#facts.now.pooler.known ? this.#pooler.told : this.#pooler.written;
      return there >= generation ? there : undefined;
    };
    return (await poll(reached, { timeoutMs, everyMs: 25 })) ?? this.#pooler.written;
  }

  async #leave(request: LeaveRequest): Promise<LeaveReport> {
    const { unit } = this.#clients.desired;
    return leave(
      {
        self: unit.member,
        others: this.#others().length,
        observe: () => this.#observe(),
        wakePeers: () => this.#wakePeers(),
        handOver: () => this.#handOver(request.timeoutMs),
      },
      request,
    );
  }

  async #handOver(timeoutMs: number): Promise<void> {
    // The unit goes away either way, and a failover would cost its clients more.
    const params = { [END_TRANSACTIONS]: 'true', [FORCE]: 'true' };
    const id = await this.#engine.start('switchover', params);
    const signal = AbortSignal.timeout(timeoutMs);
    const ending = await followWork(this.#store, id, () => undefined, signal);
    if (ending.outcome === 'done') return;
    throw new OperatorError({ code: 'switchover-failed', message: ending.message });
  }

  #others() {
    const { members, unit } = this.#clients.desired;
    return members.filter((member) => member.unit !== unit.name);
  }

  async #wakePeers(): Promise<number> {
    const answers = await Promise.allSettled(
      this.#others().map((member) =>
        this.#clients.peers().request({
          method: 'POST',
          url: this.#clients.peerUrl(member, '/v1/wake'),
          json: {},
          timeoutMs: PEER_TIMEOUT_MS,
        }),
      ),
    );
    return answers.filter((answer) => answer.status === 'fulfilled').length;
  }
}
