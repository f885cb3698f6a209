/** The `s3` codec: round trips, normalisation, and databags that nobody honest would write. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  encodeS3Parameters,
  encodeS3Request,
  readS3Parameters,
  readS3Request,
  type S3Parameters,
} from '../../../lib/relations/s3.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----';
const minimal = { bucket: 'backups', 'access-key': 'A', 'secret-key': 'S' };

const word = fc.stringMatching(/^[A-Za-z0-9]{1,20}$/);
const key = fc.stringMatching(/^[!-~]{1,40}$/);
const parameters: fc.Arbitrary<S3Parameters> = fc.record(
  {
    bucket: fc.stringMatching(/^[a-z0-9][a-z0-9.-]{1,40}[a-z0-9]$/),
    accessKey: key,
    secretKey: key,
    endpoint: fc
      .tuple(word, fc.integer({ min: 1024, max: 65_535 }))
      .map(([host, port]) => `https://h${host.toLowerCase()}.example:${port}`),
    region: fc.constantFrom('', 'eu-west-1', 'us-east-1'),
    path: fc.array(word, { maxLength: 3 }).map((parts) => parts.map((part) => `/${part}`).join('')),
    uriStyle: fc.constantFrom('host', 'path'),
    deleteOlderThanDays: fc.option(fc.integer({ min: 1, max: 9_999_999 }), { nil: undefined }),
    tlsCaChain: fc.constantFrom([], [PEM], [PEM, PEM]),
  },
  { noNullPrototype: true },
);

describe('s3 codec', () => {
  test('what a provider writes, a requirer reads back', () => {
    fc.assert(
      fc.property(parameters, (value) => {
        assert.deepEqual(readS3Parameters(encodeS3Parameters(value)), { state: 'complete', value });
      }),
    );
  });

  test('reading is total, and nothing it accepts carries a control character', () => {
    const names = [...Object.keys(encodeS3Parameters(sample())), 'other'];
    const bags = fc.dictionary(fc.constantFrom(...names), fc.string({ unit: 'binary' }));
    fc.assert(
      fc.property(bags, (bag) => {
        const read = readS3Parameters({ ...minimal, ...bag });
        if (read.state !== 'complete') return;
        const { tlsCaChain: _, ...texts } = read.value;
        assert.doesNotMatch(Object.values(texts).join(''), /[\u0000-\u001f\u007f]/);
      }),
    );
  });

  test('normalises as the reference does', () => {
    const read = readS3Parameters({
      ...minimal,
      bucket: '/backups/',
      endpoint: ' https://store.example/ ',
      path: 'a/b/',
    });
    assert.equal(read.state, 'complete');
    assert.partialDeepStrictEqual(read, {
      value: {
        bucket: 'backups',
        endpoint: 'https://store.example',
        path: '/a/b',
        uriStyle: 'host',
        region: '',
        deleteOlderThanDays: undefined,
        tlsCaChain: [],
      },
    });
  });

  const endpoints: [given: string, region: string, read: string][] = [
    ['', '', 'https://s3.amazonaws.com'],
    ['', 'eu-north-1', 'https://s3.eu-north-1.amazonaws.com'],
    ['https://s3.amazonaws.com', 'us-east-1', 'https://s3.amazonaws.com'],
    ['10.0.0.1:9000', '', 'https://10.0.0.1:9000'],
    ['http://10.0.0.1', '', 'http://10.0.0.1'],
    ['https://[fd00::1]:9000/', '', 'https://[fd00::1]:9000'],
  ];
  for (const [endpoint, region, expected] of endpoints) {
    test(`endpoint ${JSON.stringify(endpoint)} in region ${JSON.stringify(region)}`, () => {
      const read = readS3Parameters({ ...minimal, endpoint, region });
      assert.equal(read.state === 'complete' ? read.value.endpoint : read.state, expected);
    });
  }

  test('says what is missing, and nothing when there is nothing yet', () => {
    assert.deepEqual(readS3Parameters({}), { state: 'absent' });
    assert.deepEqual(readS3Parameters({ endpoint: 'https://x' }), { state: 'absent' });
    assert.deepEqual(readS3Parameters({ bucket: 'backups', 'access-key': ' ' }), {
      state: 'incomplete',
      missing: ['access-key', 'secret-key'],
    });
  });

  const hostile: [name: string, bag: Record<string, string>, reason: RegExp][] = [
    ['a second line in a key', { 'access-key': 'A\nrepo1-type=posix' }, /access-key/],
    ['a bucket with a slash', { bucket: 'a/b' }, /bucket/],
    ['a path that climbs', { path: '/a/../../etc' }, /path/],
    ['an endpoint with a password', { endpoint: 'https://u:p@store' }, /endpoint/],
    ['an endpoint with a path', { endpoint: 'https://store/x' }, /endpoint/],
    ['another scheme', { endpoint: 'file:///etc' }, /endpoint/],
    ['an unknown style', { 's3-uri-style': 'vhost' }, /s3-uri-style/],
    ['no days', { 'delete-older-than-days': '0' }, /delete-older-than-days/],
    ['half a day', { 'delete-older-than-days': '1.5' }, /delete-older-than-days/],
    ['a chain that is no list', { 'tls-ca-chain': '"x"' }, /tls-ca-chain/],
    ['a chain of something else', { 'tls-ca-chain': '["secret"]' }, /tls-ca-chain/],
    ['a region with a blank', { region: 'eu west' }, /region/],
  ];
  for (const [name, bag, reason] of hostile) {
    test(`refuses ${name}`, () => {
      const read = readS3Parameters({ ...minimal, ...bag });
      assert.equal(read.state, 'invalid');
      assert.match(read.state === 'invalid' ? read.reason : '', reason);
    });
  }

  test('a requirer suggests a bucket; a provider takes only one that could exist', () => {
    assert.deepEqual(readS3Request(encodeS3Request(7)), { bucket: 'relation-7' });
    assert.deepEqual(readS3Request({ bucket: '../x' }), { bucket: undefined });
    assert.deepEqual(readS3Request({}), { bucket: undefined });
  });
});

function sample(): S3Parameters {
  return {
    bucket: 'backups',
    accessKey: 'A',
    secretKey: 'S',
    endpoint: 'https://store',
    region: 'eu',
    path: '/x',
    uriStyle: 'path',
    deleteOlderThanDays: 1,
    tlsCaChain: [PEM],
  };
}
