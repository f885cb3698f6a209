/** SCRAM verifiers against one that PostgreSQL made. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scramMatches, scramVerifier } from '../../../src/charm/workload/scram.ts';

test('a verifier is what PostgreSQL makes of the same password and salt', async () => {
  // Made by PostgreSQL 15: CREATE ROLE ... PASSWORD 'secret'.
  const made =
    'SCRAM-SHA-256$4096:I3zToVHnPE6OQ9KPAa7D+w==$' +
    'ZM1L9R8SNUu3rRgI51O4BBhhA51TFIphXtnGDhFP4IM=:G2ZeCXoj3DuIaCbugZ0NxeVuPAsn+/Rq2H7GtJ9g/lQ=';
  const salt = Buffer.from('I3zToVHnPE6OQ9KPAa7D+w==', 'base64');
  assert.equal(await scramVerifier('secret', salt), made);
});

test('two verifiers of one password differ and both match it, and no other', async () => {
  const [a, b] = [await scramVerifier('pass'), await scramVerifier('pass')];
  assert.notEqual(a, b);
  for (const verifier of [a, b]) {
    assert.equal(await scramMatches('pass', verifier), true);
    assert.equal(await scramMatches('Pass', verifier), false);
  }
});

test('text that is no verifier matches nothing', async () => {
  for (const text of ['', 'pass', 'md5abc', 'SCRAM-SHA-256$x:y$z', 'SCRAM-SHA-256$1:$:']) {
    assert.equal(await scramMatches('pass', text), false, text);
  }
});
