/**
 * A server that comes up when its address does, moves when the address changes, and takes over new
 * certificates without a restart. Tries again by itself; never throws.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';

const RETRY_MS = 2000;

export type Place =
  | { socketPath: string }
  | { host: string; port: number; tls?: { ca: string; cert: string; key: string } };

export class Listening {
  readonly #name: string;
  readonly #handler: RequestListener;
  readonly #log: Log;
  #place: Place | undefined;
  #server: Server | TlsServer | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(name: string, handler: RequestListener, log: Log) {
    this.#name = name;
    this.#handler = handler;
    this.#log = log;
  }

  /** Idempotent; TLS texts are PEM, not paths. */
  ensure(place: Place): void {
    if (JSON.stringify(place) === JSON.stringify(this.#place)) return;
    const before = this.#place;
    this.#place = place;
    if (
      this.#server !== undefined &&
      sameAddress(before, place) &&
      'setSecureContext' in this.#server
    ) {
      if ('host' in place && place.tls) this.#server.setSecureContext(place.tls);
      return;
    }
    this.#close();
    this.#open();
  }

  stop(): void {
    this.#place = undefined;
    this.#close();
  }

  #close(): void {
    clearTimeout(this.#retry);
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = undefined;
  }

  #open(): void {
    const place = this.#place;
    if (place === undefined) return;
    try {
      const server = make(place, this.#handler);
      this.#server = server;
      server.on('error', (error) => this.#failed(error));
      if ('socketPath' in place) listenOnSocket(server, place.socketPath);
      else server.listen(place.port, place.host);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#log.warning(`cannot listen for ${this.#name}: ${messageOf(error)}`);
    this.#close();
    this.#retry = setTimeout(() => this.#open(), RETRY_MS);
  }
}

function make(place: Place, handler: RequestListener): Server | TlsServer {
  if ('socketPath' in place || place.tls === undefined) return createServer(handler);
  const mutual = { requestCert: true, rejectUnauthorized: true };
  return createTlsServer({ ...place.tls, ...mutual }, handler);
}

function listenOnSocket(server: Server | TlsServer, path: string): void {
  // What a killed agent left. A second agent cannot run: the run script holds a lock.
  rmSync(path, { force: true });
  server.listen(path, () => chmodSync(path, 0o600));
}

function sameAddress(a: Place | undefined, b: Place): boolean {
  if (a === undefined || !('host' in a) || !('host' in b)) return false;
  return a.host === b.host && a.port === b.port && !a.tls === !b.tls;
}
