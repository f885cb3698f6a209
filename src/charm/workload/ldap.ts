/**
 * Reads a directory over LDAPS or StartTLS: its users and groups, page by page. Never writes to it,
 * and sends no password before the connection is private and the server has proved who it is.
 */
import type { Attribute, Client, SearchOptions } from 'ldapjs';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Secret } from '../../../lib/std/secret.ts';
import type { DirectoryWish } from '../model/desired.ts';
import type { LdapEntry } from '../model/ldap-entry.ts';
import type { DirectoryPort, LdapSearch } from './ports.ts';

export interface DirectoryTarget extends Omit<DirectoryWish, 'password' | 'caFile' | 'map'> {
  password: Secret;
  /** PEM of the authority to trust; undefined: the system's. */
  ca: string | undefined;
  /** For a connection and for each answer; default 10,000. */
  timeoutMs?: number;
}

const PAGE_SIZE = 500;
const TIMEOUT_MS = 10_000;

/**
 * Connects to the first server that answers, and binds.
 * @throws OperatorError `ldap-unreachable`, or `ldap-refused` when the login is wrong
 */
export async function connectDirectory(target: DirectoryTarget): Promise<DirectoryPort> {
  const reasons: string[] = [];
  for (const { host, port } of target.servers) {
    try {
      return await connectTo(host, port, target);
    } catch (error) {
      if (error instanceof OperatorError && error.code === 'ldap-refused') throw error;
      reasons.push(`${hostPort(host, port)}: ${messageOf(error)}`);
    }
  }
  throw new OperatorError({
    code: 'ldap-unreachable',
    message: `cannot reach the directory: ${reasons.join('; ')}`,
    retry: 'now',
  });
}

async function connectTo(
  host: string,
  port: number,
  target: DirectoryTarget,
): Promise<DirectoryPort> {
  // Loaded on demand: it costs 40 ms and memory, and most clusters have no directory.
  const { default: ldap } = await import('ldapjs');
  const timeoutMs = target.timeoutMs ?? TIMEOUT_MS;
  const tls = { host, ...(target.ca === undefined ? {} : { ca: target.ca }) };
  const client = ldap.createClient({
    url: `${target.security === 'ldaps' ? 'ldaps' : 'ldap'}://${hostPort(host, port)}`,
    tlsOptions: tls,
    timeout: timeoutMs,
    connectTimeout: timeoutMs,
    reconnect: false,
  });
  const close = () => client.destroy();
  try {
    await connected(client);
    if (target.security === 'starttls') {
      await called((done) => client.starttls(tls, [], done), timeoutMs);
    }
    await called((done) => client.bind(target.bindDn, target.password.reveal(), done), timeoutMs);
  } catch (error) {
    close();
    throw loginError(error, target.bindDn);
  }
  return { search: (wanted) => search(client, wanted), close };
}

/** The first connection: made, or why not. Whatever breaks later is each request's own error. */
function connected(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.on('error', reject);
    client.once('connect', () => resolve());
    client.once('connectTimeout', () => reject(new Error('no answer in time')));
    client.once('connectError', reject);
    client.once('setupError', reject);
  });
}

/** One request with a callback. The time limit holds also where the library has none. */
function called(
  request: (done: (error: Error | null) => void) => void,
  timeoutMs: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no answer in time')), timeoutMs);
    request((error) => {
      clearTimeout(late);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Result code 49: the directory knows us not, and trying again is of no use. */
function loginError(error: unknown, bindDn: string): unknown {
  const name = error instanceof Error ? error.name : '';
  if (name !== 'InvalidCredentialsError' && name !== 'InappropriateAuthenticationError') {
    return error;
  }
  return new OperatorError({
    code: 'ldap-refused',
    message: `cannot log in to the directory as ${bindDn}: it refuses the password`,
    hint: 'the application that provides the directory has to give another',
  });
}

function search(client: Client, { base, filter, attributes }: LdapSearch): Promise<LdapEntry[]> {
  const options: SearchOptions = {
    ...{ scope: 'sub', filter, attributes: [...attributes] },
    paged: { pageSize: PAGE_SIZE },
  };
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(searchError(error, base));
    client.search(base, options, (error, answer) => {
      if (error) return fail(error);
      const entries: LdapEntry[] = [];
      answer.on('searchEntry', ({ objectName, attributes: found }) => {
        entries.push({ dn: String(objectName), values: valuesOf(found) });
      });
      answer.on('error', fail);
      // With pages, `end` comes once, behind the last.
      answer.on('end', () => resolve(entries));
    });
  });
}

/** By attribute in lower case: servers are free to answer in another case than was asked. */
function valuesOf(attributes: readonly Attribute[]): Record<string, string[]> {
  return Object.fromEntries(
    attributes.map(({ type, values }) => [type.toLowerCase(), [values].flat()]),
  );
}

function searchError(error: unknown, base: string): OperatorError {
  return new OperatorError({
    code: 'ldap-unreachable',
    message: `cannot search the directory below ${base}: ${reasonOf(error)}`,
    retry: 'now',
    cause: error,
  });
}

/** The library's errors often have an empty message and a telling name. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return message !== '' || !(error instanceof Error) ? message : error.name;
}
