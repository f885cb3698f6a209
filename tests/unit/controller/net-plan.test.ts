/** Ranges, commands and cuts of netns machines: text in, text out. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  addressesIn,
  blockedFor,
  type Cut,
  cableBatch,
  devicesIn,
  endBatch,
  freeNetwork,
  hostDevice,
  isRouted,
  macOf,
  unreachableIn,
} from '../../../src/controller/machines/net-plan.ts';

const TITLE = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n';

/** A line of /proc/net/route. */
function route(network: string, length: number): string {
  const hex = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value >>> 0);
    return bytes.toString('hex').toUpperCase();
  };
  const number = network.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  return `eth0\t${hex(number)}\t00000000\t0001\t0\t0\t0\t${hex(mask)}\t0\t0\t0\n`;
}

describe('the range of an installation', () => {
  test('begins where its directory says, and is the same each time', () => {
    const first = freeNetwork('/var/lib/one', TITLE) ?? '';
    assert.match(first, /^10\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+$/);
    assert.equal(freeNetwork('/var/lib/one', TITLE), first);
    assert.notEqual(freeNetwork('/var/lib/two', TITLE), first);
  });

  test('is none that a route covers or lies in', () => {
    const first = freeNetwork('/d', TITLE) ?? '';
    for (const [network, length] of [
      [`${first}.0`, 24],
      [`${first}.128`, 25],
      [`${first}.7`, 32],
      [first.replace(/\d+$/, '0.0'), 16],
    ] as const) {
      const routes = TITLE + route(network, length);
      assert.ok(isRouted(first, routes), network);
      const other = freeNetwork('/d', routes);
      assert.ok(other !== undefined && other !== first, network);
      assert.ok(!isRouted(other, routes), network);
    }
  });

  test('may lie behind the default route, but not in a network that takes all of 10/8', () => {
    assert.ok(!isRouted('10.70.1', TITLE + route('0.0.0.0', 0)));
    assert.equal(freeNetwork('/d', TITLE + route('10.0.0.0', 8)), undefined);
  });
});

describe('names', () => {
  test('fit into what the kernel takes', () => {
    assert.match(hostDevice('/a/very/long/directory/'.repeat(9)), /^pgc-[0-9a-f]{10}$/);
    assert.notEqual(hostDevice('/a'), hostDevice('/b'));
  });

  test('no two machines have one card', () => {
    fc.assert(
      fc.property(fc.nat(0xffffff), fc.nat(0xffffff), (a, b) => {
        assert.match(macOf(String(a)), /^02(:[0-9a-f]{2}){5}$/);
        assert.equal(macOf(String(a)) === macOf(String(b)), a === b);
      }),
    );
  });
});

describe('what ip is told', () => {
  test('a cable leads from the bridge into the machine', () => {
    assert.equal(
      cableBatch('3', 4711),
      'link add m3 type veth peer name eth0 address 02:70:67:00:00:03 netns 4711\n' +
        'link set m3 master br0 up\n',
    );
  });

  test('an end gets its address, loses others, and forgets who may be reached again', () => {
    const text = endBatch({
      device: 'eth0',
      address: '10.70.1.12',
      present: ['10.70.1.11'],
      blocked: ['10.70.1.1'],
      unreachable: ['10.70.1.1', '10.70.1.9'],
    });
    assert.deepEqual(text.trimEnd().split('\n'), [
      'addr replace 10.70.1.12/24 dev eth0',
      'addr del 10.70.1.11/24 dev eth0',
      'link set eth0 up',
      'neigh replace 10.70.1.1 lladdr 02:00:00:00:00:00 dev eth0 nud permanent',
      'neigh del 10.70.1.9 dev eth0',
    ]);
  });
});

describe('what /proc says', () => {
  test('interfaces', () => {
    const text =
      'Inter-|   Receive   |  Transmit\n face |bytes packets|bytes\n' +
      '    lo:       0       0\n  eth0:    2924      37\npgc-0123456789: 1 2\n';
    assert.deepEqual(devicesIn(text), ['lo', 'eth0', 'pgc-0123456789']);
  });

  test('own addresses, each once, without networks and broadcasts', () => {
    const table =
      '     +-- 10.199.0.0/24 2 0 2\n        +-- 10.199.0.0/28 2 0 2\n' +
      '           |-- 10.199.0.0\n              /24 link UNICAST\n' +
      '           |-- 10.199.0.11\n              /32 host LOCAL\n' +
      '        |-- 10.199.0.255\n           /32 link BROADCAST\n' +
      '        |-- 127.0.0.1\n              /32 host LOCAL\n';
    assert.deepEqual(addressesIn(`Main:\n${table}Local:\n${table}`, '10.199.0'), ['10.199.0.11']);
  });

  test('neighbours that are blocked at a device', () => {
    const text =
      'IP address       HW type     Flags       HW address            Mask     Device\n' +
      '10.199.0.12      0x1         0x6         02:00:00:00:00:00     *        eth0\n' +
      '10.199.0.13      0x1         0x6         02:00:00:00:00:00     *        eth1\n' +
      '10.199.0.1       0x1         0x2         0a:4b:04:a1:8b:de     *        eth0\n';
    assert.deepEqual(unreachableIn(text, 'eth0'), ['10.199.0.12']);
  });
});

describe('a cut', () => {
  const members = ['0', '1', '2', 'host'];
  const blocked = (...cuts: Cut[]) =>
    Object.fromEntries(members.map((member) => [member, blockedFor(member, members, cuts)]));

  test('takes one direction between two', () => {
    const none = { 0: [], 1: [], 2: [], host: [] };
    assert.deepEqual(blocked(), none);
    const out = blocked({ machine: '0', peer: '1', direction: 'out' });
    assert.deepEqual(out, { ...none, 0: ['1'] });
    const into = blocked({ machine: '0', peer: 'host', direction: 'in' });
    assert.deepEqual(into, { ...none, host: ['0'] });
  });

  test('from everyone takes the host too, and leaves the others alone', () => {
    const all = blocked(
      { machine: '0', peer: '*', direction: 'in' },
      { machine: '0', peer: '*', direction: 'out' },
    );
    assert.deepEqual(all, { 0: ['1', '2', 'host'], 1: ['0'], 2: ['0'], host: ['0'] });
  });
});
