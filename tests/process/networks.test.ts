/**
 * Machines with a network of their own, driven by a charm of a few lines of shell: who reaches
 * whom, what a cut takes away, what outlives whom. The tests follow each other on one installation.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { poll } from '../../lib/std/clock.ts';
import { hostDevice } from '../../src/controller/machines/net-plan.ts';
import { processIds } from '../../src/controller/runner/process-record.ts';
import { startDeployment } from '../support/deployment.ts';
import { findProcesses, killAndWait, rootsOf } from '../support/processes.ts';
import { packShellCharm } from '../support/shell-charm.ts';

const skip = process.getuid?.() === 0 ? false : 'network namespaces need root';
const PORT = 7000;

/** Writes down what it hears and from where. */
const LISTENER = `
const [address, file] = process.argv.slice(2);
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (word, from) => {
  require('node:fs').appendFileSync(file, word + ' from ' + from.address + '\\n');
});
socket.bind(${PORT}, address, () => {
  require('node:fs').appendFileSync(file, 'listening\\n');
});
`;
const DISPATCH = `#!/bin/sh
place="$JUJU_CHARM_DIR/.."
case "$JUJU_DISPATCH_PATH" in
  hooks/start)
    touch "$place/heard"
    cd "$place" && setsid node charm/listener.cjs "$(unit-get private-address)" "$PWD/heard" \\
      >/dev/null 2>&1 & ;;
esac
echo "\${JUJU_DISPATCH_PATH#hooks/} $JUJU_REMOTE_UNIT" >> "$place/events"
status-set active
`;
const FILES = {
  'metadata.yaml': 'name: tiny\nsummary: s\ndescription: d\npeers: {crew: tiny}\n',
  dispatch: DISPATCH,
  'listener.cjs': LISTENER,
};
const SPEAK = `const [to, word] = process.argv.slice(1);
const socket = require("node:dgram").createSocket("udp4");
socket.send(word, ${PORT}, to, () => socket.close());`;

type Tasks = Record<string, { status: string; results?: Record<string, unknown> }>;

