/**
 * A model in memory whose units run the real resolver, commits and sessions, with a scheduler that
 * interleaves them at random and breaks what may break: hooks fail or are killed, leaders fall
 * silent, the operator changes his mind. Every event is written down for the test to judge.
 */
import { Layout } from '../../src/controller/state/layout.ts';
import { Store } from '../../src/controller/state/store.ts';
import { Session } from '../../src/controller/tools/session.ts';
import { commitHook, setOperation } from '../../src/controller/uniter/commit.ts';
import type { HookInfo } from '../../src/controller/uniter/hook-info.ts';
import { keepLeases } from '../../src/controller/uniter/leases.ts';
import { queued } from '../../src/controller/uniter/operation.ts';
import { readUnit, type UnitView } from '../../src/controller/uniter/read-unit.ts';
import { withCurrentVersion } from '../../src/controller/uniter/relation-resolver.ts';
import { removeUnit, sweep } from '../../src/controller/uniter/removal.ts';
import { nextDeadline, nextOperation } from '../../src/controller/uniter/resolver.ts';
import { changeStanding } from '../../src/controller/uniter/standing.ts';

/** A hook that was committed: the order of these is what the charm saw succeed. */
export interface Event {
  unit: string;
  hook: HookInfo;
}

interface Running {
  view: UnitView;
  hook: HookInfo;
  session: Session;
}

export class ControllerWorld {
  readonly store = new Store(':memory:');
  readonly events: Event[] = [];
  /** Who wrote the last version of an application's databag, by relation and application. */
  readonly writers = new Map<string, string>();
  readonly random: () => number;
  now = 1_000_000;
  /** Once quiet, nothing fails any more and nobody writes. */
  quiet = false;
  readonly #layout = new Layout('/nowhere');
  readonly #running = new Map<string, Running>();

  constructor(seed: number) {
    this.random = generator(seed);
    this.store.setMeta('subnet', '127.99.1');
    this.store.run(
      `INSERT INTO charm (id, name, revision, sha256, metadata, config, actions, manifest, created)
       VALUES (1, 'tiny', 1, 'x', '{}', '{}', '{}', '{}', 0)`,
    );
    for (const application of ['a', 'b']) {
      this.store.run(
        'INSERT INTO application (name, charm_id, created) VALUES (?, 1, 0)',
        application,
      );
      this.#relate('peer', [application]);
    }
  }

  get units(): string[] {
    return this.store.all<{ name: string }>('SELECT name FROM unit').map(({ name }) => name);
  }

