/** Pure tables of the model: access rules, capabilities, differences, members and units. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { capabilitiesOf } from '../../../src/charm/model/capabilities.ts';
import { hbaLines, identLines, ownUsersOnly } from '../../../src/charm/model/hba.ts';
import { differing } from '../../../src/charm/model/merge.ts';
import { memberOfUnit, unitOfMember } from '../../../src/charm/model/snapshot.ts';

describe('access to PostgreSQL', () => {
  const input = { osUsers: ['root'], peerNetworks: ['10.0.0.1/32', '10.0.0.1/32'], clients: [] };

  test('the operator comes in over the socket, the application’s own users from its units', () => {
    assert.deepEqual(hbaLines(input), [
      'local all operator peer map=operator',
      'local all monitoring peer map=monitoring',
      'local all all scram-sha-256',
      'host replication "replication" 10.0.0.1/32 scram-sha-256',
      'host all "operator" 10.0.0.1/32 scram-sha-256',
      'host all "rewind" 10.0.0.1/32 scram-sha-256',
      'host all "monitoring" 10.0.0.1/32 scram-sha-256',
    ]);
  });

  test('nobody is trusted without a password but by the kernel, and nobody from everywhere', () => {
    for (const line of hbaLines(input)) {
      assert.match(line, /scram-sha-256$|^local all (operator|monitoring) peer map=\1$/);
      assert.doesNotMatch(line, /0\.0\.0\.0\/0|::\/0/);
    }
  });

  test('with TLS nobody comes in without it, and who is refused stays so without it, too', () => {
    const clients = [
      ...ownUsersOnly(),
      'host "shop" "reject" ::1/128 scram-sha-256',
      'hostnossl all all 10.9.0.0/16 scram-sha-256',
    ];
    const lines = hbaLines({ ...input, clients, tls: true });
    const kinds = lines.map((line) => line.replace(/ .*? (\S+)$/, ' $1'));
    assert.deepEqual(kinds.slice(3), [
      ...Array(4).fill('hostssl scram-sha-256'),
      ...Array(2).fill('host reject'),
      'hostssl scram-sha-256',
      'hostnossl scram-sha-256',
    ]);
  });

  test('names of system users cannot break out of their line', () => {
    assert.deepEqual(identLines(['a"b', 'root']), [
      'operator "a""b" operator',
      'operator "root" operator',
      'monitoring "a""b" monitoring',
      'monitoring "root" monitoring',
    ]);
  });
});

describe('capabilities', () => {
  test('follow the versions of three Debian releases', () => {
    const bookworm = { patroni: '3.0.2', pgbouncer: '1.18.0', pgbackrest: '2.45' };
    const noble = { patroni: '3.2.2', pgbouncer: '1.22.0', pgbackrest: '2.50' };
    const trixie = { patroni: '4.0.4', pgbouncer: '1.24.1', pgbackrest: '2.55.1' };
    const all = [bookworm, noble, trixie].map(capabilitiesOf);
    assert.deepEqual(
      all.map((each) => each.pooledPreparedStatements),
      [false, true, true],
    );
    assert.deepEqual(
      all.map((each) => each.quorumCommit),
      [false, false, true],
    );
    assert.deepEqual(
      all.map((each) => each.failoverPriority),
      [false, true, true],
    );
    assert.deepEqual(
      all.map((each) => each.blockIncrement),
      [false, true, true],
    );
    assert.deepEqual(
      all.map((each) => each.minimumTtlSeconds),
      [5, 20, 20],
    );
  });

  test('of programs that are not known allow nothing', () => {
    assert.equal(Object.values(capabilitiesOf({})).includes(true), false);
  });
});

describe('differences of settings', () => {
  test('hold what is missing or other, and nothing that is only there', () => {
    const wanted = { ttl: 20, postgresql: { parameters: { max_connections: 100, wal: 'on' } } };
    const actual = { ttl: 20, pause: true, postgresql: { parameters: { max_connections: '90' } } };
    const patch = { postgresql: { parameters: { max_connections: 100, wal: 'on' } } };
    assert.deepEqual(differing(wanted, actual), patch);
    assert.equal(differing({ ttl: 20 }, { ttl: '20', more: 1 }), undefined);
  });
});

test('members and units name each other', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z](-?[a-z0-9]){0,8}$/), fc.nat(999), (app, number) => {
      assert.equal(unitOfMember(memberOfUnit(`${app}/${number}`)), `${app}/${number}`);
    }),
  );
});
