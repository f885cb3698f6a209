/**
 * The controller's /24 of loopback addresses: chosen at the first start, kept in the store, and
 * reserved for as long as it runs by listening on its first address.
 */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { OperatorError, systemCode } from '../../../lib/std/errors.ts';
import type { Store } from '../state/store.ts';

const API_PORT = 17070;
const CANDIDATES = 64;

export interface Subnet {
  /** First three numbers, `127.77.3`. */
  prefix: string;
  close(): Promise<void>;
}

/**
 * @param root absolute path of D: where the search begins differs from one installation to another
 * @throws OperatorError `subnet-taken`
 */
export async function reserveSubnet(store: Store, root: string): Promise<Subnet> {
  const kept = store.meta('subnet');
  const inUse = store.get('SELECT 1 FROM machine LIMIT 1') !== undefined;
  const candidates = kept === undefined ? searchOrder(root) : [kept];
  if (kept !== undefined && !inUse) candidates.push(...searchOrder(root));
  for (const prefix of candidates) {
    const server = await listen(`${prefix}.1`);
    if (server === undefined) continue;
    if (prefix !== kept) store.setMeta('subnet', prefix);
    return { prefix, close: () => new Promise((resolve) => server.close(() => resolve())) };
  }
  throw new OperatorError({
    code: 'subnet-taken',
    message: `cannot reserve ${candidates[0]}.1:${API_PORT}: another program listens there`,
    hint: `find it with: ss -ltnp "sport = :${API_PORT}", and end it`,
    retry: 'now',
  });
}

/** 127.0 and 127.1 are left to others, and so is 127.0.0.53, where resolvers sit. */
function searchOrder(root: string): string[] {
  const start = createHash('sha256').update(root).digest().readUInt16BE(0);
  return Array.from({ length: CANDIDATES }, (_, step) => {
    const at = (start + step) % (200 * 250);
    return `127.${20 + Math.floor(at / 250)}.${1 + (at % 250)}`;
  });
}

/** @returns undefined when the address is taken */
function listen(host: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error) => {
      if (systemCode(error) === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen({ host, port: API_PORT, exclusive: true }, () => resolve(server));
  });
}
