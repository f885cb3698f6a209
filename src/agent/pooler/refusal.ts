/**
 * A server that refuses everybody with PostgreSQL's own 57P03, "cannot connect now". The pooler is
 * led to it when its clients have waited long enough for a primary.
 *
 * It lets sessions begin and refuses their first message: of a refused login PgBouncer would make
 * an error of its own, and before version 1.20 tell it only to those who are logging in. It never
 * accepts anything else, holds no data and knows no password.
 */
import { chmodSync, chownSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import { REFUSAL_PORT } from '../../charm/workload/pgbouncer.ts';

const SSL_REQUEST = 80_877_103;
const GSS_REQUEST = 80_877_104;
const PROTOCOL_3 = 196_608;
/** A startup packet is a few names; see also `MAX_STARTUP_PACKET_LENGTH` of PostgreSQL. */
const LONGEST_STARTUP = 10_000;

export interface RefusalPlace {
  /** Directory of its socket. */
  dir: string;
  /** Who runs the pooler; undefined: the same user. */
  owner: { uid: number; gid: number } | undefined;
}

export class Refusal {
  readonly #log: Log;
  readonly #version: () => string | undefined;
  readonly #open = new Set<Socket>();
  #server: Server | undefined;

  /** @param version the primary's, as far as it is known: what a new session is told */
  constructor(log: Log, version: () => string | undefined) {
    this.#log = log;
    this.#version = version;
  }

  /** Listens from the first call on. */
  ensure({ dir, owner }: RefusalPlace): void {
    if (this.#server !== undefined) return;
    const path = `${dir}/.s.PGSQL.${REFUSAL_PORT}`;
    rmSync(path, { force: true });
    const server = createServer((socket) => this.#serve(socket));
    this.#server = server;
    const failed = (error: unknown) => {
      this.#log.warning(`cannot listen at ${path}: ${messageOf(error)}`);
      server.close();
      this.#server = undefined;
    };
    server.on('error', failed);
    server.listen(path, () => {
      try {
        chmodSync(path, 0o700);
        if (owner !== undefined) chownSync(path, owner.uid, owner.gid);
      } catch (error) {
        failed(error);
      }
    });
    server.unref();
  }

  close(): void {
    this.#server?.close();
    for (const socket of this.#open) socket.destroy();
  }

  #serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    let begun = false;
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('data', (part) => {
      if (begun) return socket.end(REFUSED);
      received = Buffer.concat([received, part]);
      if (received.length < 8) return;
      const [length, code] = [received.readInt32BE(0), received.readInt32BE(4)];
      if (length > LONGEST_STARTUP) return socket.destroy();
      if (received.length < length) return;
      received = Buffer.alloc(0);
      if (code === SSL_REQUEST || code === GSS_REQUEST) return socket.write('N');
      if (code !== PROTOCOL_3) return socket.destroy();
      begun = true;
      return socket.write(welcome(this.#version()));
    });
  }
}

/** Parameters that a client may change are left out, so that PgBouncer does not set them here. */
function welcome(version: string | undefined): Buffer {
  const parameters = { server_encoding: 'UTF8', integer_datetimes: 'on' };
  const all = Object.entries(version ? { server_version: version, ...parameters } : parameters);
  return Buffer.concat([
    message('R', Buffer.alloc(4)), // AuthenticationOk
    ...all.map(([name, value]) => message('S', text(name), text(value))),
    message('K', Buffer.alloc(8)), // BackendKeyData
    message('Z', Buffer.from('I')), // ReadyForQuery
  ]);
}

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

const REFUSED = message(
  'E',
  ...['SFATAL', 'VFATAL', 'C57P03'].map(text),
  text('Mthe database system is not accepting connections'),
  text('DThere is no primary that accepts writes.'),
  text('HTry again later.'),
  Buffer.alloc(1),
);
