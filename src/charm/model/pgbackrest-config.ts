/**
 * pgBackRest's configuration as text: where the repository is, how to reach PostgreSQL here and on
 * the other units, and the server that lets the other units reach this one. Holds the store's keys,
 * so it goes into a file that only the servers' user reads. Writes nothing itself.
 */
import type { S3Parameters } from '../../../lib/relations/s3.ts';

export interface PgBackRestInput {
  stanza: string;
  s3: S3Parameters;
  /** PEM file of the store's CA; undefined: the system's. */
  caFile: string | undefined;
  /** The system's CAs count beside those of the file. */
  systemToo?: boolean;
  /** Of one backup or restore. */
  processes: number;
  /** This pgBackRest can store changed blocks only. */
  blockIncrement: boolean;
  /** Own directories of the unit: its locks, its queue of WAL and its logs are nobody else's. */
  lock: string;
  spool: string;
  log: string;
  own: PostgresPlace;
  tls: { ca: string; cert: string; key: string };
  /** Of the content of those files, where it has to be read again when it changes. */
  tlsDigest?: string;
  port: number;
  others: readonly (PostgresPlace & { member: string })[];
}

export interface PostgresPlace {
  address: string;
  data: string;
  socket: string;
}

/** OpenSSL's directory on Debian and Ubuntu. */
const SYSTEM_CAS = '/etc/ssl/certs';

export const PGBACKREST = '/usr/bin/pgbackrest';
export const PGBACKREST_PORT = 8432;
/**
 * With more WAL than this waiting for the store, segments are given up: the archive then has a gap
 * until the next backup, but a store that is away does not fill the disk of the primary.
 */
const QUEUE_MAX = '4GiB';
/** The reference's way to say "never", which also silences pgBackRest's warning. */
const KEEP_DAYS = 9_999_999;

export function pgbackrestConfig(input: PgBackRestInput): string {
  const { s3, own } = input;
  const endpoint = new URL(s3.endpoint);
  const global = {
    'repo1-type': 's3',
    'repo1-path': s3.path === '' ? '/' : s3.path,
    'repo1-s3-bucket': s3.bucket,
    'repo1-s3-endpoint': endpoint.hostname,
    'repo1-storage-port': endpoint.port === '' ? '443' : endpoint.port,
    'repo1-s3-region': s3.region === '' ? 'us-east-1' : s3.region,
    'repo1-s3-uri-style': s3.uriStyle,
    'repo1-s3-key': s3.accessKey,
    'repo1-s3-key-secret': s3.secretKey,
    'repo1-storage-verify-tls': 'y',
    ...(input.caFile === undefined ? {} : { 'repo1-storage-ca-file': input.caFile }),
    ...(input.systemToo ? { 'repo1-storage-ca-path': SYSTEM_CAS } : {}),
    'repo1-retention-full-type': 'time',
    'repo1-retention-full': String(s3.deleteOlderThanDays ?? KEEP_DAYS),
    'repo1-retention-history': '365',
    'repo1-bundle': 'y',
    ...(input.blockIncrement ? { 'repo1-block': 'y' } : {}),
    'compress-type': 'zst',
    'process-max': String(input.processes),
    'start-fast': 'y',
    // Resuming a backup that another unit began compares files that are not the same.
    resume: 'n',
    // A unit that dies in the middle of a backup is given up after a minute where its machine is
    // gone, and after ten where it does not answer; the defaults wait for half an hour.
    'tcp-keep-alive-idle': '30',
    'tcp-keep-alive-interval': '10',
    'tcp-keep-alive-count': '3',
    'db-timeout': '600',
    'protocol-timeout': '630',
    'archive-async': 'y',
    'archive-push-queue-max': QUEUE_MAX,
    'lock-path': input.lock,
    'spool-path': input.spool,
    'log-path': input.log,
    // Files of logs would grow without bound; what matters is printed and caught by who runs it.
    'log-level-file': 'off',
    'log-level-console': 'info',
    'log-level-stderr': 'off',
    'tls-server-address': own.address,
    'tls-server-port': String(input.port),
    'tls-server-ca-file': input.tls.ca,
    'tls-server-cert-file': input.tls.cert,
    'tls-server-key-file': input.tls.key,
  };
  const allowed = input.others.map(({ member }) => `tls-server-auth=${member}=${input.stanza}`);
  return [
    ...(input.tlsDigest === undefined ? [] : [`# certificates ${input.tlsDigest}`]),
    '[global]',
    ...lines(global),
    ...allowed,
    '',
    '[global:archive-push]',
    // A line for every segment would push what matters out of PostgreSQL's bounded log.
    ...lines({ 'process-max': '2', 'log-level-console': 'warn' }),
    '',
    '[global:archive-get]',
    ...lines({ 'process-max': '2', 'log-level-console': 'warn' }),
    '',
    `[${input.stanza}]`,
    ...lines({ 'pg1-path': own.data, 'pg1-socket-path': own.socket, 'pg1-user': 'operator' }),
    ...input.others.flatMap((other, index) => otherHost(`pg${index + 2}`, other, input)),
    '',
  ].join('\n');
}

function otherHost(
  name: string,
  other: PgBackRestInput['others'][number],
  { tls, port }: PgBackRestInput,
): string[] {
  return lines({
    [`${name}-host`]: other.address,
    // It is told all it needs. The usual file is a package's example, which not everybody may read.
    [`${name}-host-config`]: '/dev/null',
    [`${name}-host-type`]: 'tls',
    [`${name}-host-port`]: String(port),
    [`${name}-host-ca-file`]: tls.ca,
    [`${name}-host-cert-file`]: tls.cert,
    [`${name}-host-key-file`]: tls.key,
    [`${name}-path`]: other.data,
    [`${name}-socket-path`]: other.socket,
    [`${name}-user`]: 'operator',
  });
}

/** @throws Error when a value would begin a second line: what is written must be what is read */
function lines(options: Readonly<Record<string, string>>): string[] {
  return Object.entries(options).map(([name, value]) => {
    if (/[\r\n]/.test(value)) throw new Error(`the value of ${name} has more than one line`);
    return `${name}=${value}`;
  });
}

/** What PostgreSQL runs for every WAL file. */
export function archiveCommand(program: string, config: string, stanza: string): string {
  return `${program} --config=${config} --stanza=${stanza} archive-push "%p"`;
}
