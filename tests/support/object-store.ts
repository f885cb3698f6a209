/** A real store for tests: the server process of the object-store charm on a free port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServerConfig } from '../../charms/object-store/src/server.ts';
import { poll } from '../../lib/std/clock.ts';
import { writeAtomic } from '../../lib/std/files.ts';
import { systemRandom } from '../../lib/std/random.ts';
import { createAuthority, issueCertificate } from '../../lib/x509/authority.ts';

export interface TestStore {
  url: string;
  config: ServerConfig;
  /** The CA, as PEM and as a file. */
  ca: string;
  caFile: string;
  base: string;
  accessKey: string;
  secretKey: string;
  /** What the process has printed so far. */
  output: () => string;
  rewrite: (change: Partial<ServerConfig>) => Promise<void>;
  kill: (signal: NodeJS.Signals) => Promise<void>;
  restart: () => Promise<void>;
  stop: () => Promise<void>;
}

const PROGRAM = join(import.meta.dirname, '../../charms/object-store/src/server.ts');

export async function startStore(address = '127.0.0.1'): Promise<TestStore> {
  const base = await mkdtemp(join(tmpdir(), 'store-'));
  const validity = { days: 1, random: systemRandom };
  const authority = await createAuthority('test', validity);
  const names = { member: address, addresses: [address] };
  const { certificate, key: privateKey } = await issueCertificate(authority, names, validity);
  const accessKey = 'TESTACCESSKEY00000001';
  const secretKey = 'secret+/with=odd~characters';
  const config: ServerConfig = {
    address,
    port: await freePort(address),
    directory: join(base, 'data'),
    certificate,
    privateKey,
    keys: { [accessKey]: secretKey },
  };
  const file = join(base, 'config.json');
  const caFile = join(base, 'ca.pem');
  await writeFile(caFile, `${authority.certificate}\n`);
  let child: ChildProcess | undefined;
  let output = '';
  const start = async () => {
    child = spawn(process.execPath, [PROGRAM, file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data: Buffer) => {
        said += data;
        output += data;
      });
    }
    const ready = async () => (said.includes('serving') ? true : undefined);
    if ((await poll(ready, { timeoutMs: 20_000, everyMs: 20 })) === undefined) {
      throw new Error(`the store did not start: ${said}`);
    }
  };
  const kill = async (signal: NodeJS.Signals) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  };
  await writeAtomic(file, JSON.stringify(config));
  await start();
  const store: TestStore = {
    url: `https://${address}:${config.port}`,
    config,
    ca: authority.certificate,
    caFile,
    base,
    accessKey,
    secretKey,
    output: () => output,
    rewrite: async (change) => {
      Object.assign(config, change);
      await writeAtomic(file, JSON.stringify(config));
    },
    kill,
    restart: start,
    stop: async () => {
      await kill('SIGTERM');
      await rm(base, { recursive: true, force: true });
    },
  };
  return store;
}

async function freePort(address: string): Promise<number> {
  const probe = createServer().listen(0, address);
  await once(probe, 'listening');
  const at = probe.address();
  probe.close();
  await once(probe, 'close');
  if (at === null || typeof at === 'string') throw new Error('no port');
  return at.port;
}
