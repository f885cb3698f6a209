/**
 * Lists a bucket in the order of its keys, a page at a time. The storage package's own listing
 * walks directories in no order, fails when a file goes away meanwhile, and cannot continue a
 * page (its tokens need a cipher that OpenSSL 3 refuses). Reads only.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../../../../lib/std/errors.ts';
import { escapeXml, S3Error } from './s3-error.ts';

export interface ListRequest {
  version: 1 | 2;
  prefix: string;
  delimiter: string;
  /** Only keys behind this one. */
  after: string;
  maxKeys: number;
  urlEncoded: boolean;
}

interface Found {
  key: string;
  size: number;
  modified: Date;
  etag: string;
}
export interface Page {
  objects: Found[];
  prefixes: string[];
  /** The key to continue behind, when there is more. */
  next: string | undefined;
}

const SUFFIX = '._S3rver_object';

/** @throws S3Error `InvalidArgument` */
export function parseList(query: URLSearchParams): ListRequest {
  const version = query.get('list-type') === '2' ? 2 : 1;
  const max = query.get('max-keys') ?? '1000';
  if (!/^\d{1,9}$/.test(max)) throw new S3Error(400, 'InvalidArgument', 'max-keys is no number.');
  const token = query.get('continuation-token');
  const start = (version === 2 ? query.get('start-after') : query.get('marker')) ?? '';
  return {
    version,
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    after: token === null ? start : Buffer.from(token, 'base64url').toString('utf8'),
    maxKeys: Math.min(1000, Number(max)),
    urlEncoded: query.get('encoding-type') === 'url',
  };
}

export async function listPage(bucketDirectory: string, list: ListRequest): Promise<Page> {
  const page: Page = { objects: [], prefixes: [], next: undefined };
  if (list.maxKeys === 0) return page;
  let last = '';
  let skip = '';
  for await (const key of walk(bucketDirectory, '', list)) {
    if (skip !== '' && key.startsWith(skip)) continue;
    const cut = list.delimiter === '' ? -1 : key.indexOf(list.delimiter, list.prefix.length);
    const group = cut < 0 ? '' : key.slice(0, cut + list.delimiter.length);
    // A group that an earlier page has named is not named again.
    if (group !== '' && list.after.startsWith(group)) continue;
    if (page.objects.length + page.prefixes.length === list.maxKeys) {
      page.next = last;
      return page;
    }
    if (group !== '') {
      page.prefixes.push(group);
      skip = group;
      last = group;
      continue;
    }
    const found = await inspect(bucketDirectory, key);
    if (found === undefined) continue;
    page.objects.push(found);
    last = key;
  }
  return page;
}

/** Keys behind `after` that begin with `prefix`, ascending. */
async function* walk(
  root: string,
  directory: string,
  list: Pick<ListRequest, 'prefix' | 'after'>,
): AsyncGenerator<string> {
  const names: string[] = [];
  for (const entry of await entriesOf(join(root, directory))) {
    // The slash takes part in the order: `a.b` stands before `a/b`.
    if (entry.isDirectory()) names.push(`${directory}${entry.name}/`);
    else if (entry.name.endsWith(SUFFIX)) {
      names.push(directory + entry.name.slice(0, -SUFFIX.length));
    }
  }
  for (const name of names.sort(compareKeys)) {
    const isObject = !name.endsWith('/') || name === directory;
    if (!isObject) {
      const related = name.startsWith(list.prefix) || list.prefix.startsWith(name);
      const ahead = compareKeys(name, list.after) > 0 || list.after.startsWith(name);
      if (related && ahead) yield* walk(root, name, list);
    } else if (name.startsWith(list.prefix) && compareKeys(name, list.after) > 0) {
      yield name;
    }
  }
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The order of UTF-8 bytes, which S3 promises. */
function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

async function inspect(bucketDirectory: string, key: string): Promise<Found | undefined> {
  const path = join(bucketDirectory, key.endsWith('/') ? `${key}${SUFFIX}` : key + SUFFIX);
  try {
    const { size, mtime } = await stat(path);
    const md5 = await readFile(`${path}.md5`, 'utf8').catch(() => '');
    return { key, size, modified: mtime, etag: `"${md5}"` };
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export function renderPage(bucket: string, list: ListRequest, page: Page): string {
  const text = (value: string) => escapeXml(list.urlEncoded ? encodeURIComponent(value) : value);
  const tag = (name: string, value: string) => `<${name}>${value}</${name}>`;
  const next = page.next;
  const paging =
    list.version === 2
      ? tag('KeyCount', String(page.objects.length + page.prefixes.length)) +
        (next === undefined
          ? ''
          : tag('NextContinuationToken', Buffer.from(next).toString('base64url')))
      : tag('Marker', text(list.after)) + (next === undefined ? '' : tag('NextMarker', text(next)));
  const contents = page.objects.map((found) =>
    tag(
      'Contents',
      tag('Key', text(found.key)) +
        tag('LastModified', found.modified.toISOString()) +
        tag('ETag', escapeXml(found.etag)) +
        tag('Size', String(found.size)) +
        tag('StorageClass', 'STANDARD'),
    ),
  );
  const prefixes = page.prefixes.map((prefix) =>
    tag('CommonPrefixes', tag('Prefix', text(prefix))),
  );
  return (
    '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
    tag('Name', escapeXml(bucket)) +
    tag('Prefix', text(list.prefix)) +
    (list.delimiter === '' ? '' : tag('Delimiter', text(list.delimiter))) +
    (list.urlEncoded ? tag('EncodingType', 'url') : '') +
    tag('MaxKeys', String(list.maxKeys)) +
    paging +
    tag('IsTruncated', String(next !== undefined)) +
    contents.join('') +
    prefixes.join('') +
    '</ListBucketResult>'
  );
}
