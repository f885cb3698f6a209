/**
 * A mount namespace for each machine (model option `machine-isolation=mounts`): of the directory
 * D of the installation its programs see only what is the machine's own, as on another computer.
 *
 * A small process holds the namespace open and is found by its environment, so it outlives the
 * controller and nothing of it stays when it ends: no file, no mount of the host. Needs root. Hides
 * files and sockets, not processes or networks; guards against mistakes, not a hostile root.
 */
import { existsSync, realpathSync } from 'node:fs';
import { relative } from 'node:path';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { Turns } from '../../../lib/std/turns.ts';
import { startTimeOf } from '../runner/process-record.ts';
import type { Layout } from '../state/layout.ts';
import type { Store } from '../state/store.ts';
import { unitDirs } from '../uniter/unit-place.ts';
import {
  complaint,
  endKeeper,
  findKeepers,
  type Keeper,
  NSENTER,
  readProc,
  startKeeper,
  UNSHARE,
} from './keeper.ts';

const MARK = 'PGCHARM_MACHINE';

/** Its working directory stays what the new file system covers: the whole of D. */
const HOLD = `mount -t tmpfs -o mode=0711,size=1m,nosuid,nodev pgcharm "$1" || exit 1
echo ready
exec sleep infinity >/dev/null 2>&1`;

/** Arguments: D, then \`+<path>\` to show and \`-<path>\` to hide, relative to D. */
const CHANGE = `set -e
umask 066
root=$1; shift
mount -o remount,bind,rw "$root"
for word; do
  path=\${word#?}
  case $word in
    +*) mkdir -p "$root/$path"; mount -c --bind "./$path" "$root/$path" ;;
    -*) umount -l "$root/$path"; rmdir "$root/$path" ;;
  esac
done
mount -o remount,bind,ro "$root"`;

export class MachineNamespaces {
  readonly #store: Store;
  readonly #layout: Layout;
  #holders: Map<string, Keeper> | undefined;
  /** Two units of a machine must not make two namespaces. */
  readonly #turns = new Turns();

  constructor(store: Store, layout: Layout) {
    this.#store = store;
    this.#layout = layout;
  }

