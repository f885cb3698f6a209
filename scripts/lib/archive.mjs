/**
 * Packs a charm's directory into a .charm file, a zip whose bytes depend on the content alone:
 * sorted names, one fixed time, unix modes. The same sources give the same SHA-256.
 */
import { createWriteStream, readdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** The earliest time that a zip can hold. */
const epoch = new Date('1980-01-01T00:00:00');

/** Every file below `directory`, relative and sorted. */
export function filesBelow(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(directory.length + 1))
    .sort();
}

/**
 * @param {string} directory what to pack
 * @param {string} archive the file to write; the old one stays until the new one is whole
 * @param {Record<string, string>} [extra] further files: name in the archive -> path; mode 0755
 */
export async function packCharm(directory, archive, extra = {}) {
  const { ZipFile } = await import('yazl');
  const zip = new ZipFile();
  const members = filesBelow(directory).map((name) => ({ name, path: join(directory, name) }));
  for (const [name, path] of Object.entries(extra)) members.push({ name, path, mode: 0o755 });
  for (const { name, path, mode } of members) {
    const bits = mode ?? ((statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755);
    zip.addBuffer(readFileSync(path), name, {
      mtime: epoch,
      mode: 0o100000 | bits,
      forceDosTimestamp: true,
    });
  }
  zip.end();
  const temporary = `${archive}.${process.pid}~`;
  await pipeline(zip.outputStream, createWriteStream(temporary));
  renameSync(temporary, archive);
}
