/**
 * The store as its clients see it: @aws-sdk/client-s3 and curl against the real server process,
 * and everybody who must not get in.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import https from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { poll } from '../../lib/std/clock.ts';
import { startStore, type TestStore } from '../support/object-store.ts';

const run = promisify(execFile);
const store = await startStore();
const client = sdk(store);

before(async () => {
  await client.send(new CreateBucketCommand({ Bucket: 'backups' }));
});
after(async () => {
  client.destroy();
  await store.stop();
});

function sdk(at: TestStore, change: { accessKeyId?: string; secretAccessKey?: string } = {}) {
  return new S3Client({
    endpoint: at.url,
    region: 'eu-test-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: at.accessKey, secretAccessKey: at.secretKey, ...change },
    // An agent as an object: for one made by the SDK, `Expect: 100-continue` drops the CA.
    requestHandler: { httpsAgent: new https.Agent({ ca: at.ca }) },
  });
}

/** The SDK takes an empty body for a stream of unknown length, and warns, unless it is told. */
const put = (Key: string, Body: string | Buffer) => {
  const ContentLength = Buffer.byteLength(Body);
  return client.send(new PutObjectCommand({ Bucket: 'backups', Key, Body, ContentLength }));
};
const get = async (Key: string, Range?: string) => {
  const answer = await client.send(new GetObjectCommand({ Bucket: 'backups', Key, Range }));
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? []);
};

type Raw = { status: number; body: string };
function raw(method: string, path: string, headers: Record<string, string>, body?: Buffer) {
  return new Promise<Raw>((resolve, reject) => {
    const request = https.request(
      // Not as an address, which would be normalised.
      {
        ...{ host: store.config.address, port: store.config.port, path },
        ...{ method, headers, ca: store.ca, agent: false },
      },
      async (response) => {
        let text = '';
        for await (const part of response) text += part;
        resolve({ status: response.statusCode ?? 0, body: text });
      },
    );
    request.on('error', reject).end(body);
  });
}

/** A signature by hand, so that each part of it can be made wrong. */
function sign(method: string, path: string, wish: Partial<Wish> = {}): Record<string, string> {
  const date = wish.date ?? new Date();
  const amzDate = `${date.toISOString().replace(/[-:]|\.\d+/g, '')}`;
  const day = amzDate.slice(0, 8);
  const payload = wish.payload ?? 'UNSIGNED-PAYLOAD';
  const headers: Record<string, string> = {
    host: store.url.slice('https://'.length),
    'x-amz-content-sha256': payload,
    'x-amz-date': amzDate,
    ...wish.headers,
  };
  const names = Object.keys(headers).sort();
  const [bare = '', query = ''] = path.split('?');
  const canonical = [
    method,
    bare,
    query,
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    payload,
  ].join('\n');
  const scope = `${day}/eu-test-1/${wish.service ?? 's3'}/aws4_request`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const mac = (key: string | Buffer, text: string) =>
    createHmac('sha256', key).update(text).digest();
  const secret = `AWS4${wish.secret ?? store.secretKey}`;
  const key = mac(mac(mac(mac(secret, day), 'eu-test-1'), wish.service ?? 's3'), 'aws4_request');
  const signature = mac(key, `AWS4-HMAC-SHA256\n${amzDate}\n${scope}\n${hash}`).toString('hex');
  const id = wish.accessKey ?? store.accessKey;
  const authorization =
    `AWS4-HMAC-SHA256 Credential=${id}/${scope},` +
    `SignedHeaders=${names.join(';')},Signature=${signature}`;
  return { ...headers, authorization };
}
interface Wish {
  date: Date;
  payload: string;
  service: string;
  secret: string;
  accessKey: string;
  headers: Record<string, string>;
}

