/**
 * Keeps PgBouncer's three files and its running state true to what is wished and where the primary
 * is. The only writer of those files and the only user of the admin console.
 *
 * What is not known is left as it is on disk, so that an agent that has just started never takes a
 * route away that works.
 */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { poll } from '../../../lib/std/clock.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { readIfExists, writeAtomic } from '../../../lib/std/files.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { Desired } from '../../charm/model/desired.ts';
import { known, type PoolerView, unknown } from '../../charm/model/world.ts';
import {
  createPoolerAdmin,
  type PoolerFiles,
  type PoolerUser,
  renderPooler,
} from '../../charm/workload/pgbouncer.ts';
import type { PoolerAdmin } from '../../charm/workload/ports.ts';
import type { Clients } from '../clients.ts';
import { withReplication } from '../decide/cluster.ts';
import { decideRoute, NO_ROUTE, nearest, type Route } from '../decide/routing.ts';
import type { Facts } from '../facts.ts';
import { Loop } from '../loop.ts';
import { Pause, type PoolerControl } from './pause.ts';
import { Refusal } from './refusal.ts';
import { WaitingRoom } from './waiting-room.ts';

const CALM_MS = 5000;
const QUICK_MS = 250;
/** Where clients are led who are refused. */
const NOBODY = 'nobody';
/** How long clients are held back for a route that does not come. */
const RELEASE_MS = 5000;
/** How often the files on disk are compared with what was written. */
const RECHECK_MS = 30_000;

interface Known {
  route: Route;
  databases: string[];
  users: PoolerUser[];
}

export class PoolerKeeper implements PoolerControl {
  readonly loop: Loop;
  readonly #facts: Facts;
  readonly #clients: Clients;
  readonly #log: Log;
  readonly #admin = userInfo().username;
  readonly #pause: Pause;
  readonly #waitingRoom: WaitingRoom;
  readonly #refusal: Refusal;
  #route: Route = NO_ROUTE;
  /** Where the pooler led when work last began to hold clients. */
  #heldAt: string | undefined;
  #unconfirmedSince: number | undefined;
  /** What the running PgBouncer has been told; undefined: it must be told again. */
  #told: { files: PoolerFiles; target: string | undefined } | undefined;
  #database: { databases: string[]; users: PoolerUser[] } | undefined;
  #askedAt = 0;
  #written: { files: PoolerFiles; generation: number; checkedAt: number } | undefined;
  #toldGeneration = 0;

