/** What hooks have written before, and what lies in the unit's directories. */
import { X509Certificate } from 'node:crypto';
import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { systemCode } from '../../../lib/std/errors.ts';
import { namesNow, readNow, statNow } from '../../../lib/std/files.ts';
import { directoryWishes } from '../model/directories.ts';
import type { Layout } from '../model/layout.ts';
import type {
  CertificateFacts,
  DataFacts,
  OwnedSecret,
  Snapshot,
  TemporaryFacts,
} from '../model/snapshot.ts';

export function observeFiles(layout: Layout): Snapshot['files'] {
  const certificates = namesNow(layout.tlsDirectory);
  const commands = ['psql', 'patronictl', 'pgbackrest', 'etcdctl'];
  const paths = [
    layout.desired,
    layout.etcdConfig,
    layout.patroniConfig,
    layout.pgbackrestConfig,
    layout.s3Ca,
    ...certificates
      .filter((name) => !name.endsWith('~'))
      .map((name) => `${layout.tlsDirectory}/${name}`),
    layout.ldapConfig,
    layout.ldapCa,
    layout.profile,
    ...commands.map((name) => `${layout.bin}/${name}`),
  ];
  return byPath(paths, readNow);
}

export function observeDirectories(layout: Layout): Snapshot['directories'] {
  return byPath(
    directoryWishes(layout).map(({ path }) => path),
    (path) => {
      const found = statNow(path);
      return found?.isDirectory() ? { mode: found.mode & 0o7777, uid: found.uid } : undefined;
    },
  );
}

/** PostgreSQL keeps its system identifier in the first eight bytes of global/pg_control. */
export function observeData(layout: Layout): DataFacts {
  const { data, etcdData } = layout;
  const etcdMember = statNow(`${etcdData}/member`) !== undefined;
  if (data === undefined) return { systemIdentifier: undefined, debris: false, etcdMember };
  const systemIdentifier = readIdentifier(`${data}/global/pg_control`);
  const beside = namesNow(dirname(data));
  const beforeRestore = beside.some((name) => name.startsWith(`${basename(data)}.before-`));
  const debris = systemIdentifier === undefined && namesNow(data).length > 0;
  const temporary = observeTemporary(`${data}/base/pgsql_tmp`);
  return { systemIdentifier, debris, beforeRestore, temporary, etcdMember };
}

function observeTemporary(path: string): TemporaryFacts {
  const link = linkAt(path);
  return { path, link, busy: link === undefined && namesNow(path).length > 0 };
}

/** Undefined when there is none, or something else. */
function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function readIdentifier(path: string): string | undefined {
  try {
    const file = openSync(path, 'r');
    try {
      const buffer = Buffer.alloc(8);
      const bytesRead = readSync(file, buffer, 0, 8, 0);
      // The bytes are in the machine's own order; both architectures we run on are little-endian.
      return bytesRead === 8 ? buffer.readBigUInt64LE().toString() : undefined;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

/** @returns undefined when there is no certificate, or none that can be read */
export function observeCertificate(
  app: OwnedSecret | undefined,
  unit: OwnedSecret | undefined,
): CertificateFacts | undefined {
  const pem = unit?.content['internal-cert'];
  const caPem = app?.content['internal-ca'];
  if (pem === undefined || caPem === undefined) return undefined;
  try {
    const certificate = new X509Certificate(pem);
    const ca = new X509Certificate(caPem);
    const names = certificate.subjectAltName ?? '';
    const addresses = [...names.matchAll(/IP Address:([^,\s]+)/g)].map((match) => match[1] ?? '');
    return { addresses, trusted: certificate.verify(ca.publicKey) };
  } catch {
    return undefined;
  }
}

function byPath<T>(
  paths: readonly string[],
  read: (path: string) => T | undefined,
): Record<string, T> {
  const all = paths.map((path) => [path, read(path)] as const);
  return Object.fromEntries(all.filter((each): each is [string, T & {}] => each[1] !== undefined));
}

function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '');
}
