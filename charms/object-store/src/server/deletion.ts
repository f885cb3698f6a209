/**
 * Deletes the objects of one DeleteObjects document. Reads the document itself: the storage
 * package decodes any HTML entity in a key, which would let one past the check of its path.
 */
import { escapeXml, S3Error } from './s3-error.ts';
import type { ObjectStorage } from './storage.ts';
import { checkKey } from './target.ts';

const MAX_KEYS = 1000;
const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** @returns the answer's XML; deleting what is not there succeeds, as in S3 */
export async function deleteObjects(
  document: Buffer,
  bucket: string,
  { store }: ObjectStorage,
): Promise<string> {
  const { keys, quiet } = parseDelete(document.toString('utf8'));
  for (const key of keys) await store.deleteObject(bucket, key);
  const deleted = quiet ? [] : keys.map((key) => `<Deleted><Key>${escapeXml(key)}</Key></Deleted>`);
  const space = 'http://s3.amazonaws.com/doc/2006-03-01/';
  return `<DeleteResult xmlns="${space}">${deleted.join('')}</DeleteResult>`;
}

/** @throws S3Error `MalformedXML`, or for a key that this store cannot keep */
function parseDelete(xml: string): { keys: string[]; quiet: boolean } {
  const objects = [
    ...xml.matchAll(/<Object>\s*<Key>([^<]*)<\/Key>\s*(?:<ETag>[^<]*<\/ETag>\s*)?<\/Object>/g),
  ];
  const opened = xml.match(/<Object>/g)?.length ?? 0;
  if (objects.length === 0 || objects.length !== opened || objects.length > MAX_KEYS) {
    throw new S3Error(400, 'MalformedXML', `A list of 1 to ${MAX_KEYS} keys is expected.`);
  }
  const keys = objects.map((match) => unescapeXml(match[1] ?? ''));
  for (const key of keys) checkKey(key);
  return { keys, quiet: /<Quiet>\s*true\s*<\/Quiet>/.test(xml) };
}

function unescapeXml(text: string): string {
  return text.replace(/&([^;]{0,10});?/g, (_, name: string) => {
    const plain = NAMED[name] ?? fromNumber(name);
    if (plain === undefined) throw new S3Error(400, 'MalformedXML', 'A key has an unknown entity.');
    return plain;
  });
}

function fromNumber(name: string): string | undefined {
  const match = /^#(?:x([0-9a-fA-F]{1,6})|(\d{1,7}))$/.exec(name);
  if (match === null) return undefined;
  const code = match[1] === undefined ? Number(match[2]) : Number.parseInt(match[1], 16);
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}