describe('the SDK', () => {
  test('bucket calls', async () => {
    await client.send(new HeadBucketCommand({ Bucket: 'backups' }));
    await assert.rejects(client.send(new HeadBucketCommand({ Bucket: 'nowhere' })), {
      name: 'NotFound',
    });
    const { Buckets } = await client.send(new ListBucketsCommand({}));
    assert.deepEqual(
      Buckets?.map(({ Name }) => Name),
      ['backups'],
    );
  });

  test('an object goes and comes back, in whole and in part', async () => {
    const body = randomBytes(3_000_000);
    await put('deep/er/object with blanks+&é', body);
    assert.ok(body.equals(await get('deep/er/object with blanks+&é')));
    const range = await get('deep/er/object with blanks+&é', 'bytes=1000000-1000999');
    assert.ok(body.subarray(1_000_000, 1_001_000).equals(range));
    const tail = await get('deep/er/object with blanks+&é', 'bytes=-10');
    assert.ok(body.subarray(-10).equals(tail));
    const head = await client.send(
      new HeadObjectCommand({ Bucket: 'backups', Key: 'deep/er/object with blanks+&é' }),
    );
    assert.equal(head.ContentLength, 3_000_000);
    assert.equal(head.ETag, `"${createHash('md5').update(body).digest('hex')}"`);
  });

  test('ranges at the edges', async () => {
    await put('alphabet', 'abc');
    for (const [range, text, shown] of [
      ['0-0', 'a', '0-0/3'],
      ['2-2', 'c', '2-2/3'],
      ['-1', 'c', '2-2/3'],
      ['0-', 'abc', '0-2/3'],
      ['1-99', 'bc', '1-2/3'],
    ] as const) {
      const Range = `bytes=${range}`;
      const wish = new GetObjectCommand({ Bucket: 'backups', Key: 'alphabet', Range });
      const answer = await client.send(wish);
      const found = [await answer.Body?.transformToString(), answer.ContentRange];
      assert.deepEqual(found, [text, `bytes ${shown}`], range);
    }
    await assert.rejects(get('alphabet', 'bytes=3-'), { name: 'InvalidRange' });
    await put('nothing', '');
    await assert.rejects(get('nothing', 'bytes=0-0'), { name: 'InvalidRange' });
  });

  test('a stream of unknown hash arrives in signed chunks with a trailer', async () => {
    const body = randomBytes(1_000_000);
    const { Readable } = await import('node:stream');
    await client.send(
      new PutObjectCommand({
        Bucket: 'backups',
        Key: 'streamed',
        Body: Readable.from([body.subarray(0, 500_000), body.subarray(500_000)]),
        ContentLength: body.length,
      }),
    );
    assert.ok(body.equals(await get('streamed')));
  });

  test('an empty object', async () => {
    await put('empty', '');
    assert.equal((await get('empty')).length, 0);
  });

  test('in parts', async () => {
    const parts = [randomBytes(5_300_000), randomBytes(100)];
    const target = { Bucket: 'backups', Key: 'parts/whole' };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
    const done = [];
    for (const [index, Body] of parts.entries()) {
      const PartNumber = index + 1;
      const { ETag } = await client.send(
        new UploadPartCommand({ ...target, UploadId, PartNumber, Body }),
      );
      done.push({ PartNumber, ETag });
    }
    await client.send(
      new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts: done } }),
    );
    assert.ok(Buffer.concat(parts).equals(await get('parts/whole')));
  });

  test('copy and delete', async () => {
    await put('one', 'text');
    const CopySource = 'backups/one';
    await client.send(new CopyObjectCommand({ Bucket: 'backups', Key: 'two', CopySource }));
    await client.send(new DeleteObjectCommand({ Bucket: 'backups', Key: 'one' }));
    await assert.rejects(get('one'), { name: 'NoSuchKey' });
    assert.equal(String(await get('two')), 'text');
  });

  test('lists more than a page, in order, and deletes it in one call', async () => {
    const keys = Array.from({ length: 1030 }, (_, n) => `list/${n % 2 ? 'a' : 'a.b'}/${n}`);
    for (let at = 0; at < keys.length; at += 64) {
      await Promise.all(keys.slice(at, at + 64).map((key) => put(key, 'x')));
    }
    const found: string[] = [];
    let token: string | undefined;
    do {
      const page = await client.send(
        new ListObjectsV2Command({ Bucket: 'backups', Prefix: 'list/', ContinuationToken: token }),
      );
      found.push(...(page.Contents ?? []).map(({ Key }) => Key ?? ''));
      token = page.NextContinuationToken;
    } while (token !== undefined);
    assert.deepEqual(found, keys.toSorted());

    const grouped = await client.send(
      new ListObjectsV2Command({ Bucket: 'backups', Prefix: 'list/', Delimiter: '/' }),
    );
    const prefixes = grouped.CommonPrefixes?.map(({ Prefix }) => Prefix);
    assert.deepEqual(prefixes, ['list/a.b/', 'list/a/']);

    for (const part of [found.slice(0, 1000), found.slice(1000)]) {
      const Objects = part.map((Key) => ({ Key }));
      await client.send(new DeleteObjectsCommand({ Bucket: 'backups', Delete: { Objects } }));
    }
    const rest = await client.send(
      new ListObjectsV2Command({ Bucket: 'backups', Prefix: 'list/' }),
    );
    assert.equal(rest.KeyCount, 0);
    await assert.rejects(stat(join(store.config.directory, 'backups', 'list')), { code: 'ENOENT' });
  });
});

