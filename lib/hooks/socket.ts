/**
 * Hook calls over one connection to the embedded controller (docs/architecture.md): no process per
 * call, and calls made together travel together. Answers come in the order of the requests.
 */
import { createConnection, type Socket } from 'node:net';
import { OperatorError } from '../std/errors.ts';
import type { ToolAnswer, Transport } from './transport.ts';

interface Waiting {
  resolve(answer: ToolAnswer): void;
  reject(error: Error): void;
}

/** @param context JUJU_CONTEXT_ID; file arguments of calls are relative to `dir` */
export async function socketTransport(
  path: string,
  context: string,
  dir: string,
): Promise<Transport> {
  const waiting: Waiting[] = [];
  const socket = await open(path);
  let gone: Error | undefined;
  const fail = (cause?: Error) => {
    gone = controllerGone(path, cause);
    for (const { reject } of waiting.splice(0)) reject(gone);
  };
  socket.on(
    'data',
    answerReader((answer) => waiting.shift()?.resolve(answer)),
  );
  socket.on('error', fail);
  socket.on('close', () => fail());
  return {
    call: (tool, args, stdin) =>
      new Promise((resolve, reject) => {
        if (gone !== undefined) return reject(gone);
        waiting.push({ resolve, reject });
        if (socket.writableCorked === 0) {
          socket.cork();
          process.nextTick(() => socket.uncork());
        }
        socket.write(`${JSON.stringify({ context, dir, tool, args, stdin })}\n`);
      }),
    // Nothing passes argv here. Base64 in a file keeps any value whole, also the empty one.
    withSecret: (content, use) => {
      const pairs = Object.entries(content).map(([key, value]) => [
        `${key}#base64`,
        Buffer.from(value, 'utf8').toString('base64'),
      ]);
      return use(['--file', '-'], JSON.stringify(Object.fromEntries(pairs)));
    },
    close: () =>
      new Promise((resolve) => {
        if (socket.destroyed) return resolve();
        socket.once('close', () => resolve());
        socket.end();
      }),
  };
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    const refuse = (cause: Error) => reject(controllerGone(path, cause));
    socket.once('error', refuse);
    socket.once('connect', () => {
      socket.off('error', refuse);
      resolve(socket);
    });
  });
}

/** Cuts a stream into answers: `<code> <stdout bytes> <stderr bytes>\n`, then those bytes. */
export function answerReader(onAnswer: (answer: ToolAnswer) => void): (chunk: Buffer) => void {
  let buffered: Buffer = Buffer.alloc(0);
  return (chunk) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    for (;;) {
      const end = buffered.indexOf(10);
      if (end < 0) return;
      const [code = 1, out = 0, err = 0] = buffered
        .toString('latin1', 0, end)
        .split(' ')
        .map(Number);
      const total = end + 1 + out + err;
      if (buffered.length < total) return;
      const stdout = buffered.toString('utf8', end + 1, end + 1 + out);
      const stderr = buffered.toString('utf8', end + 1 + out, total);
      buffered = buffered.subarray(total);
      onAnswer({ code, stdout, stderr });
    }
  };
}

function controllerGone(path: string, cause: Error | undefined): OperatorError {
  const why = cause === undefined ? '' : `: ${cause.message}`;
  return new OperatorError({
    code: 'controller-gone',
    message: `cannot reach the controller at ${path}${why}`,
    hint: 'the hook runs again when the controller is back',
    cause,
  });
}
