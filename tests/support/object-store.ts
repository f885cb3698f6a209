/** A real store for tests: the object-store charm's server process on an address of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
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

export async function startStore(address = ownAddress()): Promise<TestStore> {
  const base = await mkdtemp(join(tmpdir(), 'store-'));
  const validity = { days: 1, random: systemRandom };
  const authority = await createAuthority('test', validity);
  const names = { member: address, addresses: [address] };
  const { certificate, key: privateKey } = await issueCertificate(authority, names, validity);
  const accessKey = 'TESTACCESSKEY00000001';
  const secretKey = 'secret+/with=odd~characters';
  const config: ServerConfig = {
    address,
    port: PORT,
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
    if ((await poll(ready, { timeoutMs: 120_000, everyMs: 20 })) === undefined) {
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

/** Below the ports that are given to connections: a free one of those may be taken meanwhile. */
const PORT = 9000;

function ownAddress(): string {
  return `127.${randomInt(1, 250)}.${randomInt(1, 250)}.9`;
}
