/**
 * Compiles the targets with esbuild, packs the charms, and skips what no input has changed.
 *
 * Output appears whole or not at all: it is made beside the old one and renamed over it. Bundles
 * are split so that a hook loads only the chunks that it needs; whitespace and names stay, so that
 * a stack trace can be read.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { filesBelow, packCharm } from './archive.mjs';
import { builtinImports } from './builtin-imports.mjs';
import { namedDynamicImports } from './dynamic-import.mjs';
import { withLock } from './lock.mjs';
import { monitoringSources, monitoringText } from './monitoring.mjs';
import { projectRoot } from './node.mjs';
import { targets } from './targets.mjs';
import { Refusal } from './terminal.mjs';

const dist = join(projectRoot, 'dist');

/** CommonJS libraries in an ES module bundle still call require() for Node's own modules. */
const requireBanner =
  "const require = process.getBuiltinModule('node:module').createRequire(import.meta.url);";

/**
 * @param {{ names?: string[] }} [options] names: only these targets; default all
 * @returns {Promise<{ built: { name: string, why: string, ms: number }[], unchanged: number }>}
 */
export async function build(options = {}) {
  return await withLock(join(dist, '.lock'), async () => {
    const chosen = choose(options.names ?? []);
    const built = [];
    for (const target of chosen) {
      const started = Date.now();
      const why = reasonToBuild(target);
      if (why === undefined) continue;
      await buildTarget(target);
      built.push({ name: target.name, why, ms: Date.now() - started });
    }
    return { built, unchanged: chosen.length - built.length };
  });
}

/** Where a target's packed charm is. */
export function archiveOf(name) {
  return join(dist, `${name}.charm`);
}

function choose(names) {
  const all = targets();
  for (const name of names) {
    if (all.some((target) => target.name === name)) continue;
    const known = all.map((target) => target.name).join(', ');
    throw new Refusal(`cannot build ${name}: no such target`, `targets are ${known}`);
  }
  return names.length === 0 ? all : all.filter((target) => names.includes(target.name));
}

/** Undefined when the recorded inputs have the recorded content. */
function reasonToBuild(target) {
  const made = join(dist, target.out);
  if (!existsSync(made) || (target.charm && !existsSync(archiveOf(target.name)))) {
    return 'not built yet';
  }
  try {
    const record = JSON.parse(readFileSync(recordOf(target), 'utf8'));
    if (record.layout !== layoutOf(target)) return 'its layout changed';
    const changed = record.inputs.find(([path, hash]) => hashOf(path) !== hash);
    return changed === undefined ? undefined : `${changed[0]} changed`;
  } catch {
    return 'no record of the last build';
  }
}

async function buildTarget(target) {
  const made = join(dist, `${target.out}.${process.pid}~`);
  rmSync(made, { recursive: true, force: true });
  mkdirSync(made, { recursive: true });
  try {
    const inputs = await bundle(target, made);
    for (const [name, source] of Object.entries(target.copies)) {
      mkdirSync(dirname(join(made, name)), { recursive: true });
      copyFileSync(join(projectRoot, source), join(made, name));
      inputs.push(source);
    }
    for (const [name, folder] of Object.entries(target.monitoring ?? {})) {
      const at = join(projectRoot, folder);
      writeFileSync(join(made, name), await monitoringText(at, target.name));
      inputs.push(...monitoringSources(at).map((path) => relative(projectRoot, path)));
    }
    setModes(target, made);
    // A charm's `version` is what status shows as charm-version: it tells what runs from the clone.
    writeFileSync(join(made, target.charm ? 'version' : 'VERSION'), `${contentHash(made)}\n`);
    if (target.charm) await packCharm(made, archiveOf(target.name));
    rmSync(join(dist, target.out), { recursive: true, force: true });
    renameSync(made, join(dist, target.out));
    writeRecord(target, inputs);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

/** @returns {Promise<string[]>} every source file that went in */
async function bundle(target, made) {
  const esbuild = await import('esbuild');
  const entries = Object.fromEntries(
    Object.entries(target.entries).map(([name, source]) => [name, join(projectRoot, source)]),
  );
  const result = await esbuild
    .build({
      entryPoints: entries,
      outdir: made,
      absWorkingDir: projectRoot,
      bundle: true,
      splitting: true,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      chunkNames: 'chunks/[name]-[hash]',
      minifySyntax: true,
      legalComments: 'eof',
      // ES modules where a library has them: they split and shed what nobody uses.
      mainFields: ['module', 'main'],
      banner: { js: requireBanner },
      plugins: [namedDynamicImports(), builtinImports()],
      metafile: true,
      logLevel: 'silent',
    })
    .catch((error) => {
      throw new Refusal(`cannot build ${target.name}: ${firstError(error)}`);
    });
  // Says to Node, without a guess that would cost every hook time, that .js here is ES modules.
  writeFileSync(join(made, 'package.json'), '{"type":"module"}\n');
  return Object.keys(result.metafile.inputs).filter(
    (path) => !/^node-(names|builtins):/.test(path),
  );
}

function firstError(error) {
  const [first] = error.errors ?? [];
  if (first === undefined) return error.message;
  const at = first.location;
  return at === null ? first.text : `${at.file}:${at.line}:${at.column}: ${first.text}`;
}

function setModes(target, made) {
  for (const name of filesBelow(made)) {
    chmodSync(join(made, name), target.executable.includes(name) ? 0o755 : 0o644);
  }
}

function contentHash(directory) {
  const hash = createHash('sha256');
  for (const name of filesBelow(directory)) {
    hash.update(`${name}\0`).update(readFileSync(join(directory, name)));
  }
  return hash.digest('hex').slice(0, 16);
}

function recordOf(target) {
  return join(dist, '.inputs', `${target.name}.json`);
}

function writeRecord(target, inputs) {
  const own = [
    'compile',
    'archive',
    'builtin-imports',
    'dynamic-import',
    'monitoring',
    'targets',
  ].map((name) => `scripts/lib/${name}.mjs`);
  const paths = [...new Set([...inputs, ...own, 'package-lock.json'])].sort();
  const record = {
    layout: layoutOf(target),
    inputs: paths.map((path) => [path, hashOf(path)]),
  };
  mkdirSync(dirname(recordOf(target)), { recursive: true });
  writeFileSync(recordOf(target), JSON.stringify(record));
}

/** The list of files itself is an input: one that appears is not among the recorded ones. */
function layoutOf({ entries, copies, executable, monitoring }) {
  const folders = Object.values(monitoring ?? {}).map((folder) => join(projectRoot, folder));
  const rules = folders.flatMap(monitoringSources);
  return JSON.stringify({ entries, copies, executable, rules });
}

function hashOf(path) {
  try {
    return createHash('sha256')
      .update(readFileSync(join(projectRoot, path)))
      .digest('hex');
  } catch {
    return 'missing';
  }
}
