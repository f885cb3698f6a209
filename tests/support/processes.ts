/**
 * Ends what a test started: every process of an installation's directory, found by that directory,
 * then the directory itself and its mark of this boot.
 */
import { rm } from 'node:fs/promises';
import {
  type Found,
  killAll,
  lives,
  processesOf,
  signalAll,
  waitUntil,
} from '../../scripts/lib/processes.mjs';
import { bootMarker } from '../../src/controller/machines/boot.ts';

/** What is killed still has to be given the processor to end. */
const GONE_MS = 60_000;

/** Kills everything at once, as a loss of power would; a later start finds what is on disk. */
export async function powerCut(directory: string): Promise<void> {
  refuseLeftovers(await killAll(directory, GONE_MS));
}

/** @throws when a process survives SIGKILL for a minute */
export async function removeInstallation(directory: string): Promise<void> {
  refuseLeftovers(await killAll(directory, GONE_MS));
  const marker = bootMarker(directory, process.env);
  if (marker !== undefined) await rm(marker, { force: true });
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** For the `exit` event of a test process that dies early: cannot wait. */
export function killNow(directory: string): void {
  for (let round = 0; round < 5; round += 1) signalAll(processesOf(directory), 'SIGKILL');
}

/** Processes of the installation whose command holds all of `words`. */
export function findProcesses(directory: string, ...words: string[]): Found[] {
  return processesOf(directory).filter(({ command }) =>
    words.every((word) => command.includes(word)),
  );
}

/** Without those that another of them has started: a child bears its name until its program. */
export function rootsOf(found: readonly Found[]): Found[] {
  return found.filter(({ parent }) => !found.some(({ pid }) => pid === parent));
}

/** Kills processes that still are who they were, and waits for their end. */
export async function killAndWait(found: readonly Found[], timeoutMs = GONE_MS): Promise<void> {
  signalAll(found, 'SIGKILL');
  if (await waitUntil(() => !found.some(lives), timeoutMs)) return;
  refuseLeftovers(found.filter(lives));
}

function refuseLeftovers(left: readonly Found[]): void {
  if (left.length === 0) return;
  const list = left.map(({ pid, command }) => `${pid} ${command}`).join('\n');
  throw new Error(`cannot end ${left.length} processes:\n${list}`);
}