describe('machines with a network of their own', { skip }, async () => {
  if (skip !== false) return;
  const directory = await mkdtemp(join(process.env['PGCHARM_TEST_DIR'] ?? tmpdir(), 'net-'));
  const charm = join(directory, 'tiny.charm');
  await packShellCharm(charm, FILES);
  // Hidden neighbours too: both kinds of namespace must go together.
  const it = await startDeployment({ model: { 'machine-isolation': 'mounts' } });
  const device = hostDevice(it.root);
  after(async () => {
    await it.end();
    await rm(directory, { recursive: true, force: true });
  });

  const exec = async (unit: string, command: string): Promise<string> => {
    const words = ['exec', '--unit', unit, '--format', 'json', '--', command];
    const answer = (JSON.parse((await it.pgcharm(words)).stdout) as Tasks)[unit];
    assert.equal(answer?.status, 'completed', JSON.stringify(answer));
    return String(answer.results?.['stdout'] ?? '');
  };
  const prefix = () => addresses[0]?.replace(/\.\d+$/, '') ?? '';
  const addresses: string[] = [];
  const say = async (from: number, to: number, word: string) => {
    const [listener] = findProcesses(it.root, 'listener.cjs', addresses[from] ?? 'none');
    const words = [`--net=/proc/${listener?.pid}/ns/net`, process.execPath, '-e', SPEAK];
    await promisify(execFile)('nsenter', [...words, addresses[to] ?? '', word]);
  };
  const heard = (unit: number) =>
    readFile(join(it.root, 'agents', `unit-tiny-${unit}`, 'heard'), 'utf8');
  const hears = (unit: number, line: string) =>
    it.until(`tiny/${unit} hears: ${line}`, async () =>
      (await heard(unit)).includes(`${line}\n`) ? true : undefined,
    );
  /** What is sent later arrives: what was sent before it is lost for good. */
  const isLost = async (to: number, word: string, other: number) => {
    await say(other, to, `after-${word}`);
    await hears(to, `after-${word} from ${addresses[other]}`);
    assert.doesNotMatch(await heard(to), new RegExp(`^${word} `, 'm'));
  };
  /** What is sent to a listener before it listens is lost. */
  const listens = (unit: number, times: number) =>
    it.until(`tiny/${unit} listens`, async () =>
      (await heard(unit)).split('listening\n').length > times ? true : undefined,
    );
  const devices = () => readFileSync('/proc/net/dev', 'utf8');
  /** Processes that hold the namespaces of this installation: machines and the bridge. */
  const keepers = () => processIds().filter((pid) => isKeeper(pid, it.root));
  const network = (unit: number) => exec(`tiny/${unit}`, 'readlink /proc/self/ns/net');
  const listenerNetworks = () =>
    findProcesses(it.root, 'listener.cjs').map(({ pid }) => readlinkSync(`/proc/${pid}/ns/net`));

  test('a unit has an address of its own, and is told so', async () => {
    await it.pgcharm(['deploy', charm, '-n', '3', '--machine', 'netns']);
    await it.active(['tiny']);
    const units = await it.units('tiny');
    for (const unit of [0, 1, 2]) addresses.push(units[`tiny/${unit}`]?.['public-address'] ?? '');
    assert.deepEqual(
      addresses,
      [10, 11, 12].map((host) => `${prefix()}.${host}`),
    );
    assert.match(prefix(), /^10\.\d+\.\d+$/);
    const own = await exec('tiny/0', 'network-get crew --egress-subnets; echo $JUJU_API_ADDRESSES');
    assert.deepEqual(own.trim().split('\n'), [`${addresses[0]}/32`, `${prefix()}.1:17070`]);
    for (const unit of [0, 1, 2]) await listens(unit, 1);
    assert.equal(new Set(listenerNetworks()).size, 3);
  });

  test('machines and the host reach each other, each from its own address', async () => {
    await say(0, 1, 'hello');
    await hears(1, `hello from ${addresses[0]}`);
    await say(0, 0, 'self');
    await hears(0, `self from ${addresses[0]}`);
    const socket = createSocket('udp4');
    socket.send('host', PORT, addresses[2], () => socket.close());
    await hears(2, `host from ${prefix()}.1`);
  });

  test('a machine of another kind is refused', async () => {
    const words = ['add-unit', 'tiny', '--machine', 'loopback'];
    const { code, stderr } = await it.pgcharm(words, { mayFail: true });
    assert.notEqual(code, 0);
    assert.match(stderr, /machines of this model are of kind netns/);
  });

  test('one direction between two machines can be cut, and only that', async () => {
    await it.pgcharm('cut tiny/0 --from tiny/1 --direction out');
    await say(0, 1, 'oneway');
    await isLost(1, 'oneway', 2);
    await say(1, 0, 'back');
    await hears(0, `back from ${addresses[1]}`);
    await it.pgcharm('mend tiny/1');
    await say(0, 1, 'mended');
    await hears(1, `mended from ${addresses[0]}`);
  });

  test('a machine that is cut off from all hears nobody and is not heard', async () => {
    const { stderr } = await it.pgcharm('cut 0');
    assert.match(stderr, /machine 0 is cut off from all others and the host/);
    await say(0, 1, 'alone');
    await isLost(1, 'alone', 2);
    await say(1, 0, 'deaf');
    await it.pgcharm('mend 0');
    await isLost(0, 'deaf', 2);
  });

  test('all of it outlives the controller', async () => {
    const before = [await network(0), ...listenerNetworks()];
    await it.pgcharm('cut 0 --from 1');
    const controllers = rootsOf(findProcesses(it.root, 'controller.js'));
    assert.equal(controllers.length, 1);
    await killAndWait(controllers);
    await say(0, 1, 'still');
    await isLost(1, 'still', 2);
    await it.pgcharm('mend');
    await say(0, 1, 'again');
    await hears(1, `again from ${addresses[0]}`);
    assert.deepEqual([await network(0), ...listenerNetworks()], before);
  });

  test('what holds the networks may be killed: services stay where they are', async () => {
    const before = [await network(0), ...listenerNetworks()];
    assert.equal(keepers().length, 4);
    for (const pid of keepers()) process.kill(pid, 'SIGKILL');
    assert.equal(await network(0), before[0]);
    // A program on a machine finds it connected.
    for (const unit of [1, 2]) await network(unit);
    await it.until('all are held again', async () => (keepers().length === 4 ? true : undefined));
    await say(0, 1, 'repaired');
    await hears(1, `repaired from ${addresses[0]}`);
    assert.deepEqual([await network(0), ...listenerNetworks()], before);
  });

  test('a machine without power is gone from the network, and comes back as it was', async () => {
    await it.pgcharm('power-off tiny/1');
    assert.equal(keepers().length, 3);
    assert.deepEqual(findProcesses(join(it.root, 'agents', 'unit-tiny-1')), []);
    await it.pgcharm('power-on tiny/1');
    await it.active(['tiny']);
    await listens(1, 2);
    await say(0, 1, 'morning');
    await hears(1, `morning from ${addresses[0]}`);
  });

  test('another address reaches the unit, its neighbours and the network', async () => {
    const events = (unit: number) =>
      readFile(join(it.root, 'agents', `unit-tiny-${unit}`, 'events'), 'utf8');
    const before = { own: await events(1), other: await events(0) };
    await it.pgcharm(['change-address', 'tiny/1', `${prefix()}.99`]);
    await it.until('config-changed', async () =>
      (await events(1)).slice(before.own.length).includes('config-changed') ? true : undefined,
    );
    await it.until('the neighbour is told', async () =>
      (await events(0)).slice(before.other.length).includes('crew-relation-changed tiny/1')
        ? true
        : undefined,
    );
    const told = await exec(
      'tiny/0',
      'relation-get -r $(relation-ids crew) ingress-address tiny/1',
    );
    assert.equal(told.trim(), `${prefix()}.99`);
    const route = await exec('tiny/1', 'cat /proc/net/fib_trie');
    assert.ok(route.includes(`${prefix()}.99\n`) && !route.includes(`${addresses[1]}\n`), route);
    const taken = ['change-address', 'tiny/0', `${prefix()}.99`];
    assert.match((await it.pgcharm(taken, { mayFail: true })).stderr, /it is taken/);
  });

  test('nothing stays of a machine that is removed, nor of the installation', async () => {
    await it.pgcharm('remove-unit tiny/2');
    const gone = async () => (keepers().length === 3 ? true : undefined);
    await it.until('the machine is gone', gone);
    assert.ok(devices().includes(device));
    await it.end();
    const clean = async () => (devices().includes(device) ? undefined : true);
    assert.ok(await poll(clean, { timeoutMs: 60_000, everyMs: 20 }));
    assert.deepEqual(keepers(), []);
  });
});

function isKeeper(pid: number, root: string): boolean {
  try {
    const entries = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return entries.some((entry) => entry.startsWith(`PGCHARM_NETWORK=${root} `));
  } catch {
    return false;
  }
}
