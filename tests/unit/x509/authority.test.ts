/** Certificates as they are issued, asked for and judged; TLS itself is asked whether it agrees. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { systemRandom } from '../../../lib/std/random.ts';
import {
  createAuthority,
  crossSign,
  issueCertificate,
  signRequest,
} from '../../../lib/x509/authority.ts';
import { isIssuedBy, keyFits, presentedChain, viewCertificate } from '../../../lib/x509/inspect.ts';
import { createRequest } from '../../../lib/x509/request.ts';

const validity = { days: 30, random: systemRandom };
const names = ['db-0', '127.0.0.1', 'fd00::1'];
const older = await createAuthority('older', validity);
const newer = await createAuthority('newer', validity);
const stranger = await createAuthority('stranger', validity);

/** Whether a client that trusts `ca` accepts what a server with these files presents. */
async function accepts(ca: string, cert: string, key: string): Promise<boolean> {
  const server = createServer({ cert, key }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.on('tlsClientError', () => undefined);
  const { port } = server.address() as AddressInfo;
  const socket = connect({ host: '127.0.0.1', port, ca });
  try {
    return await once(socket, 'secureConnect').then(
      () => socket.authorized,
      () => false,
    );
  } finally {
    socket.destroy();
    server.close();
  }
}

describe('requests', () => {
  test('are signed with the names, addresses also as names, and for the key', async () => {
    const { key, csr } = await createRequest({ commonName: 'db-0', names });
    const certificate = await signRequest(newer, csr, validity);
    const view = viewCertificate(certificate);
    assert.equal(view?.commonName, 'db-0');
    assert.deepEqual(view.names, [...names, '127.0.0.1', 'FD00:0:0:0:0:0:0:1']);
    assert.equal(view.isCa, false);
    assert.ok(keyFits(certificate, key));
    assert.ok(isIssuedBy(certificate, newer.certificate));
    assert.ok(!isIssuedBy(certificate, stranger.certificate));
    assert.ok(await accepts(newer.certificate, certificate, key));
    assert.ok(!(await accepts(older.certificate, certificate, key)));
  });

  test('that cannot be read, or that another key has signed, are refused', async () => {
    const broken = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----';
    await assert.rejects(signRequest(newer, broken, validity), { code: 'request-refused' });
    const { csr } = await createRequest({ commonName: 'db-0', names: [] });
    const lines = csr.split('\n');
    const last = lines.at(-2) ?? '';
    const forged = csr.replace(last, `${last.startsWith('A') ? 'B' : 'A'}${last.slice(1)}`);
    await assert.rejects(signRequest(newer, forged, validity), { code: 'request-refused' });
  });
});

describe('a change of the authority', () => {
  test('who trusts only the older one follows the cross certificate', async () => {
    const { certificate, key } = await issueCertificate(
      newer,
      { member: 'db-0', addresses: ['127.0.0.1'] },
      validity,
    );
    const cross = await crossSign(older, newer.certificate, validity);
    const others = [older.certificate, newer.certificate, cross];
    const chain = presentedChain(certificate, others);
    assert.deepEqual(chain, [certificate, cross]);
    const presented = chain.join('\n');
    assert.ok(await accepts(older.certificate, presented, key));
    assert.ok(await accepts(newer.certificate, presented, key));
    assert.ok(!(await accepts(stranger.certificate, presented, key)));
    assert.ok(isIssuedBy(certificate, older.certificate, [cross]));
    assert.ok(!isIssuedBy(certificate, stranger.certificate, [cross]));
  });
});

describe('judging', () => {
  test('a certificate for another key, and what is none, fit nothing', () => {
    assert.ok(!keyFits(older.certificate, newer.key));
    assert.ok(keyFits(older.certificate, older.key));
    for (const text of ['', 'none', '-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----']) {
      assert.equal(viewCertificate(text), undefined);
      assert.ok(!keyFits(text, newer.key));
      assert.ok(!keyFits(newer.certificate, text));
      assert.ok(!isIssuedBy(text, newer.certificate));
      assert.deepEqual(presentedChain(text, [newer.certificate]), [text]);
    }
  });

  test('authorities that have signed each other are no endless chain', async () => {
    const there = await crossSign(older, newer.certificate, validity);
    const back = await crossSign(newer, older.certificate, validity);
    const names = { member: 'x', addresses: [] };
    const { certificate } = await issueCertificate(newer, names, validity);
    assert.deepEqual(presentedChain(certificate, [there, back]), [certificate, there, back]);
    assert.ok(!isIssuedBy(certificate, stranger.certificate, [there, back]));
  });

  test('ECDSA certificates are judged like others', () => {
    const directory = mkdtempSync(join(tmpdir(), 'pgc-'));
    try {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      const path = join(directory, 'key.pem');
      writeFileSync(path, key, { mode: 0o600 });
      const words = 'req -x509 -new -days 2 -subj /CN=ec -addext subjectAltName=IP:127.0.0.1 -key';
      const certificate = execFileSync('openssl', [...words.split(' '), path]).toString();
      assert.ok(keyFits(certificate, key));
      assert.ok(!keyFits(certificate, older.key));
      assert.ok(isIssuedBy(certificate, certificate));
      assert.deepEqual(viewCertificate(certificate)?.names, ['127.0.0.1']);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('keys come in PKCS#8, which every program reads', () => {
    assert.match(older.key, /^-----BEGIN PRIVATE KEY-----/);
    assert.equal(createPrivateKey(older.key).asymmetricKeyType, 'rsa');
  });
});
