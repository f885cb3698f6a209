/**
 * Machines of kind netns: each has a network namespace with an address of its own, joined by a
 * bridge to the others and to the host. Compares what /proc shows with what the store wants and
 * tells `ip` the difference, so that it can be done again at any time, by any controller.
 *
 * Needs root. Leads nowhere but to the host and the other machines, and never changes the host's
 * routes or firewall.
 */
import { readlinkSync, realpathSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { Turns } from '../../../lib/std/turns.ts';
import { processIds, startTimeOf } from '../runner/process-record.ts';
import type { Layout } from '../state/layout.ts';
import type { Store } from '../state/store.ts';
import { unitDirs } from '../uniter/unit-place.ts';
import {
  complaint,
  findKeepers,
  type Keeper,
  NSENTER,
  readProc,
  startKeeper,
  UNSHARE,
} from './keeper.ts';
import {
  addressesIn,
  blockedFor,
  bridgeBatch,
  type Cut,
  cableBatch,
  devicesIn,
  endBatch,
  freeNetwork,
  hostCableBatch,
  hostDevice,
  hostPortBatch,
  isRouted,
  MACHINE_DEVICE,
  NETWORK_KEY,
  portOf,
  unreachableIn,
} from './net-plan.ts';
import { processesOf } from './processes.ts';

/** In the environment of the processes that hold namespaces. */
export const NETWORK_MARK = 'PGCHARM_NETWORK';
const BRIDGE_KEEPER = 'bridge';
const HOST = 'host';
const HOLD = 'ip link set lo up || exit 1; echo ready; exec sleep infinity >/dev/null 2>&1';

interface MachineRow {
  id: string;
  address: string;
}

export class MachineNetworks {
  readonly #store: Store;
  readonly #layout: Layout;
  #keepers: Map<string, Keeper> | undefined;
  /** What each member was last brought to, so that nothing is told twice. */
  readonly #brought = new Map<string, string>();
  /** Two units of a machine must not make two namespaces. */
  readonly #turns = new Turns();
  #next: Promise<void> | undefined;

  constructor(store: Store, layout: Layout) {
    this.#store = store;
    this.#layout = layout;
  }

  /** Before the first netns machine: chooses the range, and shows that the host can do it. */
  prepare(): Promise<void> {
    return this.#turns.take(async () => {
      if (process.getuid?.() !== 0) throw notPossible('the controller does not run as root');
      const routes = readProc('/proc/self/net/route') ?? '';
      const kept = this.#store.meta(NETWORK_KEY);
      const inUse = this.#hasMachines() || this.#all().has(BRIDGE_KEEPER);
      if (kept === undefined || (!inUse && isRouted(kept, routes))) {
        const found = freeNetwork(this.#layout.root, routes);
        if (found === undefined) throw notPossible('no range of 10.64.0.0/10 is free');
        this.#store.setMeta(NETWORK_KEY, found);
      }
      await this.#bridge();
    });
  }

  /**
   * Words to put before a program so that it runs on the unit's machine; none for a machine of
   * another kind. The machine is made, or repaired, first.
   *
   * @throws OperatorError `machine-network`
   */
  async entrance(unit: string): Promise<string[]> {
    const row = this.#store.get<MachineRow>(
      `SELECT m.id, m.address FROM machine m JOIN unit u ON u.machine_id = m.id
       WHERE u.name = ? AND m.kind = 'netns'`,
      unit,
    );
    if (row === undefined) return [];
    const keeper = await this.#turns.take(() => this.#bring(row));
    return [NSENTER, `--net=/proc/${keeper.pid}/ns/net`, '--'];
  }

  /** Brings all machines to what the store says. Calls that wait for their turn are one. */
  refresh(): Promise<void> {
    this.#next ??= this.#turns.take(async () => {
      this.#next = undefined;
      const machines = this.#machines();
      const wanted = new Set(machines.map(({ id }) => id));
      for (const id of this.#all().keys()) {
        if (id !== BRIDGE_KEEPER && !wanted.has(id)) await this.#end(id);
      }
      if (machines.length === 0 && !this.#hasMachines()) return this.#release(BRIDGE_KEEPER);
      for (const machine of machines) await this.#bring(machine);
      return undefined;
    });
    return this.#next;
  }

  /** Takes a machine's cable away: nobody hears from it again, not even that it ended. */
  unplug(machineId: string): Promise<void> {
    return this.#turns.take(async () => {
      const bridge = this.#find(BRIDGE_KEEPER);
      if (bridge === undefined || !devicesOf(bridge.pid).includes(portOf(machineId))) return;
      await tell(bridge.pid, `link del ${portOf(machineId)}\n`);
    });
  }

  /** Ends every process of a machine's namespace, and with them the namespace. */
  end(machineId: string): Promise<void> {
    return this.#turns.take(() => this.#end(machineId));
  }

  #machines(): MachineRow[] {
    const sql = `SELECT id, address FROM machine WHERE kind = 'netns' AND power = 'on'`;
    return this.#store.all<MachineRow>(sql);
  }

  #hasMachines(): boolean {
    return this.#store.get(`SELECT 1 FROM machine WHERE kind = 'netns'`) !== undefined;
  }

  get #prefix(): string {
    const prefix = this.#store.meta(NETWORK_KEY);
    if (prefix === undefined) throw new Error('the store has no network for machines');
    return prefix;
  }

  async #bring(machine: MachineRow): Promise<Keeper> {
    try {
      const bridge = await this.#bridge();
      return await this.#machine(machine, bridge);
    } catch (error) {
      if (error instanceof OperatorError) throw error;
      throw notPossible(`machine ${machine.id}: ${messageOf(error)}`);
    }
  }

  /** The bridge with the host at it. */
  async #bridge(): Promise<Keeper> {
    const prefix = this.#prefix;
    const device = hostDevice(this.#layout.root);
    const bridge = this.#find(BRIDGE_KEEPER) ?? (await this.#makeBridge());
    const joined = devicesOf(bridge.pid).includes(HOST);
    if (!joined) {
      if (devicesOf('self').includes(device)) await complaint(['ip', 'link', 'del', device]);
      if (isRouted(prefix, readProc('/proc/self/net/route') ?? '')) {
        throw notPossible(`another interface of this host has ${prefix}.0/24 by now`);
      }
      await tell('self', hostCableBatch(device, bridge.pid));
      await tell(bridge.pid, hostPortBatch);
    }
    await this.#settle({ id: HOST, address: `${prefix}.1` }, 'self', device);
    return bridge;
  }

  async #makeBridge(): Promise<Keeper> {
    const words = ['--net', '--', '/bin/sh', '-c', HOLD];
    const keeper = await this.#keep(BRIDGE_KEEPER, UNSHARE, words);
    await tell(keeper.pid, bridgeBatch);
    return keeper;
  }

  async #machine(machine: MachineRow, bridge: Keeper): Promise<Keeper> {
    const keeper = this.#find(machine.id) ?? (await this.#makeMachine(machine.id));
    const port = portOf(machine.id);
    const ends = [
      devicesOf(bridge.pid).includes(port),
      devicesOf(keeper.pid).includes(MACHINE_DEVICE),
    ];
    if (ends.includes(false)) {
      // Half a cable leads to what is gone; the kernel may be about to remove it.
      if (ends[0]) await enter(bridge.pid, ['ip', 'link', 'del', port]);
      if (ends[1]) await enter(keeper.pid, ['ip', 'link', 'del', MACHINE_DEVICE]);
      await tell(bridge.pid, cableBatch(machine.id, keeper.pid));
    }
    await this.#settle(machine, keeper.pid, MACHINE_DEVICE);
    return keeper;
  }

  /** What runs on the machine outlives the keeper of its namespace, and shows where that is. */
  async #makeMachine(id: string): Promise<Keeper> {
    const units = this.#store.all<{ name: string }>(
      'SELECT name FROM unit WHERE machine_id = ?',
      id,
    );
    const dirs = units.flatMap(({ name }) => unitDirs(this.#store, this.#layout, name));
    const host = new Set([namespaceOf('self'), namespaceOf(1)]);
    const inhabitant = (dirs.length === 0 ? [] : processesOf(dirs)).find((pid) => {
      const namespace = namespaceOf(pid);
      return namespace !== undefined && !host.has(namespace);
    });
    const hold = ['/bin/sh', '-c', HOLD];
    if (inhabitant === undefined) return this.#keep(id, UNSHARE, ['--net', '--', ...hold]);
    return this.#keep(id, NSENTER, [`--net=/proc/${inhabitant}/ns/net`, '--', ...hold]);
  }

  async #keep(id: string, program: string, words: string[]): Promise<Keeper> {
    const mark = { name: NETWORK_MARK, root: realpathSync(this.#layout.root) };
    const keeper = await startKeeper({ mark, id, program, words });
    this.#all().set(id, keeper);
    return keeper;
  }

  /** Address and cuts at one end of a cable. */
  async #settle(member: MachineRow, pid: number | 'self', device: string): Promise<void> {
    const { address } = member;
    const blocked = this.#blocked(member.id);
    const present = addressesIn(readProc(`/proc/${pid}/net/fib_trie`) ?? '', this.#prefix);
    const wanted = JSON.stringify([pid, address, blocked]);
    const isThere = present.length === 1 && present[0] === address;
    if (isThere && this.#brought.get(member.id) === wanted) return;
    const unreachable = unreachableIn(readProc(`/proc/${pid}/net/arp`) ?? '', device);
    await tell(pid, endBatch({ device, address, present, blocked, unreachable }));
    this.#brought.set(member.id, wanted);
  }

  #blocked(member: string): string[] {
    const addresses = new Map(
      this.#store
        .all<MachineRow>(`SELECT id, address FROM machine WHERE kind = 'netns'`)
        .map(({ id, address }) => [id, address]),
    );
    addresses.set(HOST, `${this.#prefix}.1`);
    const cuts = this.#store.all<Cut>(
      'SELECT machine_id AS machine, peer, direction FROM link_cut',
    );
    return blockedFor(member, [...addresses.keys()], cuts)
      .flatMap((id) => addresses.get(id) ?? [])
      .toSorted();
  }

  #all(): Map<string, Keeper> {
    this.#keepers ??= findKeepers({ name: NETWORK_MARK, root: realpathSync(this.#layout.root) });
    return this.#keepers;
  }

  #find(id: string): Keeper | undefined {
    const keeper = this.#all().get(id);
    if (keeper === undefined) return undefined;
    // One that is dying still has its entry, and no namespace any more.
    const lives = startTimeOf(keeper.pid) === keeper.startTime;
    if (lives && namespaceOf(keeper.pid) !== undefined) return keeper;
    this.#all().delete(id);
    this.#brought.delete(id);
    return undefined;
  }

  #release(id: string): void {
    const keeper = this.#find(id);
    if (keeper !== undefined) process.kill(keeper.pid, 'SIGKILL');
    this.#all().delete(id);
    this.#brought.delete(id === BRIDGE_KEEPER ? HOST : id);
  }

  async #end(machineId: string): Promise<void> {
    const keeper = this.#find(machineId);
    const namespace = keeper === undefined ? undefined : namespaceOf(keeper.pid);
    if (namespace === undefined || namespace === namespaceOf('self')) return;
    for (let round = 0; round < 100; round += 1) {
      const there = processIds().filter((pid) => namespaceOf(pid) === namespace);
      if (there.length === 0) break;
      for (const pid of there) kill(pid);
      await delay(10);
    }
    this.#release(machineId);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended, which is all that was wanted.
  }
}

function namespaceOf(pid: number | 'self'): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined; // Gone.
  }
}

function devicesOf(pid: number | 'self'): string[] {
  return devicesIn(readProc(`/proc/${pid}/net/dev`) ?? '');
}

function enter(pid: number, words: readonly string[], input?: string): Promise<string | undefined> {
  return complaint([NSENTER, `--net=/proc/${pid}/ns/net`, '--', ...words], input);
}

/** @throws Error with what ip said */
async function tell(pid: number | 'self', batch: string): Promise<void> {
  const words = ['ip', '-batch', '-'];
  const problem = pid === 'self' ? await complaint(words, batch) : await enter(pid, words, batch);
  if (problem !== undefined) throw new Error(problem.replaceAll('\n', '; '));
}

function notPossible(problem: string): OperatorError {
  return new OperatorError({
    code: 'machine-network',
    message: `cannot give machines a network of their own: ${problem}`,
    hint: 'it takes root with CAP_NET_ADMIN, and iproute2; --machine loopback does without',
    retry: 'now',
  });
}
