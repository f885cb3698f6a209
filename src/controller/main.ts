/**
 * The controller's entry: `controller.js --dir D`. One per directory; SIGTERM and SIGINT end it in
 * good order, anything else may end it at any moment.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { digestOf } from '../../lib/std/digest.ts';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';
import { startApi } from './api/server.ts';
import type { ApiSources } from './api.ts';
import { Engine } from './engine.ts';
import { reserveSubnet } from './machines/subnet.ts';
import { daemonLog } from './state/daemon-log.ts';
import { takeInstanceLock } from './state/instance-lock.ts';
import { Layout } from './state/layout.ts';
import { Store } from './state/store.ts';

const API_SOURCES: ApiSources = ['api.ts', 'api/documents.ts'];
const USAGE = 'usage: controller --dir <directory>';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { dir: { type: 'string' } } });
  if (values.dir === undefined) throw usage();
  const root = resolve(values.dir);
  process.umask(0o022); // What a charm makes is as readable as under Juju's agent.
  mkdirSync(root, { recursive: true, mode: 0o711 });
  chmodSync(root, 0o711);
  const lock = takeInstanceLock(root);
  const log = daemonLog(join(root, 'log', 'controller.log'));
  const store = new Store(new Layout(root).database);
  nameModel(store);
  const subnet = await reserveSubnet(store, root);
  const engine = new Engine({ store, root, log });
  await engine.start();
  const version = releaseVersion();
  const api = await startApi({ store, engine, root, log, version, api: apiDigest() });
  log.info(`controller ${version} runs: process ${process.pid}, addresses ${subnet.prefix}.0/24`);

  let ending = false;
  const end = (signal: string) => {
    if (ending) return;
    ending = true;
    log.info(`ending on ${signal}`);
    void (async () => {
      await api.close();
      await engine.stop();
      await subnet.close();
      store.close();
      lock.release();
      process.exit(0);
    })().catch(fail);
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  process.on('SIGHUP', () => {}); // The terminal that started it may go.
}

function nameModel(store: Store): void {
  if (store.meta('model-uuid') === undefined) store.setMeta('model-uuid', randomUUID());
  if (store.meta('model-name') === undefined) store.setMeta('model-name', 'pgcharm');
}

/** The build writes VERSION beside the program; running from source there is none. */
function releaseVersion(): string {
  try {
    return readFileSync(join(import.meta.dirname, 'VERSION'), 'utf8').trim();
  } catch {
    return 'development';
  }
}

/** Of the sources that the build has put beside the program. */
function apiDigest(): string | undefined {
  try {
    const texts = API_SOURCES.map((name) =>
      readFileSync(join(import.meta.dirname, 'contract', name), 'utf8'),
    );
    return digestOf(texts.join('\0'));
  } catch {
    return undefined;
  }
}

function usage(): OperatorError {
  return new OperatorError({
    code: 'usage',
    message: 'cannot start: no directory was given',
    hint: USAGE,
    retry: 'never',
  });
}

function fail(error: unknown): never {
  if (error instanceof OperatorError) {
    const hint = error.hint === undefined ? '' : `HINT ${error.hint}\n`;
    // As src/cli/last-words.ts reads it, when a command has waited for this start in vain.
    process.stderr.write(`ERROR ${error.message}\n${hint}`);
  } else {
    const text = error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
    process.stderr.write(`${text}\n`);
  }
  process.exit(1);
}

await main().catch(fail);
