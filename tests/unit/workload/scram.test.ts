/** SCRAM verifiers against one that PostgreSQL made. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isVerifierOf, scramVerifier } from '../../../src/charm/workload/scram.ts';

test('a verifier is what PostgreSQL makes of the same password and salt', async () => {
  // Made by PostgreSQL 15: CREATE ROLE ... PASSWORD 'secret'.
  const made =
    'SCRAM-SHA-256$4096:I3zToVHnPE6OQ9KPAa7D+w==$' +
    'ZM1L9R8SNUu3rRgI51O4BBhhA51TFIphXtnGDhFP4IM=:G2ZeCXoj3DuIaCbugZ0NxeVuPAsn+/Rq2H7GtJ9g/lQ=';
  const salt = Buffer.from('I3zToVHnPE6OQ9KPAa7D+w==', 'base64');
  assert.equal(await scramVerifier('secret', salt), made);
});

test('two verifiers of one password differ, and neither holds it', async () => {
  const [a, b] = [await scramVerifier('secret'), await scramVerifier('secret')];
  assert.notEqual(a, b);
  for (const verifier of [a, b]) assert.ok(!verifier.includes('secret'));
});

test('a verifier is known to be of its password, and of no other', async () => {
  const verifier = await scramVerifier('secret');
  assert.equal(await isVerifierOf(verifier, 'secret'), true);
  assert.equal(await isVerifierOf(verifier, 'Secret'), false);
  for (const other of ['', 'secret', 'md5abc', 'SCRAM-SHA-256$1:AA==$AA==:AA==']) {
    assert.equal(await isVerifierOf(other, 'secret'), false);
  }
});

test('text that looks alike but is composed differently gives one verifier', async () => {
  const salt = Buffer.alloc(16);
  assert.equal(await scramVerifier('\u00e4', salt), await scramVerifier('a\u0308', salt));
});
