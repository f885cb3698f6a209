/**
 * The store's process: `node server.js <config.json>`, run under a supervisor. Reads its
 * configuration (address, certificate, keys) again whenever the file changes; for a new address
 * it ends, so that the supervisor starts it there. Its one file with secrets is that configuration.
 */
import { readFile, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import process from 'node:process';
import { messageOf, systemCode } from '../../../lib/std/errors.ts';
import { type Log, streamLog } from '../../../lib/std/log.ts';
import { createFront } from './server/front.ts';
import { openStorage } from './server/storage.ts';

export interface ServerConfig {
  address: string;
  port: number;
  directory: string;
  certificate: string;
  privateKey: string;
  /** Secret by access key. */
  keys: Record<string, string>;
}

const RELOAD_MS = 500;
/** A backup's largest upload may take its time; a client that says nothing may not. */
const REQUEST_TIMEOUT_MS = 3_600_000;
const IDLE_TIMEOUT_MS = 120_000;
const MAX_CONNECTIONS = 512;

/** Listens until the process is told to end. @throws the error of a failed listen */
export async function serveStore(configPath: string, log: Log): Promise<Server> {
  const first = await readConfig(configPath);
  let { config } = first;
  const front = createFront({
    storage: openStorage(config.directory),
    directory: config.directory,
    secretOf: (key) => (Object.hasOwn(config.keys, key) ? config.keys[key] : undefined),
    log,
    now: Date.now,
  });
  const server = createServer(
    { ...tlsOf(config), requestTimeout: REQUEST_TIMEOUT_MS, keepAliveTimeout: IDLE_TIMEOUT_MS },
    (request, response) => void front(request, response, () => {}),
  );
  server.on('checkContinue', (request, response) => {
    void front(request, response, () => response.writeContinue());
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = IDLE_TIMEOUT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(config.port, config.address, resolve);
  });
  const stop = watch(configPath, { seen: first.stamp, log }, (next) => {
    const moved = next.address !== config.address || next.port !== config.port;
    if (moved || next.directory !== config.directory) {
      log.info('the address or directory has changed: ending, to be started there');
      server.close();
      server.closeAllConnections();
      return;
    }
    config = next;
    server.setSecureContext(tlsOf(next));
    log.info('configuration read again', { keys: Object.keys(next.keys).length });
  });
  server.once('close', stop);
  return server;
}

function tlsOf(config: ServerConfig) {
  return { cert: config.certificate, key: config.privateKey, minVersion: 'TLSv1.2' as const };
}

interface Reading {
  config: ServerConfig;
  /** What the file was when it was read; taken before, so that no later change is missed. */
  stamp: string;
}

async function readConfig(path: string): Promise<Reading> {
  const stamp = await stampOf(path);
  return { stamp, config: JSON.parse(await readFile(path, 'utf8')) as ServerConfig };
}

async function stampOf(path: string): Promise<string> {
  const { mtimeMs, ino } = await stat(path);
  return `${mtimeMs}:${ino}`;
}

/** Looks at the file's time: it is replaced as a whole, which a watch by inode would lose. */
function watch(
  path: string,
  { seen, log }: { seen: string; log: Log },
  changed: (config: ServerConfig) => void,
): () => void {
  let known = seen;
  const timer = setInterval(async () => {
    try {
      if ((await stampOf(path)) === known) return;
      const { stamp, config } = await readConfig(path);
      known = stamp;
      changed(config);
    } catch (error) {
      log.warning(`cannot read the configuration again: ${messageOf(error)}`);
    }
  }, RELOAD_MS);
  return () => clearInterval(timer);
}

if (import.meta.main) {
  const log = streamLog(process.stdout);
  try {
    const server = await serveStore(process.argv[2] ?? 'config.json', log);
    const end = () => {
      server.close();
      server.closeAllConnections();
    };
    process.once('SIGTERM', end).once('SIGINT', end);
    const at = server.address();
    log.info('serving', typeof at === 'object' && at !== null ? { ...at } : {});
  } catch (error) {
    log.error(`cannot serve: ${messageOf(error)}`, { code: systemCode(error) });
    process.exitCode = 1;
  }
}