  chance(probability: number): boolean {
    return !this.quiet && this.random() < probability;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.random() * items.length)];
  }

  /** One thing happens somewhere. @returns whether any unit had something to do */
  step(): boolean {
    if (!this.quiet) this.#disturb();
    this.store.tx(() => {
      sweep(this.store);
      keepLeases(this.store, this.now);
    });
    const order = this.units.map((unit) => ({ unit, at: this.random() }));
    for (const { unit } of order.toSorted((a, b) => a.at - b.at)) if (this.#turn(unit)) return true;
    return this.#passTime();
  }

  #turn(unit: string): boolean {
    const running = this.#running.get(unit);
    if (running !== undefined) {
      if (!this.chance(0.5)) this.#finish(unit, running);
      return true;
    }
    const view = readUnit(this.store, unit, this.now);
    if (view?.powered !== true) return false;
    const operation = nextOperation(view.local, view.remote, this.now);
    if (operation === undefined) return false;
    switch (operation.kind) {
      case 'hook':
        this.#begin(view, operation.hook);
        break;
      case 'skip-hook':
        setOperation(this.store, unit, undefined);
        break;
      case 'unpack':
        this.#unpack(view);
        break;
      case 'die':
        this.store.tx(() => removeUnit(this.store, unit, this.now));
        break;
      case 'action':
      case 'command':
        throw new Error('nobody asked for an action');
      default:
        this.store.tx(() => changeStanding(this.store, view, operation));
    }
    return true;
  }

  #begin(view: UnitView, chosen: HookInfo): void {
    const { unit } = view.local;
    const hook = withCurrentVersion(chosen, view.remote);
    const attempts = view.local.operation?.attempts ?? 0;
    setOperation(this.store, unit, { hook, step: 'pending', attempts, retryAt: 0, resolve: null });
    const spec = { contextId: unit, unit, charmDir: '/', resourcesDir: '/', hook };
    const session = new Session(this.store, spec, { log: () => {}, now: () => this.now });
    this.#running.set(unit, { view, hook, session });
  }

  /** The hook writes to its databags, as charms do, and succeeds or fails. */
  #finish(unit: string, { view, hook, session }: Running): void {
    this.#running.delete(unit);
    const state = { hook, attempts: 1, retryAt: this.now + 5000, resolve: null };
    for (const { id } of view.remote.relations) {
      if (this.chance(0.3)) this.#write(session, id, []);
      if (this.chance(0.2)) this.#write(session, id, ['--app']);
    }
    if (this.chance(0.1)) {
      session.discard();
      setOperation(this.store, unit, { ...state, step: this.chance(0.5) ? 'queued' : 'failed' });
      return;
    }
    const before = this.#appVersions();
    try {
      this.store.tx(() => {
        session.commit();
        const { hashes, boot } = view.remote;
        commitHook(this.store, unit, hook, { hashes, boot, now: this.now });
      });
    } catch {
      setOperation(this.store, unit, { ...state, step: 'failed' }); // Leadership was lost.
      return;
    }
    for (const [bag, version] of this.#appVersions()) {
      if (before.get(bag) !== version) this.writers.set(bag, unit);
    }
    this.events.push({ unit, hook });
  }

  #write(session: Session, relationId: number, flags: string[]): void {
    const value = Math.floor(this.random() * 3);
    const args = [...flags, '-r', `x:${relationId}`, `key=${value}`];
    session.run({ tool: 'relation-set', args, dir: '/' }); // Refused where it may not write.
  }

  #appVersions(): Map<string, number> {
    const rows = this.store.all<{ bag: string; version: number }>(
      `SELECT relation_id || ':' || owner AS bag, version FROM databag WHERE owner NOT LIKE '%/%'`,
    );
    return new Map(rows.map(({ bag, version }) => [bag, version]));
  }

  #unpack(view: UnitView): void {
    const { unit, charm } = view.local;
    const { id, modified } = view.remote.charm;
    const sql = 'UPDATE unit SET charm_id = ?, charm_modified = ? WHERE name = ?';
    this.store.run(sql, id, modified, unit);
    const follows = queued({ kind: 'upgrade-charm', name: 'upgrade-charm' });
    setOperation(this.store, unit, charm === undefined ? undefined : follows);
  }

  /** When everybody rests, time goes to the next thing that is due, update-status left aside. */
  #passTime(): boolean {
    const due = this.units.flatMap((unit) => {
      const view = readUnit(this.store, unit, this.now);
      if (view === undefined || view.local.operation === undefined || !view.powered) return [];
      return nextDeadline(view.local, view.remote) ?? [];
    });
    if (due.length === 0) return false;
    this.now = Math.max(this.now + 1, Math.min(...due));
    return true;
  }

  #disturb(): void {
    const { store } = this;
    const unit = this.pick(this.units);
    const application = this.pick(['a', 'b']) ?? 'a';
    if (this.units.length < 6 && this.chance(0.04)) this.#addUnit(application);
    if (unit !== undefined && this.units.length > 2 && this.chance(0.01)) {
      store.run(`UPDATE unit SET life = 'dying' WHERE name = ?`, unit);
    }
    if (this.chance(0.02)) {
      store.run(
        `UPDATE application SET trust = 1 - trust, charm_modified = charm_modified + ?
         WHERE name = ?`,
        this.chance(0.3) ? 1 : 0,
        application,
      );
    }
    if (this.chance(0.02)) {
      const found = store.get(`SELECT 1 FROM relation WHERE kind = 'regular'`);
      if (found === undefined) this.#relate('regular', ['a', 'b']);
      else if (this.chance(0.3)) {
        store.run(`UPDATE relation SET life = 'dying' WHERE kind = 'regular'`);
      } else store.run(`UPDATE relation SET suspended = 1 - suspended WHERE kind = 'regular'`);
    }
    if (unit !== undefined && this.chance(0.01)) this.#switchPower(unit);
    if (this.chance(0.05)) this.now += 20_000;
  }

  /** Its hook is lost with the machine; it runs again once there is power. */
  #switchPower(unit: string): void {
    this.store.run(
      `UPDATE machine SET boot = boot + (power = 'off'),
       power = CASE power WHEN 'on' THEN 'off' ELSE 'on' END
       WHERE id = (SELECT machine_id FROM unit WHERE name = ?)`,
      unit,
    );
    const running = this.#running.get(unit);
    if (running === undefined) return;
    running.session.discard();
    this.#running.delete(unit);
    setOperation(this.store, unit, queued(running.hook));
  }

  /** Calm returns: power everywhere, no suspension. */
  settle(): void {
    this.quiet = true;
    this.store.run(`UPDATE machine SET power = 'on', boot = boot + 1 WHERE power = 'off'`);
    this.store.run('UPDATE relation SET suspended = 0');
  }

  #addUnit(application: string): void {
    const number = this.store.nextNumber(`unit/${application}`);
    const machine = String(this.store.nextNumber('machine'));
    const unit = `${application}/${number}`;
    this.store.run(
      `INSERT INTO machine (id, address, hostname, created, status_since)
       VALUES (?, ?, 'h', 0, 0)`,
      machine,
      `127.99.${machine}.1`,
    );
    this.store.run(
      `INSERT INTO unit (name, application, number, machine_id, created, workload_since,
         agent_since) VALUES (?, ?, ?, ?, 0, 0, 0)`,
      unit,
      application,
      number,
      machine,
    );
    const id = `data/${this.store.nextNumber('storage')}`;
    this.store.run(
      `INSERT INTO storage (id, name, kind, application, unit, machine_id, location, size_mib,
         created) VALUES (?, 'data', 'filesystem', ?, ?, ?, ?, 1, 0)`,
      id,
      application,
      unit,
      machine,
      this.#layout.storageDir(id),
    );
  }

  #relate(kind: 'peer' | 'regular', applications: string[]): void {
    const id = this.store.nextNumber('relation');
    const sql = `INSERT INTO relation (id, kind, interface, created) VALUES (?, ?, 'x', 0)`;
    this.store.run(sql, id, kind);
    for (const name of applications) {
      const role = kind === 'peer' ? 'peer' : 'provider';
      this.store.run('INSERT INTO relation_endpoint VALUES (?, ?, ?, ?)', id, name, 'x', role);
    }
  }
}

/** Mulberry32: small, seeded, good enough to scramble an order. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
