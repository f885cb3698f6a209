/**
 * Hook calls by starting the tools on PATH: one process per call, under any controller. Content of
 * databags goes over stdin and that of secrets through files of mode 0600, for argv can be read by
 * everybody on the machine.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OperatorError, systemCode } from '../std/errors.ts';
import type { ToolAnswer, Transport } from './transport.ts';

type Environment = Record<string, string | undefined>;

export function execTransport(env: Environment): Transport {
  return {
    call: (tool, words, stdin) => runTool(env, tool, words, stdin),
    async withSecret(content, use) {
      const dir = await mkdtemp(join(tmpdir(), 'hook-'));
      try {
        const words = Object.entries(content).map(async ([key, value], index) => {
          const path = join(dir, String(index));
          await writeFile(path, value, { mode: 0o600, flag: 'wx' });
          return `${key}#file=${path}`;
        });
        return await use(await Promise.all(words));
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    },
    close: async () => {},
  };
}

function runTool(
  env: Environment,
  tool: string,
  words: readonly string[],
  stdin: string | undefined,
): Promise<ToolAnswer> {
  return new Promise((resolve, reject) => {
    const child = spawn(tool, words, {
      env,
      stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => reject(notStarted(tool, error)));
    child.on('close', (code, signal) => {
      const stderr = Buffer.concat(err).toString('utf8');
      resolve({
        code: code ?? 1,
        stdout: Buffer.concat(out).toString('utf8'),
        stderr: signal === null ? stderr : `${stderr}ended by ${signal}`,
      });
    });
    // A tool that fails before it reads closes the pipe; its answer says why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin);
  });
}

function notStarted(tool: string, cause: Error): OperatorError {
  const missing = systemCode(cause) === 'ENOENT';
  return new OperatorError({
    code: 'hook-tool-missing',
    message: `cannot start ${tool}: ${missing ? 'it is not on PATH' : cause.message}`,
    hint: 'hook tools exist only while a controller runs a hook',
    retry: 'never',
    cause,
  });
}
