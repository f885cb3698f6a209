/** What the charm makes of real certificates in databags and on disk; `now` is the test's. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { parseHookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { onePem } from '../../../lib/relations/pem.ts';
import {
  certificatesData,
  type IssuedCertificate,
} from '../../../lib/relations/tls-certificates.ts';
import { systemRandom } from '../../../lib/std/random.ts';
import { createAuthority, signRequest } from '../../../lib/x509/authority.ts';
import { createRequest } from '../../../lib/x509/request.ts';
import { certificateFiles, markerFile } from '../../../src/charm/model/certificates.ts';
import { layoutOf } from '../../../src/charm/model/layout.ts';
import type { Relation } from '../../../src/charm/model/snapshot.ts';
import {
  observeCertificates,
  offerOf,
  receivedAuthorities,
} from '../../../src/charm/observe/certificates.ts';

const DAY = 24 * 3_600_000;
const now = Date.now();
const validity = { days: 100, random: systemRandom };
const authority = await createAuthority('one', validity);
const stranger = await createAuthority('two', validity);
const { key, csr } = await createRequest({ commonName: '10.0.0.1', names: ['10.0.0.1'] });
const other = await createRequest({ commonName: '10.0.0.1', names: ['10.0.0.1'] });
const canonical = (pem: string) => onePem(pem, 'CERTIFICATE') ?? '';
const ca = canonical(authority.certificate);

const content = { 'private-key': key, csr, names: '["10.0.0.1"]', 'asked-at': '0' };
const entry: IssuedCertificate = {
  csr,
  certificate: canonical(await signRequest(authority, csr, validity)),
  ca,
  chain: [ca],
  revoked: false,
};

describe('an offer', () => {
  test('that fits has no fault, and its chain ends below the root', () => {
    const offer = offerOf(content, [entry], now);
    assert.equal(offer?.fault, undefined);
    assert.equal(offer?.chain, `${entry.certificate}\n`);
    assert.equal(offer?.authority, ca);
    assert.equal(offer?.due, false);
  });

  test('counts only when it answers this very request', () => {
    assert.equal(offerOf(content, [{ ...entry, csr: other.csr }], now), undefined);
    assert.equal(offerOf(undefined, [entry], now), undefined);
    assert.equal(offerOf(content, [], now), undefined);
  });

  test('for another key, of another authority, or too old, has that fault', async () => {
    const foreign = canonical(await signRequest(authority, other.csr, validity));
    const fault = (change: Partial<IssuedCertificate>, at = now) =>
      offerOf(content, [{ ...entry, ...change }], at)?.fault;
    assert.equal(fault({ certificate: foreign }), 'other-key');
    assert.equal(fault({ ca: canonical(stranger.certificate) }), 'other-authority');
    assert.equal(fault({}, now + 101 * DAY), 'expired');
  });

  test('is due after nine tenths of its life, and not within a minute of being asked for', () => {
    const due = (at: number, askedAt = 0) =>
      offerOf({ ...content, 'asked-at': String(askedAt) }, [entry], at)?.due;
    assert.equal(due(now + 89 * DAY), false);
    assert.equal(due(now + 91 * DAY), true);
    assert.equal(due(now + 91 * DAY, now + 91 * DAY), false);
    assert.equal(due(now + 91 * DAY + 60_000, now + 91 * DAY), true);
  });

  test('has another name when key, chain or authority are others', async () => {
    const again = canonical(await signRequest(authority, csr, validity));
    const ids = [entry, { ...entry, certificate: again }].map(
      (each) => offerOf(content, [each], now)?.id,
    );
    assert.notEqual(ids[0], ids[1]);
    assert.equal(offerOf(content, [entry], now)?.id, ids[0]);
  });
});

describe('observing', async () => {
  const base = await mkdtemp(join(tmpdir(), 'pgc-'));
  after(() => rm(base, { recursive: true }));
  const layout = layoutOf(base, {}, undefined);
  await mkdir(layout.tlsDirectory, { recursive: true });
  const context = parseHookContext({
    JUJU_UNIT_NAME: 'postgresql/3',
    JUJU_DISPATCH_PATH: 'hooks/config-changed',
    JUJU_MODEL_NAME: 'main',
    JUJU_MODEL_UUID: '5f1a3c1e-0000-4000-8000-000000000001',
    JUJU_CHARM_DIR: base,
  });
  const relation = (endpoint: string, remoteApp: Record<string, string>): Relation => ({
    ...{ endpoint, id: 1, app: 'ca', ending: false },
    ...{ localApp: {}, localUnit: {}, remoteApp, units: [] },
  });
  const asked: string[] = [];
  const hooks = {
    async secretGet(secret: { label: string }) {
      asked.push(secret.label);
      return content;
    },
  } as unknown as Hooks;

  test('asks for secrets only where there is a relation, or was one', async () => {
    const none = await observeCertificates(hooks, context, { layout, relations: [] });
    assert.deepEqual(asked, []);
    assert.deepEqual(none.endpoints['client-certificates'], {
      request: undefined,
      offer: undefined,
      held: undefined,
    });
  });

  test('finds request, offer and what is in force', async () => {
    const bag = certificatesData([entry])['certificates'] ?? '';
    const relations = [relation('client-certificates', { certificates: bag })];
    const seen = async () =>
      (await observeCertificates(hooks, context, { layout, relations })).endpoints[
        'client-certificates'
      ];
    const first = await seen();
    assert.deepEqual(asked, ['afd8c2bccf834997afce12c2706d2ede-private-key-3-client-certificates']);
    assert.equal(first.request?.names, content.names);
    assert.equal(first.held, undefined);
    const { id, chain } = first.offer ?? { id: '', chain: '' };
    const files = certificateFiles(layout, 'client-certificates', id);
    const marker = markerFile(layout, 'client-certificates');
    await writeFile(marker, JSON.stringify({ id, authority: ca }));
    assert.equal((await seen()).held, undefined, 'a marker without files says nothing');
    await writeFile(files.cert, chain);
    await writeFile(files.key, key);
    const { held } = await seen();
    assert.partialDeepStrictEqual(held, { id, authority: ca, expired: false });
    const days = held?.lookAt.map((moment) => Math.round((moment - now) / DAY));
    assert.deepEqual(days, [90, 100]);
    await writeFile(marker, 'not JSON');
    assert.equal((await seen()).held, undefined);
  });

  test('takes for authorities what certificates are, from every application', () => {
    const bad = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    const one = relation('receive-ca-cert', { certificates: JSON.stringify([ca, bad]) });
    const two = relation('receive-ca-cert', { certificates: JSON.stringify([ca]) });
    assert.deepEqual(receivedAuthorities([one, two]), [ca]);
    assert.deepEqual(receivedAuthorities([{ ...one, ending: true }]), []);
  });
});
