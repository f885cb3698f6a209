/** A related directory as the deciders see it: what is written, wished, said, and taken back. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Finding, isStep } from '../../lib/charm/decision.ts';
import { encodeLdapData } from '../../lib/relations/ldap.ts';
import { directoryAccess, directoryWish, ldap } from '../../src/charm/decide/ldap.ts';
import { patroni } from '../../src/charm/decide/patroni.ts';
import type { Relation, Snapshot } from '../../src/charm/model/snapshot.ts';
import type { Decision, Steps } from '../../src/charm/model/steps.ts';
import { type DirectoryView, known } from '../../src/charm/model/world.ts';
import { UnitWorld } from '../support/world.ts';

const PASSWORD = 'very-secret-password';
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';
const secret = 'secret:d1f2g3h4i5j6k7l8m9n0';

function directory(change: Record<string, string> = {}): Relation {
  const remoteApp = {
    ...encodeLdapData({
      security: 'ldaps',
      servers: [{ host: '10.0.0.7', port: 1636 }],
      baseDn: 'dc=example,dc=org',
      bindDn: 'cn=relation-5',
      passwordSecret: secret,
      caChain: [PEM],
    }),
    ...change,
  };
  const bags = { localApp: {}, localUnit: {}, units: [] };
  return { endpoint: 'ldap', id: 5, app: 'directory', ending: false, remoteApp, ...bags };
}

const unit = new UnitWorld();
await unit.settle();
const settled = unit.snapshot();
const related = (change: Partial<Snapshot> = {}, of = directory()): Snapshot => ({
  ...settled,
  relations: [of],
  grantedSecrets: { [secret]: { password: PASSWORD } },
  ...change,
});
const view = (world: Snapshot, seen: DirectoryView): Snapshot => {
  assert.ok(world.agent.known);
  return { ...world, agent: known({ ...world.agent.value, directory: seen }) };
};
const findings = (decisions: Decision[]) =>
  decisions.filter((each): each is Finding => each.type === 'finding');

/** The snapshot after the files and databags of a plan are written. */
function after(world: Snapshot, decisions: Decision[]): Snapshot {
  const files: Record<string, string> = { ...world.files };
  let { relations } = world;
  for (const step of decisions.filter(isStep)) {
    if (step.kind === 'write-file') {
      const { path, content } = step.args as Steps['write-file'];
      files[path] = content.reveal();
    } else if (step.kind === 'remove-files') {
      for (const path of (step.args as Steps['remove-files']).paths) delete files[path];
    } else {
      assert.equal(step.kind, 'relation-set');
      const localApp = (step.args as Steps['relation-set']).data as Record<string, string>;
      relations = relations.map((each) => ({ ...each, localApp }));
    }
  }
  return { ...world, files, relations };
}

describe('a related directory', () => {
  test('is asked, trusted and wished for; then there is nothing left to do', () => {
    const plan = ldap(related());
    const done = after(related(), plan);
    assert.deepEqual(ldap(done), []);
    assert.deepEqual(done.relations[0]?.localApp, { user: 'postgresql', group: 'test' });
    assert.equal(done.files[done.layout.ldapCa], `${PEM}\n`);
    assert.match(done.files[done.layout.ldapConfig] ?? '', /TLS_REQCERT demand/);
    assert.partialDeepStrictEqual(directoryWish(done), {
      servers: [{ host: '10.0.0.7', port: 1636 }],
      password: PASSWORD,
      caFile: done.layout.ldapCa,
      filter: '(uid=$username)',
      map: [],
    });
    assert.doesNotMatch(JSON.stringify(plan), new RegExp(PASSWORD));
  });

  test('trusts what the system trusts where the relation names no authority', () => {
    const world = related({}, directory({ ca_chain: '' }));
    assert.match(directoryWish(world)?.caFile ?? '', /^\/etc\/ssl/);
    const done = after(world, ldap(world));
    assert.equal(done.files[done.layout.ldapCa], undefined);
  });

  test('is trusted by what receive-ca-cert brings, too', () => {
    const certificates = { ...settled.certificates, received: [PEM.replace('MIIB', 'MIIC')] };
    const world = related({ certificates }, directory({ ca_chain: '' }));
    const done = after(world, ldap(world));
    assert.match(done.files[done.layout.ldapCa] ?? '', /MIIC/);
    assert.equal(directoryWish(done)?.caFile, done.layout.ldapCa);
  });

  test('becomes an access rule before those of clients, in a file of the servers alone', () => {
    const plan = patroni(related());
    const write = plan.find((each) => isStep(each) && each.kind === 'write-file');
    assert.ok(write !== undefined && isStep(write));
    const { content, mode, owner } = write.args as Steps['write-file'];
    assert.deepEqual([mode, owner], [0o600, 'servers']);
    const { postgresql } = JSON.parse(content.reveal());
    const lines: string[] = postgresql.pg_hba;
    assert.match(lines.at(-1) ?? '', /^host all \+identity_access .* ldap .*very-secret-password/);
    assert.doesNotMatch(JSON.stringify(plan), new RegExp(PASSWORD));
  });

  test('only the leader asks', () => {
    const world = related({ unit: { ...settled.unit, isLeader: false } });
    assert.equal(
      ldap(world).some((each) => isStep(each) && each.kind === 'relation-set'),
      false,
    );
  });

  const waiting: [string, Snapshot, string][] = [
    ['nothing is offered yet', related({}, { ...directory(), remoteApp: {} }), 'ldap-absent'],
    ['a part is missing', related({}, directory({ base_dn: '' })), 'ldap-absent'],
    ['the password is not granted yet', related({ grantedSecrets: {} }), 'ldap-no-password'],
    ['the offer is not private', related({}, directory({ ldaps_urls: '[]' })), 'ldap-invalid'],
  ];
  for (const [what, world, code] of waiting) {
    test(`says so when ${what}, and lets nobody in`, () => {
      assert.deepEqual(
        findings(ldap(world)).map((each) => each.code),
        [code],
      );
      assert.deepEqual(directoryAccess(world), []);
    });
  }

  test('a password that would end its line is not used', () => {
    const grantedSecrets = { [secret]: { password: 'a\nhost all all all trust' } };
    assert.deepEqual(directoryAccess(related({ grantedSecrets })), []);
  });

  test('that is down is waited for; what an operator must put right blocks', () => {
    const problem = 'cannot reach the directory: 10.0.0.7:1636: refused';
    const seen = { problem, notes: ['ldap-map names role x'], users: 3 };
    assert.deepEqual(
      findings(ldap(view(related(), seen))).map(({ level, message }) => [level, message]),
      [
        ['waiting', problem],
        ['blocked', 'ldap-map names role x'],
      ],
    );
    assert.ok(directoryAccess(view(related(), seen)).length > 0);
  });

  test('that goes takes its files and its access rule with it', () => {
    const done = after(related(), ldap(related()));
    const gone = { ...done, relations: [{ ...directory(), ending: true }] };
    const cleared = after(gone, ldap(gone));
    assert.deepEqual(ldap(cleared), []);
    assert.equal(cleared.files[cleared.layout.ldapConfig], undefined);
    assert.equal(directoryWish(gone), undefined);
    assert.deepEqual(directoryAccess(gone), []);
  });
});
