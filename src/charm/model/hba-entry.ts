/**
 * The options `access-networks` and `access-hba-entries`: from where more may come than the related
 * applications, and entries of pg_hba.conf that an operator adds.
 *
 * Takes only what PostgreSQL and the pooler both understand alike, or PostgreSQL alone where that
 * opens nothing behind the other's back; whatever passes here PostgreSQL loads. Refuses what would
 * let somebody in without proof, or as one of the charm's own users.
 */
import { parseSubnet } from '../../../lib/relations/subnets.ts';
import { isOwnName } from './ldap-map.ts';

export interface HbaEntry {
  readonly type: 'host' | 'hostssl' | 'hostnossl';
  /** Names as they are, or `all` alone. */
  readonly databases: readonly Name[];
  readonly users: readonly Name[];
  /** CIDR */
  readonly network: string;
  readonly method: 'scram-sha-256' | 'cert' | 'reject';
}

/** A keyword stands for many; a group is the members of a role. */
export interface Name {
  readonly kind: 'all' | 'name' | 'group';
  readonly name: string;
}

const TYPES = ['host', 'hostssl', 'hostnossl'] as const;
const METHODS = ['scram-sha-256', 'cert', 'reject'] as const;
/** A word, or text in quotes in which two quotes are one. */
const TOKEN = /(\+?)(?:"((?:[^"\u0000-\u001f\u007f]|"")+)"|([A-Za-z0-9_.$-]+))/y;

/** CIDR, ascending; undefined when a part is none. */
export function parseNetworks(text: string): string[] | undefined {
  const networks = text.split(',').map((part) => parseSubnet(part.trim()));
  return networks.every((network) => network !== undefined)
    ? [...new Set(networks)].sort()
    : undefined;
}

export type ParsedEntries =
  | { readonly ok: true; readonly entries: HbaEntry[] }
  | { readonly ok: false; readonly line: string };

/** One entry a line; empty lines and those that begin with # are for people. */
export function parseHbaEntries(text: string): ParsedEntries {
  const entries: HbaEntry[] = [];
  for (const line of text.split('\n').map((each) => each.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const entry = parseEntry(line);
    if (entry === undefined) return { ok: false, line };
    entries.push(entry);
  }
  return { ok: true, entries };
}

function parseEntry(line: string): HbaEntry | undefined {
  const fields = fieldsOf(line);
  const [first, databases, users, address, last] = fields ?? [];
  const type = TYPES.find((each) => each === first?.text);
  const method = METHODS.find((each) => each === last?.text);
  const network = parseSubnet(address?.text ?? '');
  if (type === undefined || method === undefined || network === undefined) return undefined;
  if (fields?.length !== 5 || databases === undefined || users === undefined) return undefined;
  // The pooler knows no groups: who is refused as one would come in through it.
  const groups = users.names.some(({ kind }) => kind === 'group');
  if ((groups && method === 'reject') || (method === 'cert' && type !== 'hostssl')) {
    return undefined;
  }
  const usable = databases.names.every(isDatabase) && users.names.every(isUser);
  return usable && isUniform(databases.names) && isUniform(users.names)
    ? { type, databases: databases.names, users: users.names, network, method }
    : undefined;
}

interface Field {
  text: string;
  names: Name[];
}

/** Fields are separated by blanks, the names of one by commas. */
function fieldsOf(line: string): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  while (at < line.length) {
    const start = at;
    const names: Name[] = [];
    do {
      if (names.length > 0) at += 1;
      TOKEN.lastIndex = at;
      const match = TOKEN.exec(line);
      // Addresses are no names: whatever stands up to the next blank. Nor is nothing.
      if (match === null) {
        names.length = 0;
        break;
      }
      names.push(nameOf(match));
      at = TOKEN.lastIndex;
    } while (line[at] === ',');
    const end = /\s|$/.exec(line.slice(at))?.index ?? 0;
    fields.push({ text: line.slice(start, at + end), names: end === 0 ? names : [] });
    at += end;
    at += /^\s*/.exec(line.slice(at))?.[0].length ?? 0;
  }
  return fields;
}

function nameOf([, plus, quoted, bare = '']: RegExpExecArray): Name {
  const name = quoted === undefined ? bare : quoted.replaceAll('""', '"');
  if (plus === '+') return { kind: 'group', name };
  return quoted === undefined && name === 'all' ? { kind: 'all', name } : { kind: 'name', name };
}

/** `all` beside names would say less than it seems to. */
function isUniform(names: readonly Name[]): boolean {
  return names.length === 1 || (names.length > 1 && names.every(({ kind }) => kind !== 'all'));
}

const DATABASE_WORDS = ['replication', 'sameuser', 'samerole', 'samegroup'];

function isDatabase({ kind, name }: Name): boolean {
  return kind !== 'group' && !DATABASE_WORDS.includes(name) && Buffer.byteLength(name) <= 63;
}

function isUser({ kind, name }: Name): boolean {
  return kind === 'all' || (!isOwnName(name) && Buffer.byteLength(name) <= 63);
}

/** A line of pg_hba.conf. */
export function hbaEntryLine({ type, databases, users, network, method }: HbaEntry): string {
  return [type, databases.map(word).join(','), users.map(word).join(','), network, method].join(
    ' ',
  );
}

/** Whether the pooler understands an entry as PostgreSQL does. */
export function isForPooler({ users, method }: HbaEntry): boolean {
  return method !== 'cert' && users.every(({ kind }) => kind !== 'group');
}

function word({ kind, name }: Name): string {
  if (kind === 'all') return name;
  return `${kind === 'group' ? '+' : ''}"${name.replaceAll('"', '""')}"`;
}