  constructor(facts: Facts, clients: Clients, log: Log) {
    this.#facts = facts;
    this.#clients = clients;
    this.#log = log;
    this.#pause = new Pause(() => this.console(), log);
    this.#waitingRoom = new WaitingRoom(this.#pause, log);
    this.#refusal = new Refusal(log, () => {
      const { primary } = facts.now;
      return primary.known ? primary.value.database.serverVersion : undefined;
    });
    this.loop = new Loop({
      name: 'pooler',
      log,
      everyMs: () => (this.#hurries() ? QUICK_MS : CALM_MS),
      run: () => this.#keep(),
    });
  }

  async stop(): Promise<void> {
    await this.loop.stop();
    this.#refusal.close();
  }

  /** Address of the server that clients are led to. */
  get leadsTo(): string | undefined {
    return this.#route.primary;
  }

  console(): PoolerAdmin {
    const { paths, pooler } = this.#clients.desired;
    return createPoolerAdmin({ socketDir: paths.run, port: pooler.port, user: this.#admin });
  }

  /** Generation of desired.json that the files hold. */
  get written(): number {
    return this.#written?.generation ?? 0;
  }

  /** Generation that the running PgBouncer has reached. */
  get told(): number {
    return this.#toldGeneration;
  }

  async hold(windowMs: number): Promise<{ held: boolean; clients: number }> {
    if (this.#clients.desired.pooler.mode === 'session') {
      return { held: false, clients: await this.#pause.clients() };
    }
    this.#heldAt = this.#route.primary;
    await this.#pause.begin(windowMs);
    return { held: true, clients: 0 };
  }

  async release(primary: string): Promise<void> {
    if (!this.#pause.has('work')) return;
    const led = async () => {
      await this.loop.fresh();
      return this.#told?.target === primary ? true : undefined;
    };
    if (primary !== '') await poll(led, { timeoutMs: RELEASE_MS, everyMs: 50 });
    await this.#pause.end('work');
    this.loop.nudge();
  }

  async #keep(): Promise<void> {
    const { desired } = this.#clients;
    this.#refusal.ensure({ dir: desired.paths.run, owner: desired.serverUser });
    const knownNow = this.#learn();
    // Before any file is looked at: every millisecond costs clients their statements.
    await this.#hold(desired);
    const files = await this.#files(desired, knownNow);
    await this.#write(desired, files);
    const same = isDeepStrictEqual(this.#told?.files, files);
    const current = same && this.#toldGeneration === desired.generation;
    if (current) await this.#settle();
    if (current && Date.now() - this.#askedAt < CALM_MS - QUICK_MS) return;
    try {
      if (!same) await this.#tell(files, this.#refuses() ? NOBODY : knownNow.route.primary);
      await this.#settle();
      await this.#look(desired, knownNow);
    } catch (error) {
      this.#told = undefined;
      this.#facts.set('pooler', unknown(messageOf(error)));
      if (!(error instanceof OperatorError)) throw error;
    }
  }

  async #write(desired: Desired, files: PoolerFiles): Promise<void> {
    const before = this.#written;
    const same = isDeepStrictEqual(before?.files, files);
    let checkedAt = before?.checkedAt ?? 0;
    if (!same || Date.now() - checkedAt > RECHECK_MS) {
      const changed = await writeChanged(desired, files);
      if (changed.length > 0) this.#log.info('pooler configured', { files: changed.join(',') });
      // Somebody else's change was undone: PgBouncer may have read it.
      if (same && changed.length > 0) this.#told = undefined;
      checkedAt = Date.now();
    }
    this.#written = { files, generation: desired.generation, checkedAt };
  }

  async #hold(desired: Desired): Promise<void> {
    const { pulse, primary } = this.#facts.now;
    const confirmed = primary.known ? primary.value.address : undefined;
    const route = this.#route.primary;
    await this.#waitingRoom.consider({ route, pulse, confirmed }, desired.pooler);
  }

  /** Takes over what the watches have seen and decides the route. */
  #learn(): Known {
    const { patroni, primary } = this.#facts.now;
    if (primary.known) {
      const { databases } = primary.value.database;
      this.#database = { databases, users: primary.value.users };
    }
    this.#trackConfirmation();
    const replication = primary.known ? primary.value.replication : [];
    this.#route = decideRoute({
      now: this.#route,
      cluster: withReplication(patroni, replication),
      confirmed: primary.known ? primary.value.address : undefined,
      unconfirmedMs: this.#unconfirmedSince ? Date.now() - this.#unconfirmedSince : 0,
      replicationKnown: primary.known,
      readerLagBytes: this.#clients.desired.pooler.readerLagBytes,
    });
    return { route: this.#route, ...(this.#database ?? { databases: [], users: [] }) };
  }

  #trackConfirmation(): void {
    const { patroni, primary } = this.#facts.now;
    const leader = patroni.known && patroni.value.members.some(({ role }) => role === 'primary');
    if (!leader || primary.known) this.#unconfirmedSince = undefined;
    else this.#unconfirmedSince ??= Date.now();
  }

  #hurries(): boolean {
    const waiting = this.#unconfirmedSince !== undefined || this.#waitingRoom.occupied;
    return this.#told === undefined || waiting;
  }

  #settle(): Promise<void> {
    return this.#waitingRoom.settle(this.#route.primary !== this.#heldAt);
  }

  #refuses(): boolean {
    return this.#waitingRoom.refuses;
  }

  /** The wished texts; for what is not known, what is on disk. */
  async #files(desired: Desired, content: Known): Promise<PoolerFiles> {
    const { route, databases, users } = content;
    const readers = nearest(route.readers, desired);
    const topology = { ...route, readers, refuses: this.#refuses() };
    const wish = renderPooler(desired, { topology, databases, users, admin: this.#admin });
    const path = filesOf(desired);
    if (topology.primary === undefined) wish.ini = (await readIfExists(path.ini)) ?? wish.ini;
    if (this.#database === undefined) {
      wish.userlist = (await readIfExists(path.userlist)) ?? wish.userlist;
      wish.ini = (await readIfExists(path.ini)) ?? wish.ini;
    }
    return wish;
  }

  async #tell(files: PoolerFiles, target: string | undefined): Promise<void> {
    const console = this.console();
    await console.reload();
    // An agent that died while it held clients left them so, and PgBouncer does not show a pause
    // of all databases: whoever meets it first ends it.
    if (this.#told === undefined && !this.#pause.active) await console.resume();
    // RELOAD closes what leads to a changed host; a host that is the same again it leaves alone.
    if (this.#told !== undefined && this.#told.target !== target) await console.reconnect();
    this.#told = { files, target };
  }

  async #look(desired: Desired, { route, users }: Known): Promise<void> {
    const console = this.console();
    const [version, databases] = [await console.show('VERSION'), await console.show('DATABASES')];
    this.#askedAt = Date.now();
    const paused = this.#pause.active || databases.some((row) => Number(row['paused']) === 1);
    const view: PoolerView = {
      generation: desired.generation,
      primary: route.primary,
      readers: [...route.readers],
      users: users.map(({ name }) => name),
      paused,
      version: /\d[\d.]*/.exec(String(version[0]?.['version']))?.[0] ?? '',
    };
    this.#toldGeneration = desired.generation;
    this.#facts.set('pooler', known(view));
  }
}

function filesOf({ paths }: Desired): Record<keyof PoolerFiles, string> {
  return {
    userlist: `${paths.etc}/userlist.txt`,
    hba: `${paths.etc}/pgbouncer-hba.conf`,
    ini: `${paths.etc}/pgbouncer.ini`,
  };
}

/** The ini last: PgBouncer may start as soon as it is there. @returns what was written */
async function writeChanged(desired: Desired, files: PoolerFiles): Promise<string[]> {
  const paths = filesOf(desired);
  const written: string[] = [];
  for (const name of ['userlist', 'hba', 'ini'] as const) {
    const path = paths[name];
    if (existsSync(path) && (await readIfExists(path)) === files[name]) continue;
    const { uid, gid } = desired.serverUser ?? {};
    const owner = uid === undefined || gid === undefined ? {} : { uid, gid };
    await writeAtomic(path, files[name], { mode: 0o600, ...owner });
    written.push(name);
  }
  return written;
}
