/** What hooks have written before, and what lies in the unit's directories. */
import { X509Certificate } from 'node:crypto';
import { open, readdir, readlink, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { systemCode } from '../../../lib/std/errors.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import { directoryWishes } from '../model/directories.ts';
import type { Layout } from '../model/layout.ts';
import type {
  CertificateFacts,
  DataFacts,
  OwnedSecret,
  Snapshot,
  TemporaryFacts,
} from '../model/snapshot.ts';

export async function observeFiles(layout: Layout): Promise<Snapshot['files']> {
  const certificates = await entries(layout.tlsDirectory);
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
  return byPath(paths, readIfExists);
}

export async function observeDirectories(layout: Layout): Promise<Snapshot['directories']> {
  return byPath(
    directoryWishes(layout).map(({ path }) => path),
    async (path) => {
      const found = await statIfExists(path);
      return found?.isDirectory() ? { mode: found.mode & 0o7777, uid: found.uid } : undefined;
    },
  );
}

/** PostgreSQL keeps its system identifier in the first eight bytes of global/pg_control. */
export async function observeData(layout: Layout): Promise<DataFacts> {
  const { data, etcdData } = layout;
  const etcdMember = (await statIfExists(`${etcdData}/member`)) !== undefined;
  if (data === undefined) return { systemIdentifier: undefined, debris: false, etcdMember };
  const systemIdentifier = await readIdentifier(`${data}/global/pg_control`);
  const beside = await entries(dirname(data));
  const beforeRestore = beside.some((name) => name.startsWith(`${basename(data)}.before-`));
  const debris = systemIdentifier === undefined && (await entries(data)).length > 0;
  const temporary = await observeTemporary(`${data}/base/pgsql_tmp`);
  return { systemIdentifier, debris, beforeRestore, temporary, etcdMember };
}

async function observeTemporary(path: string): Promise<TemporaryFacts> {
  const link = await readlink(path).catch(() => undefined);
  return { path, link, busy: link === undefined && (await entries(path)).length > 0 };
}

async function readIdentifier(path: string): Promise<string | undefined> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(8) });
      // The bytes are in the machine's own order; both architectures we run on are little-endian.
      return bytesRead === 8 ? buffer.readBigUInt64LE().toString() : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

async function entries(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isAbsence(error)) return [];
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

async function byPath<T>(
  paths: readonly string[],
  read: (path: string) => Promise<T | undefined>,
): Promise<Record<string, T>> {
  const all = await Promise.all(paths.map(async (path) => [path, await read(path)] as const));
  return Object.fromEntries(
    all.filter((each): each is [string, Awaited<T> & T] => each[1] !== undefined),
  );
}

async function statIfExists(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '');
}
