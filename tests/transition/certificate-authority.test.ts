/** The certificate authority, event by event: requests answered, roots changed, harm refused. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { certificateAuthority } from '../../charms/certificate-authority/src/charm.ts';
import { runEvent } from '../../lib/charm/dispatch.ts';
import { readTransfer } from '../../lib/relations/certificate-transfer.ts';
import {
  readCertificates,
  readRefusals,
  requestsData,
} from '../../lib/relations/tls-certificates.ts';
import { type FakeState, fakeEvent, fakeState } from '../../lib/testing/fake-hooks.ts';
import { isIssuedBy, keyFits, viewCertificate } from '../../lib/x509/inspect.ts';
import { createRequest } from '../../lib/x509/request.ts';

const first = await createRequest({ commonName: '10.0.0.1', names: ['10.0.0.1', 'db-0'] });
const second = await createRequest({ commonName: '10.0.0.2', names: ['10.0.0.2'] });
const UNITS = ['db/0', 'db/1'];

function deployed(): FakeState {
  const asks = (csr: string) => requestsData([{ csr, isCa: false }]);
  const bags = { 'db/0': asks(first.csr), 'db/1': asks(second.csr) };
  return fakeState({
    unit: 'ca/0',
    config: { 'certificate-validity': '8760h', 'authority-validity': '87600h' },
    relations: [
      { endpoint: 'certificates', id: 4, app: 'db', bags },
      { endpoint: 'send-ca-cert', id: 5, app: 'db', bags: {} },
    ],
  });
}

const event = (state: FakeState, name = 'config-changed', params?: Record<string, unknown>) => {
  const said = params === undefined ? {} : { action: true as const };
  state.action = { params: params ?? {}, results: {} };
  return fakeEvent(state, { name, ...said }, (base) => runEvent(certificateAuthority, base));
};
const bagOf = (state: FakeState, id = 4) =>
  state.relations.find((relation) => relation.id === id)?.bags ?? {};
const issued = (state: FakeState) => readCertificates(bagOf(state)['ca'] ?? {});
const roots = (state: FakeState) => readTransfer(bagOf(state, 5)['ca'] ?? {}, []);

async function serving(): Promise<FakeState> {
  const state = deployed();
  await event(state);
  return state;
}

describe('certificate-authority', () => {
  test('signs every request once, for its key and names', async () => {
    const state = await serving();
    const all = issued(state);
    assert.equal(all.length, 2);
    const [own] = all.filter(({ csr }) => csr === first.csr);
    assert.ok(own && keyFits(own.certificate, first.key));
    assert.ok(isIssuedBy(own.certificate, own.ca));
    assert.deepEqual(own.chain, [own.certificate, own.ca]);
    assert.deepEqual(viewCertificate(own.certificate)?.names, ['10.0.0.1', 'db-0', '10.0.0.1']);
    assert.deepEqual(roots(state), [own.ca]);
    const before = structuredClone(state.relations);
    await event(state, 'update-status');
    assert.deepEqual(state.relations, before);
    assert.deepEqual(state.status, { status: 'active', message: '' });
  });

  test('the key of the root is in no databag, log or status', async () => {
    const state = await serving();
    const key = Object.values(state.secrets)[0]?.content['ca-key'] ?? '';
    assert.match(key, /PRIVATE KEY/);
    const said = JSON.stringify([state.relations, state.log, state.status]);
    assert.ok(!said.includes('PRIVATE KEY') && !said.includes(key.split('\n')[1] ?? key));
  });

  test('a withdrawn request is forgotten, and what cannot be signed is refused', async () => {
    const state = await serving();
    const broken = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----';
    bagOf(state)['db/1'] = requestsData([{ csr: broken, isCa: false }]);
    await event(state, 'certificates-relation-changed');
    assert.deepEqual(
      issued(state).map(({ csr }) => csr),
      [first.csr],
    );
    assert.deepEqual(
      readRefusals(bagOf(state)['ca'] ?? {}).map(({ csr }) => csr),
      [broken],
    );
    assert.equal(state.status.status, 'blocked');
    const log = state.log.length;
    await event(state, 'update-status');
    assert.equal(state.log.length, log, 'it is not tried again');
    bagOf(state)['db/1'] = requestsData([{ csr: second.csr, isCa: false }]);
    await event(state, 'certificates-relation-changed');
    assert.equal(issued(state).length, 2);
    assert.deepEqual(readRefusals(bagOf(state)['ca'] ?? {}), []);
    assert.equal(state.status.status, 'active');
  });

  test('nobody is made an authority', async () => {
    const state = deployed();
    bagOf(state)['db/0'] = requestsData([{ csr: first.csr, isCa: true }]);
    await event(state);
    assert.deepEqual(
      issued(state).map(({ csr }) => csr),
      [second.csr],
    );
  });

  test('a unit that does not lead waits, then tells its own side only', async () => {
    const state = { ...deployed(), leader: false };
    await event(state);
    assert.equal(state.status.status, 'waiting');
    state.secrets = (await serving()).secrets;
    await event(state);
    assert.equal(state.status.status, 'active');
    assert.deepEqual(bagOf(state)['ca'], undefined);
    assert.equal(readTransfer({}, [bagOf(state, 5)['ca/0'] ?? {}]).length, 1);
  });

  const wrong = [{ 'certificate-validity': '1s' }, { 'authority-validity': 'for ever' }];
  for (const config of wrong) {
    test(`refuses ${JSON.stringify(config)} and signs nothing`, async () => {
      const state = deployed();
      Object.assign(state.config, config);
      await event(state);
      assert.equal(state.status.status, 'blocked');
      assert.match(state.status.message, new RegExp(Object.keys(config)[0] ?? ''));
      assert.deepEqual(issued(state), []);
    });
  }
});

describe('rotate-ca', () => {
  test('signs all anew at once, and whoever trusts one root can verify', async () => {
    const state = await serving();
    const [old] = roots(state);
    await event(state, 'rotate-ca', {});
    assert.equal(state.action.failed, undefined);
    const [present, previous] = roots(state);
    assert.equal(previous, old);
    assert.notEqual(present, old);
    for (const { ca, certificate, chain } of issued(state)) {
      assert.equal(ca, present);
      assert.ok(isIssuedBy(certificate, present ?? ''));
      assert.ok(isIssuedBy(certificate, old ?? '', chain));
    }
    const before = structuredClone(state.relations);
    await event(state);
    assert.deepEqual(state.relations, before, 'nothing is left to do');
  });

  test('a second one has to wait until the first has ended', async () => {
    const state = await serving();
    await event(state, 'rotate-ca', {});
    await event(state, 'rotate-ca', {});
    assert.match(state.action.failed ?? '', /retire-previous-ca/);
    const certificates = issued(state).map(({ certificate }) => certificate);
    await event(state, 'retire-previous-ca', {});
    assert.equal(roots(state).length, 1);
    assert.deepEqual(
      issued(state).map(({ certificate }) => certificate),
      certificates,
    );
    assert.deepEqual(
      issued(state).map(({ chain }) => chain.length),
      [2, 2],
    );
    await event(state, 'rotate-ca', {});
    assert.equal(state.action.failed, undefined);
  });
});

describe('revoke', () => {
  test('takes back one unit’s, and signs its next request', async () => {
    const state = await serving();
    await event(state, 'revoke', { unit: UNITS[0] });
    assert.deepEqual(state.action.results, { revoked: '1' });
    const state0 = () => issued(state).map(({ csr, revoked }) => [csr === first.csr, revoked]);
    assert.deepEqual(state0(), [
      [true, true],
      [false, false],
    ]);
    await event(state);
    assert.deepEqual(
      state0().map(([, revoked]) => revoked),
      [true, false],
      'it stays so',
    );
    const next = await createRequest({ commonName: '10.0.0.1', names: ['10.0.0.1'] });
    bagOf(state)['db/0'] = requestsData([{ csr: next.csr, isCa: false }]);
    await event(state, 'certificates-relation-changed');
    assert.deepEqual(
      issued(state).map(({ revoked }) => revoked),
      [false, false],
    );
  });

  const refusals: [unit: string, message: RegExp][] = [
    ['db/9', /no certificate/],
    ['db', /not a unit/],
  ];
  for (const [unit, message] of refusals) {
    test(`refuses ${unit}`, async () => {
      const state = await serving();
      await event(state, 'revoke', { unit });
      assert.match(state.action.failed ?? '', message);
    });
  }
});

describe('reading', () => {
  test('certificates are listed by unit, roots shown for whoever wants to trust them', async () => {
    const state = await serving();
    await event(state, 'list-certificates', {});
    assert.equal(state.action.results['total'], '2');
    assert.match(state.action.results['certificates'] ?? '', /^db\/0 relation 4: 10\.0\.0\.1, /);
    await event(state, 'get-ca-certificate', {});
    assert.equal(state.action.results['ca-certificate'], roots(state)[0]);
  });

  test('without the lead or a root the actions say so', async () => {
    const state = { ...deployed(), leader: false };
    for (const name of ['rotate-ca', 'retire-previous-ca', 'list-certificates']) {
      await event(state, name, {});
      assert.match(state.action.failed ?? '', /run it on the leader/);
    }
    await event(state, 'get-ca-certificate', {});
    assert.match(state.action.failed ?? '', /not been made/);
  });
});
