/**
 * Who may reach PostgreSQL from where: the lines of pg_hba.conf and pg_ident.conf.
 *
 * First match wins and whoever matches no line is refused. Networks are where connections come from
 * (`egress-subnets`), never where units are reached: connections between two loopback addresses,
 * for one, always arrive from 127.0.0.1.
 */
export interface HbaInput {
  /** Users that PostgreSQL trusts to act as the operator over the unit's own socket. */
  osUsers: readonly string[];
  /** Where the units of the application come from, CIDR. */
  peerNetworks: readonly string[];
  /** Lines of the clients. */
  clients: readonly string[];
  /** Nobody comes in over the network without TLS; default: everybody may. */
  tls?: boolean;
}

/** Login roles of the charm itself; they may come from any unit of the application. */
export const SYSTEM_USERS = ['operator', 'rewind', 'monitoring'] as const;

/** Reads statistics, for the exporter. */
export const MONITOR = 'monitoring';
/** Everybody whom a directory may let in is a member. */
export const IDENTITY_GROUP = 'identity_access';

export function hbaLines({ peerNetworks, clients, tls }: HbaInput): string[] {
  const networks = unique(peerNetworks);
  const lines = [
    'local all operator peer map=operator',
    `local all ${MONITOR} peer map=${MONITOR}`,
    'local all all scram-sha-256',
    ...networks.map((network) => line(['replication'], 'replication', network)),
    ...SYSTEM_USERS.flatMap((user) => networks.map((network) => line(['all'], user, network))),
    ...clients,
  ];
  // Who is refused, is refused either way.
  return tls ? lines.map((each) => each.replace(/^host (?!.* reject$)/, 'hostssl ')) : lines;
}

/** Whoever is let in by `all` below is never one of the charm's own users. */
export function ownUsersOnly(): string[] {
  const names = ['replication', ...SYSTEM_USERS].map(quote).join(',');
  return ['0.0.0.0/0', '::/0'].map((network) => `host all ${names} ${network} reject`);
}

/** What a line needs to know of a directory. */
export interface DirectoryAccess {
  security: 'ldaps' | 'starttls';
  servers: readonly { host: string; port: number }[];
  baseDn: string;
  bindDn: string;
  password: string;
  filter: string;
}

/** Search and bind: the directory finds who logs in, and says whether the password is theirs. */
export function directoryLines(networks: readonly string[], directory: DirectoryAccess): string[] {
  const [first] = directory.servers;
  if (first === undefined) return [];
  // One line has one port; PostgreSQL asks its servers in turn.
  const hosts = directory.servers
    .filter(({ port }) => port === first.port)
    .map(({ host }) => (host.includes(':') ? `[${host}]` : host));
  const options = [
    `ldapserver=${quote(hosts.join(' '))}`,
    `ldapport=${first.port}`,
    directory.security === 'ldaps' ? 'ldapscheme=ldaps' : 'ldaptls=1',
    `ldapbasedn=${quote(directory.baseDn)}`,
    `ldapbinddn=${quote(directory.bindDn)}`,
    `ldapbindpasswd=${quote(directory.password)}`,
    `ldapsearchfilter=${quote(directory.filter)}`,
  ].join(' ');
  return unique(networks).map(
    (network) => `host all +${IDENTITY_GROUP} ${network} ldap ${options}`,
  );
}

export function identLines(osUsers: readonly string[]): string[] {
  const map = (role: string) => unique(osUsers).map((user) => `${role} ${quote(user)} ${role}`);
  return [...map('operator'), ...map(MONITOR)];
}

function line(databases: readonly string[], user: string, network: string): string {
  // `replication` unquoted means replication connections; quoted, it would be a database.
  const names = databases.map((name) => (RESERVED.has(name) ? name : quote(name))).join(',');
  return `host ${names} ${quote(user)} ${network} scram-sha-256`;
}

const RESERVED = new Set(['all', 'replication']);

/** Quoted, so that no name can be read as a keyword, a group or a pattern. */
function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)].sort();
}
