/**
 * The network of netns machines as text: which range it has, what `ip -batch` is told, what the
 * files of /proc/<pid>/net say. Pure; runs and reads nothing.
 *
 * A bridge in a namespace of its own joins one veth pair per machine and one for the host. There
 * the host's firewall does not see it, and the host keeps a single interface.
 */
import { createHash } from 'node:crypto';

/** What the range is kept under in the store, as `10.77.3`. */
export const NETWORK_KEY = 'machine-network';
/** Interface of a machine, inside. */
export const MACHINE_DEVICE = 'eth0';
const BRIDGE = 'br0';
const PREFIX_LENGTH = 24;
/** An address that no card has: what is sent there is lost without a word. */
const NOBODY = '02:00:00:00:00:00';

/** The host's interface. Several installations share a host. @param root absolute path of D */
export function hostDevice(root: string): string {
  return `pgc-${createHash('sha256').update(root).digest('hex').slice(0, 10)}`;
}

/** The end of a machine's cable at the bridge. */
export function portOf(machineId: string): string {
  return `m${machineId}`;
}

/** Stays the machine's: its neighbours may know it from before a loss of power. */
export function macOf(machineId: string): string {
  const number = Number(machineId);
  const bytes = [number >>> 16, number >>> 8, number].map((value) => value & 0xff);
  return ['02', '70', '67', ...bytes.map((value) => value.toString(16).padStart(2, '0'))].join(':');
}

/**
 * A /24 of 10.64.0.0/10 that no route of the host leads to, as its first three numbers.
 *
 * @param root absolute path of D: where the search begins differs between installations
 * @param routes text of /proc/net/route
 * @returns undefined when none of 256 is free
 */
export function freeNetwork(root: string, routes: string): string | undefined {
  const start = createHash('sha256').update(root).digest().readUInt16BE(0);
  for (let step = 0; step < 256; step += 1) {
    const at = (start + step * 61) % (64 * 256);
    const prefix = `10.${64 + Math.floor(at / 256)}.${at % 256}`;
    if (!isRouted(prefix, routes)) return prefix;
  }
  return undefined;
}

/** Whether a route, other than the default one, covers the /24 or lies in it. */
export function isRouted(prefix: string, routes: string): boolean {
  const wanted = numberOf(`${prefix}.0`);
  return routes
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .some(([, destination = '', , , , , , mask = '']) => {
      const narrow = littleEndian(mask);
      if (destination === '' || narrow === 0) return false;
      const shared = (narrow & (0xffffffff << (32 - PREFIX_LENGTH))) >>> 0;
      return (littleEndian(destination) & shared) >>> 0 === (wanted & shared) >>> 0;
    });
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** The kernel prints addresses as it keeps them. */
function littleEndian(hex: string): number {
  return Buffer.from(hex.padStart(8, '0'), 'hex').readUInt32LE(0);
}

export const bridgeBatch = batch(
  `link add ${BRIDGE} type bridge stp_state 0 forward_delay 0`,
  `link set ${BRIDGE} up`,
);

/** In the bridge's namespace: a machine's cable. @param pid a process of the machine */
export function cableBatch(machineId: string, pid: number): string {
  const port = portOf(machineId);
  const inside = `${MACHINE_DEVICE} address ${macOf(machineId)} netns ${pid}`;
  return batch(
    `link add ${port} type veth peer name ${inside}`,
    `link set ${port} master ${BRIDGE} up`,
  );
}

/** On the host: its own cable. @param pid a process of the bridge's namespace */
export function hostCableBatch(device: string, pid: number): string {
  return batch(`link add ${device} type veth peer name host netns ${pid}`);
}

/** In the bridge's namespace, once the host's cable is there. */
export const hostPortBatch = batch(`link set host master ${BRIDGE} up`);

export interface End {
  device: string;
  address: string;
  /** Addresses that it has now. */
  present: readonly string[];
  /** Addresses that nothing sent from here is to reach. */
  blocked: readonly string[];
  /** Those that are unreachable now. */
  unreachable: readonly string[];
}

/**
 * At the end of a cable: its address, and whom it does not reach. A neighbour that is fixed to a
 * card that nobody has makes a loss that no program sees, in one direction, for open connections
 * too; unlike filters it is in every kernel.
 */
export function endBatch({ device, address, present, blocked, unreachable }: End): string {
  return batch(
    `addr replace ${address}/${PREFIX_LENGTH} dev ${device}`,
    ...present
      .filter((other) => other !== address)
      .map((other) => `addr del ${other}/${PREFIX_LENGTH} dev ${device}`),
    `link set ${device} up`,
    ...blocked.map(
      (other) => `neigh replace ${other} lladdr ${NOBODY} dev ${device} nud permanent`,
    ),
    ...unreachable
      .filter((other) => !blocked.includes(other))
      .map((other) => `neigh del ${other} dev ${device}`),
  );
}

function batch(...lines: string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** Names of interfaces. @param text of /proc/<pid>/net/dev */
export function devicesIn(text: string): string[] {
  return text.split('\n').flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []);
}

/** Own addresses within a /24. @param text of /proc/<pid>/net/fib_trie */
export function addressesIn(text: string, prefix: string): string[] {
  const found = text.matchAll(/\|-- ([\d.]+)\n(?:\s+\/\d+ (?!host).*\n)*\s+\/32 host LOCAL/g);
  const own = [...found].flatMap(([, address = '']) =>
    address.startsWith(`${prefix}.`) ? [address] : [],
  );
  return [...new Set(own)];
}

/** Neighbours that are blocked at a device. @param text of /proc/<pid>/net/arp */
export function unreachableIn(text: string, device: string): string[] {
  return text
    .split('\n')
    .map((line) => line.split(/\s+/))
    .flatMap(([address = '', , , card, , at]) =>
      card === NOBODY && at === device ? [address] : [],
    );
}

/** One side of a cut: nothing of `machine` gets out to, or in from, `peer`. */
export interface Cut {
  machine: string;
  /** A machine's id, `host`, or `*` for everyone. */
  peer: string;
  direction: 'in' | 'out';
}

/** Whom a member, a machine's id or `host`, is not to reach; ids as in `members`. */
export function blockedFor(
  member: string,
  members: readonly string[],
  cuts: readonly Cut[],
): string[] {
  return members.filter(
    (other) =>
      other !== member &&
      cuts.some(({ machine, peer, direction }) => {
        const [inside, outside] = direction === 'out' ? [member, other] : [other, member];
        return machine === inside && (peer === outside || peer === '*');
      }),
  );
}
