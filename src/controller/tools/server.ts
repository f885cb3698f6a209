/**
 * The socket behind `hook-tool` and `lib/hooks`: one per unit, 0600, line protocol of
 * docs/architecture.md. Calls of one context are carried out one at a time, in order.
 *
 * Knows nothing of the tools themselves; a Session carries them out.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { goQuote } from '../../../lib/contract/gnuflag.ts';
import { TOOLS } from '../../../lib/contract/tools/catalogue.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { failed, type Session, type ToolResult } from './session.ts';

/** One symlink each in every unit's tools directory. */
export const TOOL_NAMES: readonly string[] = Object.keys(TOOLS);

/** sun_path holds 108 bytes, the last of them zero. */
const MAX_PATH_BYTES = 107;
/** A request is a line; whoever sends a longer one is cut off. */
const MAX_REQUEST_BYTES = 32 * 1024 * 1024;

export interface ToolHandlers {
  /** The execution that runs on the unit now, if any. */
  session(): Session | undefined;
  /** Runs a shell command through the unit's queue and answers when it has ended (juju-exec). */
  exec(unit: string, command: string): Promise<ToolResult>;
  /** Whether the machine of a unit is certainly without power (is-powered-off). */
  isPoweredOff(unit: string): ToolResult;
  /** A bug in a tool: the caller gets exit code 1, this gets the error. */
  broke?(tool: string, error: unknown): void;
}

interface Request {
  context: string;
  dir: string;
  tool: string;
  args: string[];
  stdin?: string;
}

export class ToolServer {
  readonly socketPath: string;
  readonly handlers: ToolHandlers;
  readonly #connections = new Set<Socket>();
  #server: Server | undefined;

  constructor(socketPath: string, handlers: ToolHandlers) {
    this.socketPath = socketPath;
    this.handlers = handlers;
  }

  get listening(): boolean {
    return this.#server?.listening === true;
  }

  /** @throws OperatorError `socket-path-too-long`; any error of bind */
  async listen(): Promise<void> {
    const bytes = Buffer.byteLength(this.socketPath);
    if (bytes > MAX_PATH_BYTES) {
      throw new OperatorError({
        code: 'socket-path-too-long',
        message: `cannot listen on ${this.socketPath}: ${bytes} bytes, at most ${MAX_PATH_BYTES}`,
        hint: 'set PGCHARM_DIR to a shorter directory, or use a shorter application name',
        retry: 'never',
      });
    }
    rmSync(this.socketPath, { force: true }); // Of a controller that was killed.
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // Bound within the call: nobody but the owner can ever connect.
      const umask = process.umask(0o177);
      try {
        server.listen(this.socketPath, resolve);
      } finally {
        process.umask(umask);
      }
    });
    chmodSync(this.socketPath, 0o600);
  }

  /** Ends open connections and removes the socket. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#connections) socket.destroy();
    await closed;
    rmSync(this.socketPath, { force: true });
  }

  #serve(socket: Socket): void {
    this.#connections.add(socket);
    let buffered: Buffer[] = [];
    let size = 0;
    let answered: Promise<void> = Promise.resolve();
    socket.on('data', (chunk: Buffer) => {
      let rest = chunk;
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        const line = Buffer.concat([...buffered, rest.subarray(0, end)]).toString('utf8');
        rest = rest.subarray(end + 1);
        buffered = [];
        size = 0;
        answered = answered.then(() => this.#answer(socket, line));
      }
      if (rest.length > 0) buffered.push(rest);
      size += rest.length;
      if (size > MAX_REQUEST_BYTES) socket.destroy();
    });
    // A caller that is killed in mid-request concerns nobody else.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#connections.delete(socket));
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    const { code, stdout, stderr } = await this.#carryOut(line);
    if (socket.destroyed) return;
    // What was asked together is answered together: the caller wakes up once.
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    const out = Buffer.from(stdout, 'utf8');
    const err = Buffer.from(stderr, 'utf8');
    socket.write(Buffer.concat([Buffer.from(`${code} ${out.length} ${err.length}\n`), out, err]));
  }

  async #carryOut(line: string): Promise<ToolResult> {
    const request = parseRequest(line);
    if (request === undefined) return failed(1, 'bad request: not a request');
    try {
      if (request.tool === 'juju-exec' && request.context === '') {
        const [unit, command] = request.args;
        if (unit === undefined || command === undefined) return failed(2, 'missing commands');
        return await this.handlers.exec(unit, command);
      }
      if (request.tool === 'is-powered-off' && request.context === '') {
        return this.handlers.isPoweredOff(request.args[0] ?? '');
      }
      return this.#runTool(request);
    } catch (error) {
      this.handlers.broke?.(request.tool, error);
      // The message of a bug may quote what the caller sent: it stays in the controller's log.
      const shown = error instanceof OperatorError ? messageOf(error) : 'internal error';
      return failed(1, `${request.tool}: ${shown}`);
    }
  }

  #runTool(request: Request): ToolResult {
    if (request.tool === '') return failed(1, 'bad request: command not specified');
    if (!request.dir.startsWith('/')) return failed(1, 'bad request: Dir is not absolute');
    const session = this.handlers.session();
    const expected = session?.spec.contextId ?? '';
    if (session === undefined || request.context !== expected) {
      const got = goQuote(request.context);
      return failed(1, `bad request: expected context id ${goQuote(expected)}, got ${got}`);
    }
    return session.run(request);
  }
}

function parseRequest(line: string): Request | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const given = value as Record<string, unknown>;
  const { context = '', dir = '', tool = '', args = [], stdin } = given;
  if (typeof context !== 'string' || typeof dir !== 'string' || typeof tool !== 'string') {
    return undefined;
  }
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === 'string')) return undefined;
  if (stdin !== undefined && typeof stdin !== 'string') return undefined;
  return { context, dir, tool, args, ...(stdin === undefined ? {} : { stdin }) };
}
