/**
 * Signature V4 against the examples that AWS publishes (Amazon S3 API Reference, "Authenticating
 * requests"), and against everything that differs from a signed request in one place.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { openBody, type Promised } from '../../../charms/object-store/src/server/body.ts';
import {
  EMPTY_SHA256,
  type Payload,
  type SignedRequest,
  verify,
} from '../../../charms/object-store/src/server/sigv4.ts';
import { checkKey, targetOf } from '../../../charms/object-store/src/server/target.ts';

const KEY = 'AKIAIOSFODNN7EXAMPLE';
const NOW = Date.parse('2013-05-24T00:05:00Z');
const context = {
  secretOf: (key: string) => (key === KEY ? 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' : undefined),
  now: NOW,
};
const SCOPE = '20130524/us-east-1/s3/aws4_request';
const HOST = 'examplebucket.s3.amazonaws.com';

const get: SignedRequest = {
  method: 'GET',
  url: '/test.txt',
  headers: {
    host: HOST,
    range: 'bytes=0-9',
    'x-amz-content-sha256': EMPTY_SHA256,
    'x-amz-date': '20130524T000000Z',
    authorization:
      `AWS4-HMAC-SHA256 Credential=${KEY}/${SCOPE},` +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
};

const presigned: SignedRequest = {
  method: 'GET',
  url:
    '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256' +
    `&X-Amz-Credential=${KEY}%2F${SCOPE.replaceAll('/', '%2F')}` +
    '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
    '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404',
  headers: { host: HOST },
};

const chunked: SignedRequest = {
  method: 'PUT',
  url: '/examplebucket/chunkObject.txt',
  headers: {
    host: 's3.amazonaws.com',
    'content-encoding': 'aws-chunked',
    'content-length': '66824',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'x-amz-date': '20130524T000000Z',
    'x-amz-decoded-content-length': '66560',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    authorization:
      `AWS4-HMAC-SHA256 Credential=${KEY}/${SCOPE},` +
      'SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;' +
      'x-amz-decoded-content-length;x-amz-storage-class,' +
      'Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  },
};
const CHUNKS: [size: string, signature: string, bytes: number][] = [
  ['10000', 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648', 65_536],
  ['400', '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497', 1024],
  ['0', 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9', 0],
];

function chunkedBytes(letter = 'a'): Buffer {
  const parts = CHUNKS.map(
    ([size, signature, bytes]) =>
      `${size};chunk-signature=${signature}\r\n${letter.repeat(bytes)}\r\n`,
  );
  return Buffer.from(parts.join(''));
}

async function read(payload: Payload, bytes: Buffer, pieces: number[]): Promise<Buffer> {
  const promised: Promised = { payload, length: 66_560, md5: undefined, checksums: {} };
  const body = openBody(promised);
  let at = 0;
  for (const piece of [...pieces, bytes.length]) {
    body.write(bytes.subarray(at, at + piece));
    at += piece;
  }
  body.end();
  const parts: Buffer[] = [];
  for await (const part of body as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

const refusal = (request: SignedRequest, now = NOW) => {
  try {
    verify(request, { ...context, now });
    return undefined;
  } catch (error) {
    return error as { status: number; code: string };
  }
};

describe('signature', () => {
  test('accepts the published examples', () => {
    assert.deepEqual(verify(get, context).payload, { kind: 'hashed', sha256: EMPTY_SHA256 });
    assert.deepEqual(verify(presigned, context).payload, { kind: 'unsigned' });
    assert.equal(verify(chunked, context).payload.kind, 'chunked');
  });

  test('refuses them at another time', () => {
    const after = (minutes: number) => NOW + minutes * 60_000;
    assert.equal(refusal(get, after(20))?.code, 'RequestTimeTooSkewed');
    assert.equal(refusal(get, after(-60))?.code, 'RequestTimeTooSkewed');
    assert.equal(refusal(presigned, after(20)), undefined);
    assert.equal(refusal(presigned, after(25 * 60))?.code, 'AccessDenied');
  });

  test('refuses them when any character of what is signed differs', () => {
    const fields = ['method', 'url', 'range', 'host', 'x-amz-content-sha256'] as const;
    fc.assert(
      fc.property(
        fc.constantFrom(...fields),
        fc.nat(200),
        fc.constantFrom('!', 'Z', '0'),
        (field, at, char) => {
          const change = (text: string) => {
            const index = at % text.length;
            return text.slice(0, index) + char + text.slice(index + 1);
          };
          const own = field === 'method' || field === 'url';
          const old = own ? get[field] : String(get.headers[field]);
          fc.pre(change(old) !== old);
          const changed = own
            ? { ...get, [field]: change(old) }
            : { ...get, headers: { ...get.headers, [field]: change(old) } };
          assert.ok([400, 403].includes(refusal(changed)?.status ?? 200));
        },
      ),
    );
  });

  test('whatever is sent as authorization, only the holder of the key gets in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const headers = { ...get.headers, authorization: `AWS4-HMAC-SHA256 ${text}` };
        assert.equal(refusal({ ...get, headers })?.status, 403);
      }),
    );
  });

  test('a header that steers the store must be signed', () => {
    const headers = { ...get.headers, 'x-amz-copy-source': 'backups/other' };
    assert.equal(refusal({ ...get, headers })?.code, 'AccessDenied');
  });
});

describe('signed chunks', () => {
  const { payload } = verify(chunked, context);

  test('are taken apart however they arrive', async () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 40_000 }), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(pieces, async (sizes) => {
        const object = await read(payload, chunkedBytes(), sizes);
        assert.equal(object.length, 66_560);
        assert.ok(object.equals(Buffer.alloc(66_560, 'a')));
      }),
      { numRuns: 20 },
    );
  });

  test('of another content, cut short, or followed by more are refused', async () => {
    await assert.rejects(read(payload, chunkedBytes('b'), []), { code: 'SignatureDoesNotMatch' });
    await assert.rejects(read(payload, chunkedBytes().subarray(0, -90), []), {
      code: 'IncompleteBody',
    });
    const more = Buffer.concat([chunkedBytes(), Buffer.from('400;x\r\n')]);
    await assert.rejects(read(payload, more, []), { code: 'IncompleteBody' });
  });
});

describe('target', () => {
  test('no path leaves its bucket, whatever it is made of', () => {
    const part = fc.constantFrom('..', '.', '%2e%2e', '%2f', 'a', '', '%00', '\\', '..%2f', 'b c');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        try {
          const { key, innerUrl } = targetOf('GET', `/backups/${parts.join('/')}`, undefined);
          const path = decodeURIComponent(innerUrl.split('?')[0] ?? '');
          assert.ok(path === '/backups' || path === `/backups/${key}`);
          const segments = key.split('/');
          assert.ok(!segments.includes('..') && !segments.includes('.') && !key.includes('\0'));
        } catch (error) {
          assert.ok([400, 501].includes((error as { status: number }).status), String(error));
        }
      }),
    );
  });

  test('keys that the storage could not keep apart are refused', () => {
    for (const key of ['a//b', '../a', 'a/.', 'a._S3rver_object', 'x'.repeat(300)]) {
      assert.throws(() => checkKey(key), { status: 400 }, key);
    }
    for (const key of ['a', 'a/b', 'dir/', 'a..b/c...']) assert.doesNotThrow(() => checkKey(key));
  });
});