  /**
   * Words to put before a program so that it runs on the unit's machine, in `directory`. None when
   * machines are not isolated. Makes the namespace, and shows in it what is new.
   *
   * @throws OperatorError `machine-not-isolated`
   */
  async entrance(unit: string, directory: string): Promise<string[]> {
    const row = this.#store.get<{ machine_id: string }>(
      'SELECT machine_id FROM unit WHERE name = ?',
      unit,
    );
    if (row === undefined || !this.#wanted()) return [];
    return this.#turns.take(async () => {
      const holder = this.#find(row.machine_id) ?? (await this.#make(row.machine_id));
      await this.#show(holder, this.#own(row.machine_id));
      return [NSENTER, `--mount=/proc/${holder.pid}/ns/mnt`, `--wdns=${directory}`, '--'];
    });
  }

  /** Lets go of a machine's namespace; it is gone with the last process in it. */
  end(machineId: string): Promise<void> {
    return this.#turns.take(async () => {
      const holder = this.#find(machineId);
      this.#all().delete(machineId);
      if (holder !== undefined) await endKeeper(holder);
    });
  }

  /** Lets go of those that nobody needs any more: of machines that are gone, or all. */
  async tidy(): Promise<void> {
    const held = [...this.#all().keys()];
    if (held.length === 0) return;
    const wanted = this.#wanted();
    const machines = this.#store.all<{ id: string }>('SELECT id FROM machine');
    const kept = new Set(wanted ? machines.map(({ id }) => id) : []);
    await Promise.all(held.filter((id) => !kept.has(id)).map((id) => this.end(id)));
  }

  #wanted(): boolean {
    const sql = `SELECT 1 FROM model_config WHERE key = 'machine-isolation' AND value = 'mounts'`;
    return this.#store.get(sql) !== undefined;
  }

  get #root(): string {
    return realpathSync(this.#layout.root); // As the kernel names mount points.
  }

  /** Paths relative to D that the machine has, of those that exist. */
  #own(machineId: string): string[] {
    const { root, bin } = this.#layout;
    const units = this.#store.all<{ name: string }>(
      'SELECT name FROM unit WHERE machine_id = ?',
      machineId,
    );
    const paths = units.flatMap(({ name }) => [
      this.#layout.toolsDir(name),
      ...unitDirs(this.#store, this.#layout, name),
    ]);
    return [bin, ...paths]
      .filter((path) => path.startsWith(`${root}/`) && existsSync(path))
      .map((path) => relative(root, path));
  }

  #find(machineId: string): Keeper | undefined {
    const holder = this.#all().get(machineId);
    if (holder === undefined) return undefined;
    // One that is dying still has its entry, and no namespace any more.
    if (startTimeOf(holder.pid) === holder.startTime && mountPoints(holder.pid)) return holder;
    this.#all().delete(machineId);
    return undefined;
  }

  #all(): Map<string, Keeper> {
    if (this.#holders !== undefined) return this.#holders;
    this.#holders = new Map();
    for (const [id, keeper] of findKeepers({ name: MARK, root: this.#root })) {
      const points = mountPoints(keeper.pid);
      if (points === undefined) continue;
      if (points.includes(this.#root)) this.#holders.set(id, keeper);
      else process.kill(keeper.pid, 'SIGKILL'); // Its controller died while it was being made.
    }
    return this.#holders;
  }

  async #make(machineId: string): Promise<Keeper> {
    const root = this.#root;
    // What is mounted on the host later is to be seen on machines too, but not the other way round.
    const words = ['--mount', '--propagation', 'slave', '--', '/bin/sh', '-c', HOLD, 'sh', root];
    const mark = { name: MARK, root };
    try {
      const keeper = await startKeeper({ mark, id: machineId, program: UNSHARE, words });
      this.#all().set(machineId, keeper);
      return keeper;
    } catch (error) {
      throw notIsolated(machineId, messageOf(error));
    }
  }

  async #show(holder: Keeper, own: readonly string[]): Promise<void> {
    const root = this.#root;
    const points = mountPoints(holder.pid);
    if (points === undefined)
      throw notIsolated(own.join(' '), 'the process that held it has ended');
    const shown = points
      .filter((point) => point.startsWith(`${root}/`))
      .map((point) => relative(root, point));
    const words = [
      ...shown.filter((path) => !own.includes(path)).map((path) => `-${path}`),
      ...own.filter((path) => !shown.includes(path)).map((path) => `+${path}`),
    ];
    if (words.length === 0) return;
    const enter = [NSENTER, '--target', String(holder.pid), '--mount', '--wd', '--'];
    const problem = await complaint([...enter, '/bin/sh', '-c', CHANGE, 'sh', root, ...words]);
    if (problem !== undefined) throw notIsolated(words.join(' '), problem);
  }
}

/**
 * Mount points as the process sees them, undefined when it has ended or is about to; proc(5) writes
 * blanks and the like in octal.
 */
function mountPoints(pid: number): string[] | undefined {
  const text = readProc(`/proc/${pid}/mountinfo`);
  return text?.split('\n').flatMap((line) => {
    const point = line.split(' ')[4];
    const plain = (octal: string) => String.fromCharCode(Number.parseInt(octal.slice(1), 8));
    return point === undefined ? [] : [point.replace(/\\[0-7]{3}/g, plain)];
  });
}

function notIsolated(what: string, problem: string): OperatorError {
  return new OperatorError({
    code: 'machine-not-isolated',
    message: `cannot give machine ${what} a mount namespace: ${problem}`,
    hint: 'it takes root with CAP_SYS_ADMIN; model-config machine-isolation=none does without',
    retry: 'now',
  });
}
