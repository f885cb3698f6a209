/** Steps on certificates with real keys: what lands in secrets, and whether it fits together. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { systemRandom } from '../../../lib/std/random.ts';
import { type FakeState, fakeEvent, fakeState } from '../../../lib/testing/fake-hooks.ts';
import { createAuthority, signRequest } from '../../../lib/x509/authority.ts';
import { isIssuedBy, keyFits, viewCertificate } from '../../../lib/x509/inspect.ts';
import { certificateSteps } from '../../../src/charm/apply/certificates.ts';
import { identitySteps } from '../../../src/charm/apply/identity.ts';
import type { Tools } from '../../../src/charm/apply/tools.ts';
import { ROTATION_FIELDS } from '../../../src/charm/model/internal-ca.ts';
import { UnitWorld } from '../../support/world.ts';

const validity = { days: 10, random: systemRandom };
const APP_LABEL = 'database-peers.postgresql.app';

/** Carries out steps in one hook over `state`, with the application's secret as it is then. */
async function inHook(state: FakeState, run: (tools: Tools) => Promise<unknown>): Promise<void> {
  await fakeEvent(state, { name: 'config-changed' }, async ({ hooks, context }) => {
    const snapshot = new UnitWorld().snapshot();
    const content = await hooks.secretGet({ label: APP_LABEL });
    const appSecret = content && { id: 'secret:1', content };
    const world = () => ({ ...snapshot, appSecret });
    await run({ hooks, context, random: systemRandom, world } as unknown as Tools);
  });
}

const contentOf = (state: FakeState, label: string) =>
  Object.values(state.secrets).find((secret) => secret.label === label)?.content ?? {};

describe('request-certificate', () => {
  const endpoint = 'client-certificates' as const;
  const label = 'afd8c2bccf834997afce12c2706d2ede-private-key-0-client-certificates';
  const names = ['10.0.0.10', 'postgresql-0'];
  const ask = (state: FakeState) =>
    inHook(state, (tools) =>
      certificateSteps['request-certificate'].apply(
        { endpoint, commonName: '10.0.0.10', names },
        tools,
      ),
    );

  test('keeps key and request under the label that the reference uses', async () => {
    const state = fakeState({ unit: 'postgresql/0' });
    await ask(state);
    const { 'private-key': key = '', csr = '', names: kept } = contentOf(state, label);
    assert.equal(kept, JSON.stringify(names));
    const certificate = await signRequest(await createAuthority('x', validity), csr, validity);
    assert.ok(keyFits(certificate, key));
    assert.equal(viewCertificate(certificate)?.commonName, '10.0.0.10');
  });

  test('asks with another key each time, in the same secret, until it is forgotten', async () => {
    const state = fakeState({ unit: 'postgresql/0' });
    await ask(state);
    const first = contentOf(state, label)['private-key'];
    await ask(state);
    assert.notEqual(contentOf(state, label)['private-key'], first);
    assert.equal(Object.keys(state.secrets).length, 1);
    const forget = certificateSteps['forget-request'];
    await inHook(state, (tools) => forget.apply({ endpoint }, tools));
    assert.deepEqual(state.secrets, {});
    await inHook(state, (tools) => forget.apply({ endpoint }, tools));
  });
});

describe('the internal CA', () => {
  test('is followed by one that the old one vouches for; retiring leaves the new', async () => {
    const old = await createAuthority('old', validity);
    const content = { 'internal-ca': old.certificate, 'internal-ca-key': old.key, other: 'kept' };
    const state = fakeState({
      unit: 'postgresql/0',
      relations: [{ endpoint: 'database-peers', id: 0, app: 'postgresql', bags: {} }],
      secrets: { one: { label: APP_LABEL, content, grants: [] } },
    });
    await inHook(state, (tools) => identitySteps['rotate-internal-ca'].apply({}, tools));
    const { previous, cross, number } = ROTATION_FIELDS;
    const changed = contentOf(state, APP_LABEL);
    const { 'internal-ca': ca = '', [cross]: bridge = '' } = changed;
    assert.equal(changed[previous], old.certificate);
    assert.equal(changed[number], '2');
    assert.equal(changed['other'], 'kept');
    assert.ok(keyFits(ca, changed['internal-ca-key'] ?? ''));
    assert.ok(keyFits(bridge, changed['internal-ca-key'] ?? ''));
    assert.ok(isIssuedBy(bridge, old.certificate) && !isIssuedBy(ca, old.certificate));
    assert.ok(state.relations[0]?.bags['postgresql']?.['internal-ca'], 'others are woken');

    const addresses = ['10.0.0.10'];
    await inHook(state, (tools) => identitySteps['issue-certificate'].apply({ addresses }, tools));
    const own = contentOf(state, 'database-peers.postgresql.unit')['internal-cert'] ?? '';
    assert.ok(isIssuedBy(own, ca));
    assert.ok(isIssuedBy(own, old.certificate, [bridge]));

    await inHook(state, (tools) => identitySteps['retire-internal-ca'].apply({}, tools));
    const kept = contentOf(state, APP_LABEL);
    assert.deepEqual(
      [kept[previous], kept[cross], kept['internal-ca']],
      [undefined, undefined, ca],
    );
    assert.equal(kept['other'], 'kept');
  });
});
