/** Which client certificates a server can be told to trust, and what is said of the others. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { pemBlocks } from '../../../lib/relations/pem.ts';
import { systemRandom } from '../../../lib/std/random.ts';
import { createAuthority, crossSign, issueCertificate } from '../../../lib/x509/authority.ts';
import { trustOffered } from '../../../lib/x509/offered.ts';
import type { Relation } from '../../../src/charm/model/snapshot.ts';
import { observeOffered } from '../../../src/charm/observe/client-certificates.ts';

const validity = { days: 30, random: systemRandom };
const [root, upper, stranger] = await Promise.all(
  ['root', 'upper', 'stranger'].map((name) => createAuthority(name, validity)),
);
if (root === undefined || upper === undefined || stranger === undefined) throw new Error('none');
/** The certificate of an authority between a root and clients. */
const between = await crossSign(root, upper.certificate, validity);
const client = await issueCertificate(root, { member: 'app', addresses: [] }, validity);
const deep = await issueCertificate(upper, { member: 'deep', addresses: [] }, validity);

function selfSigned(words: string): string {
  const common = 'req -x509 -nodes -keyout /dev/null -days 2 -subj /CN=lone';
  const args = [...common.split(' '), ...words.split(' ')];
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

const judge = (...pems: string[]) =>
  trustOffered(
    pems.flatMap((text) => pemBlocks(text, 'CERTIFICATE')),
    Date.now(),
  );
const canonical = (pem: string) => pemBlocks(pem, 'CERTIFICATE')[0];

describe('an offered certificate', () => {
  test('is good with a root, whose client it is or not', () => {
    const expected = { trust: [canonical(root.certificate)] };
    assert.deepEqual(judge(root.certificate), expected);
    assert.deepEqual(judge(client.certificate, root.certificate), expected);
    assert.deepEqual(judge(root.certificate, client.certificate), expected);
  });

  test('is good with every link to a root, and those are trusted as well', () => {
    assert.deepEqual(judge(deep.certificate, between, root.certificate), {
      trust: [canonical(between), canonical(root.certificate)],
    });
  });

  test('is good when it vouches for itself, of any kind of key', () => {
    const lone = selfSigned(
      '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -addext basicConstraints=CA:FALSE',
    );
    assert.deepEqual(judge(lone), { trust: [canonical(lone)] });
  });

  const bad: [what: string, pems: () => string[], reason: RegExp][] = [
    ['nothing', () => ['no certificate'], /^it is not in PEM form$/],
    ['a certificate without its CA', () => [client.certificate], /CA that issued it is missing/],
    [
      'a link that is missing',
      () => [deep.certificate, root.certificate],
      /^"deep" is not issued by the CA that was sent with it$/,
    ],
    ['the CA of others', () => [client.certificate, stranger.certificate], /"app" is not issued/],
    [
      'what only looks like one',
      () => [`-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`],
      /^it cannot be read$/,
    ],
    ['a weak key', () => [selfSigned('-newkey rsa:1024')], /"lone" has 1024 bits; 2048/],
    ['too many', () => Array.from({ length: 11 }, () => root.certificate), /with 11 others/],
  ];
  for (const [what, pems, reason] of bad) {
    test(`is refused with ${what}`, () => {
      const judged = judge(...pems());
      assert.match('problem' in judged ? judged.problem : 'it is trusted', reason);
    });
  }

  test('is refused when it has expired, with the day', () => {
    const later = Date.now() + 31 * 86_400_000;
    const judged = trustOffered([root.certificate], later);
    assert.ok('problem' in judged);
    assert.match(judged.problem, /^"root" has expired on \d{4}-\d\d-\d\d$/);
  });
});

describe('what clients offer', () => {
  const relation = (remoteApp: Record<string, string>): Relation => ({
    ...{ endpoint: 'database', id: 7, app: 'app', ending: false, localApp: {}, localUnit: {} },
    ...{ units: [], remoteApp: { database: 'shop', ...remoteApp } },
  });
  const trust = canonical(root.certificate);

  test('is read from their secret, or where they have no secret from the databag', () => {
    const granted = { 'secret:c': { 'mtls-cert': `${client.certificate}${root.certificate}` } };
    const hidden = relation({ 'secret-mtls': 'secret:c' });
    assert.deepEqual(observeOffered([hidden], granted, Date.now()), {
      offered: { 'relation-7': { trust } },
    });
    const open = relation({ 'mtls-cert': root.certificate });
    assert.deepEqual(observeOffered([open], {}, Date.now()).offered, { 'relation-7': { trust } });
  });

  test('is nothing as long as nobody offers anything, or leaves', () => {
    const leaving = { ...relation({ 'mtls-cert': root.certificate }), ending: true };
    assert.deepEqual(observeOffered([relation({}), leaving], {}, Date.now()), {});
  });

  test('is told apart from what cannot be read, and is never a key', () => {
    const said = (content: Record<string, string> | undefined) => {
      const granted = content === undefined ? {} : { 'secret:c': content };
      const related = relation({ 'secret-mtls': 'secret:c' });
      return JSON.stringify(observeOffered([related], granted, Date.now()));
    };
    assert.match(said(undefined), /its secret is not granted/);
    assert.match(said({ other: 'x' }), /has no mtls-cert/);
    const withKey = said({ 'mtls-cert': `${root.certificate}${root.key}` });
    assert.match(withKey, /a private key is with it/);
    assert.ok(!withKey.includes('BEGIN'));
  });
});
