/**
 * The storage package, made safe against the ways a server dies and clients collide: an object is
 * written beside its place, synced and renamed, so that a crash or a body that proves false leaves
 * the old object or none; deleting leaves directories alone that another request has just filled.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import S3rver, { type ByteRange, type StoredObject } from '@20minutes/s3rver';
import { systemCode } from '../../../../lib/std/errors.ts';

export type ObjectStorage = S3rver;

export function openStorage(directory: string): ObjectStorage {
  const storage = new S3rver({ directory, silent: true, vhostBuckets: false });
  const { store } = storage;
  store.putContent = putContent;
  const getObject = store.getObject.bind(store);
  store.getObject = async (bucket, key, range) => {
    const object = await getObject(bucket, key, range);
    return object === null ? null : mendRange(object, range, () => firstByte(bucket, key));
  };
  const firstByte = async (bucket: string, key: string) => {
    const file = await open(store.getResourcePath(bucket, key, 'object'));
    return file.createReadStream({ start: 0, end: 0 });
  };
  store.deleteObject = async (bucket, key) => {
    for (const resource of ['object', 'object.md5', 'metadata.json']) {
      await removeIfExists(store.getResourcePath(bucket, key, resource));
    }
    const parts = key.split('/').slice(0, -1);
    for (; parts.length > 0; parts.pop()) {
      if (!(await removedIfEmpty(join(directory, bucket, ...parts)))) break;
    }
  };
  return storage;
}

/** The storage takes an end at 0 for none, and thinks that an empty object has a first byte. */
async function mendRange(
  object: StoredObject,
  asked: Partial<ByteRange> | undefined,
  firstByte: () => Promise<Readable>,
): Promise<StoredObject> {
  if (object.range === undefined || object.content === null) return object;
  if (object.size === 0) {
    object.content.destroy();
    object.content = null;
  } else if (asked?.end === 0) {
    object.content.destroy();
    object.content = await firstByte();
    object.range = { start: 0, end: 0 };
  }
  return object;
}

async function putContent(
  path: string,
  content: Readable | Buffer,
): Promise<[size: number, md5: string]> {
  const temporary = `${path}.${randomUUID().slice(0, 8)}.part`;
  const md5 = createHash('md5');
  let size = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      md5.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  try {
    const source = Buffer.isBuffer(content) ? Readable.from([content]) : content;
    await pipeline(source, meter, createWriteStream(temporary, { mode: 0o600 }));
    const file = await open(temporary, 'r+');
    await file.sync().finally(() => file.close());
    // The stored MD5 is that of the object it replaces: without it, it is computed afresh.
    await removeIfExists(`${path}.md5`);
    await renameInto(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return [size, md5.digest('hex')];
}

/** A delete may have taken the directory away since it was made. */
async function renameInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
  }
}

async function removeIfExists(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
  }
}

async function removedIfEmpty(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch {
    return false; // Not empty, or gone already.
  }
}