describe('curl', () => {
  const curl = async (...args: string[]) => {
    const { stdout } = await run('curl', [
      ...['-sS', '--cacert', store.caFile, '-w', '\n%{http_code}'],
      ...args,
    ]);
    const lines = stdout.split('\n');
    return { status: lines.pop(), body: lines.join('\n') };
  };
  const signed = () => [
    ...['--aws-sigv4', 'aws:amz:eu-test-1:s3'],
    ...['--user', `${store.accessKey}:${store.secretKey}`],
    ...['-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'],
  ];

  test('with the key reads and writes', async () => {
    const path = `${store.url}/backups/by-curl`;
    assert.equal((await curl(...signed(), '-X', 'PUT', '--data', 'hello', path)).status, '200');
    assert.deepEqual(await curl(...signed(), path), { status: '200', body: 'hello' });
  });

  test('without it gets 403 for reading, writing, listing and deleting', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'POST', 'OPTIONS', 'PATCH']) {
      for (const path of ['/', '/backups', '/backups/by-curl', '/backups/?list-type=2']) {
        const { status, body } = await curl('-X', method, '--data', 'x', `${store.url}${path}`);
        assert.equal(status, '403', `${method} ${path}`);
        assert.match(body, /<Code>AccessDenied<\/Code>/);
      }
    }
    assert.equal((await curl('-I', `${store.url}/backups/by-curl`)).status, '403');
  });
});

