/** Types of processes.mjs for the tests. */
export interface Found {
  pid: number;
  parent: number;
  started: string;
  command: string;
  cwd: string;
}
export function processesOf(directory: string): Found[];
export function lives(found: Found): boolean;
export function signalAll(found: readonly Found[], signal: NodeJS.Signals): void;
export function waitUntil(check: () => boolean, timeoutMs: number): Promise<boolean>;
export function killAll(directory: string, timeoutMs?: number): Promise<Found[]>;
