/**
 * Reads a .charm file: the four contract files at its root, checked, and the archive's hash.
 *
 * Unpacks nothing: that is the unit's agent, on its own machine.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { type ActionSpecs, parseActions } from '../../../lib/contract/actions.ts';
import { type ConfigOptions, parseConfig } from '../../../lib/contract/config.ts';
import { type CharmManifest, parseManifest, parseVersion } from '../../../lib/contract/manifest.ts';
import { type CharmMetadata, parseMetadata } from '../../../lib/contract/metadata.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Layout } from '../state/layout.ts';
import { refusal } from './model.ts';

export interface CharmContent {
  sha256: string;
  metadata: CharmMetadata;
  config: ConfigOptions;
  actions: ActionSpecs;
  manifest: CharmManifest;
  version: string | undefined;
}

const FILES = [
  'metadata.yaml',
  'manifest.yaml',
  'config.yaml',
  'actions.yaml',
  'version',
  'dispatch',
];
const LARGEST_FILE_BYTES = 4 * 1024 * 1024;

/**
 * @param path absolute
 * @param shown the path as the operator wrote it
 * @throws OperatorError `no-charm`, `charm-invalid`
 */
export async function readCharmArchive(path: string, shown: string): Promise<CharmContent> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined) throw refusal('no-charm', `no charm was found at "${shown}"`);
  if (!info.isFile()) {
    throw refusal(
      'no-charm',
      `cannot deploy "${shown}": deploying a directory is not supported`,
      'build a .charm file and deploy that',
    );
  }
  const [files, sha256] = await Promise.all([readFiles(path, shown), hashOf(path)]);
  const config = files.get('config.yaml');
  const actions = files.get('actions.yaml');
  return {
    sha256,
    metadata: parseMetadata(required(files, 'metadata.yaml')),
    manifest: parseManifest(required(files, 'manifest.yaml')),
    config: config === undefined ? {} : parseConfig(config),
    actions: actions === undefined ? {} : parseActions(actions),
    version: parseVersion(files.get('version') ?? ''),
  };
}

/**
 * Keeps the archive below D/charms by its hash; the same content is kept once, and one that was
 * damaged meanwhile is replaced.
 */
export async function keepArchive(layout: Layout, path: string, sha256: string): Promise<void> {
  const target = layout.charmArchive(sha256);
  if ((await hashOf(target).catch(() => undefined)) === sha256) {
    // Young again: nobody may prune it before the deployment is in the store.
    const now = new Date();
    await utimes(target, now, now);
    return;
  }
  await mkdir(dirname(target), { recursive: true, mode: 0o755 });
  // Two commands may bring the same charm at once.
  const temporary = `${target}.${randomUUID().slice(0, 8)}~`;
  try {
    await copyFile(path, temporary);
    if ((await hashOf(temporary)) !== sha256) {
      throw refusal('charm-changed', `cannot deploy ${path}: it changed while it was read`);
    }
    await syncFile(temporary);
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

async function readFiles(path: string, shown: string): Promise<Map<string, string>> {
  const archive = await openArchive(path, shown);
  const files = new Map<string, string>();
  try {
    for await (const entry of archive.eachEntry()) {
      if (!FILES.includes(entry.fileName)) continue;
      if (entry.fileName === 'dispatch') checkExecutable(entry, shown);
      else files.set(entry.fileName, await textOf(archive, entry, shown));
    }
  } catch (cause) {
    throw cause instanceof OperatorError ? cause : notACharm(shown, cause);
  } finally {
    archive.close();
  }
  return files;
}

async function openArchive(path: string, shown: string): Promise<ZipFile> {
  try {
    return await openPromise(path);
  } catch (cause) {
    throw notACharm(shown, cause);
  }
}

function notACharm(shown: string, cause: unknown): OperatorError {
  return new OperatorError({
    code: 'charm-invalid',
    message: `invalid charm or bundle provided at "${shown}": ${messageOf(cause)}`,
    retry: 'never',
    cause,
  });
}

async function textOf(archive: ZipFile, entry: Entry, shown: string): Promise<string> {
  if (entry.uncompressedSize > LARGEST_FILE_BYTES) {
    throw refusal('charm-invalid', `cannot read ${shown}: ${entry.fileName} is too large`);
  }
  const chunks: Buffer[] = [];
  for await (const chunk of await archive.openReadStreamPromise(entry)) {
    chunks.push(Buffer.from(chunk as Uint8Array));
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The agent would only say "permission denied" at the first hook. */
function checkExecutable(entry: Entry, shown: string): void {
  const mode = entry.externalFileAttributes >>> 16;
  if ((mode & 0o100) !== 0) return;
  throw refusal(
    'charm-invalid',
    `invalid charm or bundle provided at "${shown}": dispatch is not executable`,
    'pack the charm again with the mode 0755 for dispatch',
  );
}

function required(files: ReadonlyMap<string, string>, name: string): string {
  const text = files.get(name);
  if (text !== undefined) return text;
  throw refusal('charm-invalid', `archive file "${name}" not found`);
}