describe('who must not get in', () => {
  const refused: [name: string, wish: () => Partial<Wish>, code: string][] = [
    ['a wrong secret', () => ({ secret: 'guess' }), 'SignatureDoesNotMatch'],
    ['an unknown key', () => ({ accessKey: 'NOBODY' }), 'InvalidAccessKeyId'],
    ['the name of a property', () => ({ accessKey: 'constructor' }), 'InvalidAccessKeyId'],
    ['a request of an hour ago', () => ({ date: ago(3600) }), 'RequestTimeTooSkewed'],
    ['a request of tomorrow', () => ({ date: ago(-86_400) }), 'RequestTimeTooSkewed'],
    ['a signature for another service', () => ({ service: 'ec2' }), 'AccessDenied'],
  ];
  for (const [name, wish, code] of refused) {
    for (const method of ['GET', 'PUT']) {
      test(`${method} with ${name}`, async () => {
        const headers = sign(method, '/backups/secret', wish());
        const answer = await raw(method, '/backups/secret', headers);
        assert.equal(answer.status, 403);
        assert.match(answer.body, new RegExp(`<Code>${code}</Code>`));
      });
    }
  }

  test('a good signature is good for its own method, path, query and headers only', async () => {
    await put('mine', 'text');
    const headers = sign('GET', '/backups/mine');
    assert.equal((await raw('GET', '/backups/mine', headers)).status, 200);
    assert.equal((await raw('DELETE', '/backups/mine', headers)).status, 403);
    assert.equal((await raw('GET', '/backups/other', headers)).status, 403);
    assert.equal((await raw('GET', '/backups/mine?uploads', headers)).status, 403);
    const added = { ...headers, 'x-amz-copy-source': 'backups/mine' };
    assert.equal((await raw('GET', '/backups/mine', added)).status, 403);
    assert.equal(String(await get('mine')), 'text');
  });

  test('a body other than the signed one leaves the old object in place', async () => {
    await put('kept', 'old');
    const payload = createHash('sha256').update('new').digest('hex');
    const headers = { ...sign('PUT', '/backups/kept', { payload }), 'content-length': '3' };
    const answer = await raw('PUT', '/backups/kept', headers, Buffer.from('NEW'));
    assert.equal(answer.status, 400);
    assert.match(answer.body, /XAmzContentSHA256Mismatch/);
    assert.equal(String(await get('kept')), 'old');
  });

  test('paths do not lead out of the bucket', async () => {
    const paths = ['/backups/%2e%2e/x', '/backups/a%2f..%2f..%2fx', '/backups/a//b', '/..%2fx/y'];
    for (const path of paths) {
      for (const method of ['GET', 'PUT']) {
        const answer = await raw(method, path, sign(method, path));
        assert.equal(answer.status, 400, `${method} ${path}`);
      }
    }
    const upload = '/backups/x?partNumber=1&uploadId=..%2F..';
    assert.equal((await raw('PUT', upload, sign('PUT', upload))).status, 404);
    assert.deepEqual(await readdir(store.config.directory), ['backups']);
  });

  test('nothing printed carries a secret', () => {
    assert.doesNotMatch(store.output(), /odd~characters|Signature=/);
  });
});

describe('the process', () => {
  test('takes new keys and lets go of old ones without a restart', async () => {
    const other = { accessKeyId: 'SECOND', secretAccessKey: 'another' };
    const second = sdk(store, other);
    const before = { ...store.config.keys };
    await assert.rejects(second.send(new HeadBucketCommand({ Bucket: 'backups' })));
    await store.rewrite({ keys: { SECOND: 'another' } });
    const isIn = () => second.send(new HeadBucketCommand({ Bucket: 'backups' }));
    const served = await poll(() => isIn().catch(() => undefined), { timeoutMs: 60_000 });
    assert.ok(served !== undefined);
    await assert.rejects(client.send(new HeadBucketCommand({ Bucket: 'backups' })));
    await store.rewrite({ keys: before });
    const back = await poll(() => get('mine').catch(() => undefined), { timeoutMs: 60_000 });
    assert.ok(back !== undefined);
    second.destroy();
  });

  test('killed in the middle of an upload it has the old object, whole', async () => {
    await put('survivor', 'old');
    const length = '50000000';
    const path = '/backups/survivor';
    const headers = { ...sign('PUT', path), 'content-length': length };
    const request = https.request(`${store.url}${path}`, {
      ...{ method: 'PUT', headers, ca: store.ca, agent: false },
    });
    const broken = new Promise((resolve) => request.on('error', resolve));
    request.write(randomBytes(2_000_000));
    const arrives = async () => {
      const names = await readdir(join(store.config.directory, 'backups'));
      return names.some((name) => name.endsWith('.part')) ? true : undefined;
    };
    assert.ok(await poll(arrives, { timeoutMs: 60_000, everyMs: 20 }));
    await store.kill('SIGKILL');
    await broken;
    await store.restart();
    assert.equal(String(await get('survivor')), 'old');
  });

  test('refuses a port in use with the reason', async () => {
    const file = join(store.base, 'config.json');
    const program = join(import.meta.dirname, '../../charms/object-store/src/server.ts');
    await assert.rejects(run(process.execPath, [program, file]), (error: { stdout: string }) =>
      /cannot serve: .*EADDRINUSE/.test(error.stdout),
    );
  });
});

function ago(seconds: number): Date {
  return new Date(Date.now() - seconds * 1000);
}
