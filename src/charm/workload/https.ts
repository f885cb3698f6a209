/** The HTTP of http.ts over mutual TLS. */
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { createSecureContext } from 'node:tls';
import { type HttpPort, httpOver } from './http.ts';

export interface TlsFiles {
  ca: string;
  cert: string;
  key: string;
}

/**
 * @param files are read once, here: make a new client when they have changed
 * @throws Error ENOENT when one is missing
 */
export function createHttps(files: TlsFiles): HttpPort {
  // One context for all connections: Patroni ends each after its answer, and parsing is dear.
  const secureContext = createSecureContext({
    ca: readFileSync(files.ca),
    cert: readFileSync(files.cert),
    key: readFileSync(files.key),
  });
  return httpOver({
    request: (url, options) => https.request(url, options),
    newAgent: (settings) => new https.Agent({ ...settings, secureContext }),
  });
}
