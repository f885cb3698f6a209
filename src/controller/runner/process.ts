/**
 * Runs one program of a charm in a process group of its own and hands its output on line by line.
 *
 * The program starts behind a gate: a shell waits for one line before it becomes the program, so
 * that the process is on record before it does anything. A controller that dies in between closes
 * the gate's pipe and nothing has happened.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** `exec` keeps process id and start time; the shell's own PWD must not leak out. */
const GATE = 'read -r go || exit 125; unset PWD OLDPWD; exec "$0" "$@" </dev/null';

/** Longest line that is handed on in one piece, in characters. */
const LINE_LIMIT = 64 * 1024;
/** Bytes of each stream that are kept for an action's results. */
const CAPTURE_LIMIT = 16 * 1024 * 1024;
/** How long output may trail its process: a service left behind may hold the pipe for ever. */
const DRAIN_MS = 200;

export interface Program {
  file: string;
  args?: readonly string[];
  cwd: string;
  /** Words that the gate is started with, to take it where the program belongs. Default none. */
  entrance?: readonly string[];
  env: Record<string, string>;
  /** Keep both streams whole. Default false. */
  capture?: boolean;
  onLine?: (stream: 'stdout' | 'stderr', line: string) => void;
  /** Called with the process id before the program does anything. */
  onSpawn: (pid: number) => void;
}

export interface Ended {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Empty unless captured. */
  stdout: Buffer;
  stderr: Buffer;
}

/** @throws whatever spawn or `onSpawn` throws; the program has not run then */
export async function runProgram(program: Program): Promise<Ended> {
  const gate = ['/bin/sh', '-c', GATE, program.file, ...(program.args ?? [])];
  const [first = '/bin/sh', ...rest] = [...(program.entrance ?? []), ...gate];
  const child = spawn(first, rest, {
    cwd: program.cwd,
    env: program.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const streams = [
    collect(child.stdout, 'stdout', program),
    collect(child.stderr, 'stderr', program),
  ] as const;
  const ended = exitOf(child);
  if (child.pid !== undefined) {
    try {
      program.onSpawn(child.pid);
    } catch (error) {
      child.stdin.destroy(); // The gate stays shut.
      await ended;
      throw error;
    }
    child.stdin.on('error', () => {}); // It may have been ended before the gate opened.
    child.stdin.end('go\n');
  }
  const { code, signal } = await ended;
  const [stdout, stderr] = await Promise.all(streams.map((stream) => stream.finish()));
  return { code, signal, stdout: stdout ?? Buffer.alloc(0), stderr: stderr ?? Buffer.alloc(0) };
}

function exitOf(child: ChildProcess): Promise<Pick<Ended, 'code' | 'signal'>> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
}

function collect(stream: Readable, name: 'stdout' | 'stderr', program: Program) {
  const decoder = new StringDecoder('utf8');
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let rest = '';
  const emit = (text: string) => {
    rest += text;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) program.onLine?.(name, line);
    if (rest.length <= LINE_LIMIT) return;
    program.onLine?.(name, rest);
    rest = '';
  };
  stream.on('data', (chunk: Buffer) => {
    emit(decoder.write(chunk));
    if (program.capture !== true || keptBytes >= CAPTURE_LIMIT) return;
    kept.push(chunk.subarray(0, CAPTURE_LIMIT - keptBytes));
    keptBytes += chunk.length;
  });
  const closed = new Promise<void>((resolve) => {
    stream.once('close', resolve);
    stream.once('error', () => resolve());
  });
  return {
    /** Waits for the end of the stream, but not for processes that outlive the program. */
    async finish(): Promise<Buffer> {
      const timer = setTimeout(() => stream.destroy(), DRAIN_MS);
      await closed;
      clearTimeout(timer);
      if (rest !== '') program.onLine?.(name, rest);
      return Buffer.concat(kept);
    },
  };
}
