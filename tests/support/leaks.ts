/**
 * Looks for secrets where they must not be: in files that others may read, in logs whoever may read
 * them, and in arguments and environments of processes. Names places, never a secret.
 */
import { lstat, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Deployment } from './deployment.ts';

/** What the secrets of a model hold that nobody may see: passwords, and a line of each key. */
export async function secretsOf(model: Deployment): Promise<string[]> {
  const listed = await model.json<Record<string, unknown>>('secrets');
  const known: string[] = [];
  for (const id of Object.keys(listed)) {
    const shown = await model.json<Record<string, { content: { Data: Record<string, string> } }>>([
      'show-secret',
      id,
      '--reveal',
    ]);
    const { Data } = shown[id]?.content ?? { Data: {} };
    const secret = Object.entries(Data).filter(([key]) => /password$|key$/.test(key));
    known.push(...secret.map(([, value]) => value.split('\n')[1] ?? value));
  }
  return known;
}

/** Larger files are data, which hold verifiers at most. */
const LARGEST_BYTES = 4 * 1024 * 1024;

/** @returns one line for each place below `root`, or of a process that names it, with a secret */
export async function leaksBelow(root: string, secrets: readonly string[]): Promise<string[]> {
  const [files, processes] = await Promise.all([
    inFiles(root, secrets),
    inProcesses(root, secrets),
  ]);
  return [...files, ...processes];
}

async function inFiles(directory: string, secrets: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    const facts = await lstat(path).catch(() => undefined);
    if (facts?.isDirectory()) found.push(...(await inFiles(path, secrets)));
    if (!facts?.isFile() || facts.size > LARGEST_BYTES) continue;
    const isLog = /\/log\/|\.log$/.test(path);
    if (!isLog && (facts.mode & 0o077) === 0) continue;
    const text = await readText(path);
    if (secrets.some((secret) => text.includes(secret))) {
      found.push(`${path} (mode ${(facts.mode & 0o777).toString(8)})`);
    }
  }
  return found;
}

async function inProcesses(root: string, secrets: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [argv, environment] = await Promise.all(
      ['cmdline', 'environ'].map((name) =>
        readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => ''),
      ),
    );
    const ours = `${argv}${environment}`.includes(root);
    if (!ours) continue;
    if (secrets.some((secret) => argv?.includes(secret))) found.push(`arguments of ${pid}`);
    if (secrets.some((secret) => environment?.includes(secret))) {
      found.push(`environment of ${pid}`);
    }
  }
  return found;
}

async function readText(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return '';
  try {
    return (await file.readFile()).toString('latin1');
  } finally {
    await file.close();
  }
}
