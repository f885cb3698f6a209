/** Entries of pg_hba.conf that an operator adds: what is taken, in which words, and what is not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  hbaEntryLine,
  isForPooler,
  parseHbaEntries,
  parseNetworks,
} from '../../../src/charm/model/hba-entry.ts';

const lines = (text: string) => {
  const parsed = parseHbaEntries(text);
  assert.ok(parsed.ok, JSON.stringify(parsed));
  return parsed.entries.map(hbaEntryLine);
};

describe('entries of an operator', () => {
  const taken: [string, string][] = [
    ['host all all 10.0.0.0/8 scram-sha-256', 'host all all 10.0.0.0/8 scram-sha-256'],
    ['hostssl\tshop,bank  alice\t::/0  reject', 'hostssl "shop","bank" "alice" ::/0 reject'],
    ['host shop +staff 10.0.0.7 scram-sha-256', 'host "shop" +"staff" 10.0.0.7/32 scram-sha-256'],
    ['hostssl "my db" "a""b",c fd00::/8 cert', 'hostssl "my db" "a""b","c" fd00::/8 cert'],
    ['hostnossl "all" all 0.0.0.0/0 reject', 'hostnossl "all" all 0.0.0.0/0 reject'],
    ['# for the office\n\n host all bob 10.1.0.0/16 reject', 'host all "bob" 10.1.0.0/16 reject'],
  ];
  for (const [text, line] of taken) {
    test(`takes ${JSON.stringify(text)}`, () => assert.deepEqual(lines(text), [line]));
  }

  const refused = [
    'host all all 10.0.0.0/8 trust',
    'host all all 10.0.0.0/8 password',
    'host all all 10.0.0.0/8 ldap ldapserver=x',
    'local all all scram-sha-256',
    'host all all 10.0.0.0/8',
    'host all all 10.0.0.0/33 scram-sha-256',
    'host all all example.org scram-sha-256',
    'host all all all scram-sha-256',
    'host all operator 10.0.0.0/8 scram-sha-256',
    'host all "relation-3" 10.0.0.0/8 scram-sha-256',
    'host replication all 10.0.0.0/8 scram-sha-256',
    'host sameuser all 10.0.0.0/8 scram-sha-256',
    'host @file all 10.0.0.0/8 scram-sha-256',
    'host all /regex 10.0.0.0/8 scram-sha-256',
    'host all,shop all 10.0.0.0/8 scram-sha-256',
    'host all +staff 10.0.0.0/8 reject',
    'host all all 10.0.0.0/8 cert',
    'host all alice, 10.0.0.0/8 scram-sha-256',
    'host all "alice 10.0.0.0/8 scram-sha-256',
    'host all all 10.0.0.0/8 scram-sha-256 clientcert=verify-full',
  ];
  for (const line of refused) {
    test(`refuses ${line}, and names the line`, () => {
      const text = `host all bob 10.1.0.0/16 reject\n${line}`;
      assert.deepEqual(parseHbaEntries(text), { ok: false, line });
    });
  }

  test('what the pooler would read otherwise is for PostgreSQL alone', () => {
    const parsed = parseHbaEntries(
      'host all +staff ::/0 scram-sha-256\nhostssl all a ::/0 cert\nhost all a ::/0 reject',
    );
    assert.ok(parsed.ok);
    assert.deepEqual(parsed.entries.map(isForPooler), [false, false, true]);
  });

  test('whatever is typed, no more lines come out than went in, each of one piece', () => {
    const word = fc.constantFrom('host', 'all', 'a', '"b c"', '+s', '10.0.0.0/8', 'reject', '#');
    const text = fc
      .array(fc.oneof(word, fc.string({ maxLength: 6 })), { maxLength: 12 })
      .map((words) => words.join(' '));
    fc.assert(
      fc.property(text, (typed) => {
        const parsed = parseHbaEntries(typed);
        if (!parsed.ok) return;
        assert.ok(parsed.entries.length <= typed.split('\n').length);
        for (const line of parsed.entries.map(hbaEntryLine)) {
          assert.doesNotMatch(line, /[\u0000-\u001f]/);
          assert.deepEqual(lines(line), [line]);
        }
      }),
    );
  });
});

describe('access-networks', () => {
  test('takes networks and addresses of both families', () => {
    assert.deepEqual(parseNetworks('10.0.0.0/8, fd00::/8,10.1.2.3'), [
      '10.0.0.0/8',
      '10.1.2.3/32',
      'fd00::/8',
    ]);
  });
  for (const text of ['', 'all', '10.0.0.0/8,', '10.0.0.0/8 10.1.0.0/16', 'example.org']) {
    test(`refuses ${JSON.stringify(text)}`, () => assert.equal(parseNetworks(text), undefined));
  }
});
