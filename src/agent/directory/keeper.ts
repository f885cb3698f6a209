/**
 * Keeps the roles of the database true to the users and groups of the related directory, on the
 * unit whose PostgreSQL is the primary. A directory that does not answer, or answers in part,
 * changes nothing; the world then says why.
 */
import { readFile } from 'node:fs/promises';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import { Secret } from '../../../lib/std/secret.ts';
import type { Desired, DirectoryWish } from '../../charm/model/desired.ts';
import { parseSearchFilter } from '../../charm/model/ldap-filter.ts';
import { connectDirectory } from '../../charm/workload/ldap.ts';
import type { DirectoryPort, SqlPort } from '../../charm/workload/ports.ts';
import type { Clients } from '../clients.ts';
import { planDirectory } from '../decide/directory.ts';
import {
  GROUP_ATTRIBUTES,
  GROUP_FILTER,
  type Person,
  peopleOf,
  userAttributes,
} from '../decide/directory-people.ts';
import type { Facts } from '../facts.ts';
import { Loop } from '../loop.ts';
import { changeRoles, readRoles } from './roles.ts';

const EVERY_MS = 30_000;
/** After a failure; also while it is not known whether this unit has the primary. */
const RETRY_MS = 5000;
/** Thousands of roles at once take their time. */
const STATEMENT_MS = 60_000;

export class DirectoryKeeper {
  readonly loop: Loop;
  readonly #facts: Facts;
  readonly #clients: Clients;
  readonly #log: Log;
  #settings = '';
  #everyMs = EVERY_MS;

  constructor(facts: Facts, clients: Clients, log: Log) {
    this.#facts = facts;
    this.#clients = clients;
    this.#log = log;
    this.loop = new Loop({
      name: 'synchronisation with the directory',
      log,
      everyMs: () => this.#everyMs,
      run: () => this.#keep(),
    });
  }

  /** Synchronises at once when the directory is another, or what is asked of it. */
  configure({ directory }: Desired): void {
    const settings = JSON.stringify(directory ?? {});
    if (settings === this.#settings) return;
    this.#settings = settings;
    this.loop.start();
  }

  async #keep(): Promise<void> {
    const { directory } = this.#clients.desired;
    const here = this.#isPrimary();
    this.#everyMs = directory === undefined || here ? EVERY_MS : RETRY_MS;
    if (directory === undefined || !here) {
      this.#facts.set('directory', undefined);
      return;
    }
    try {
      const people = await readPeople(directory);
      const notes = await this.#synchronise(people, directory);
      this.#facts.set('directory', { problem: undefined, notes, users: people.length });
    } catch (error) {
      this.#everyMs = RETRY_MS;
      const before = this.#facts.now.directory;
      const problem = explained(error);
      if (before?.problem !== problem) this.#log.warning(problem);
      this.#facts.set('directory', { notes: [], users: 0, ...before, problem });
    }
  }

  /** Both by its own server and by what Patroni says. */
  #isPrimary(): boolean {
    const { local, primary } = this.#facts.now;
    const { address } = this.#clients.desired.unit;
    const leads = local.known && local.value.role === 'primary';
    return leads && primary.known && primary.value.address === address;
  }

  async #synchronise(people: readonly Person[], { map }: DirectoryWish): Promise<string[]> {
    const sql = await this.#clients.localSql(STATEMENT_MS);
    try {
      return await synchronise(sql, people, map, this.#log);
    } finally {
      await sql.close();
    }
  }
}

/** @returns what an operator has to put right */
export async function synchronise(
  sql: SqlPort,
  people: readonly Person[],
  map: DirectoryWish['map'],
  log: Log,
): Promise<string[]> {
  const wanted = map.map(({ role }) => role);
  const { changes, notes } = planDirectory(people, await readRoles(sql), wanted);
  if (changes.length === 0) return notes;
  const failures = await changeRoles(sql, changes);
  log.info('roles of the directory changed', {
    changes: changes.length - failures.length,
    failures: failures.length,
  });
  for (const failure of failures) log.warning(failure);
  return [...notes, ...failures.slice(0, 1)];
}

/** All of it or an error: half a directory would look like users that have left. */
export async function readPeople(wish: DirectoryWish): Promise<Person[]> {
  const { password, caFile, map, ...target } = wish;
  const filter = parseSearchFilter(wish.filter);
  if (filter === undefined) throw new Error(`not a search filter: ${wish.filter}`);
  const directory = await connectDirectory({
    ...target,
    password: new Secret(password),
    ca: await readFile(caFile, 'utf8'),
  });
  try {
    const { attribute, everybody } = filter;
    const users = { filter: everybody, attributes: userAttributes(attribute) };
    return peopleOf({
      users: await directory.search({ base: wish.baseDn, ...users }),
      attribute,
      groups: map.length === 0 ? [] : await groupsOf(directory, wish.baseDn),
      map,
    });
  } finally {
    directory.close();
  }
}

function groupsOf(directory: DirectoryPort, base: string) {
  return directory.search({ base, filter: GROUP_FILTER, attributes: GROUP_ATTRIBUTES });
}

function explained(error: unknown): string {
  if (!(error instanceof OperatorError)) return `cannot synchronise: ${messageOf(error)}`;
  return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
}
