/** Networks out of databags, and the differences between databags. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { changedKeys, databagJson } from '../../../lib/relations/databag.ts';
import { hostPort, parseSubnet, unitSubnets } from '../../../lib/relations/subnets.ts';

describe('subnets', () => {
  const table: [text: string, network: string | undefined][] = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['127.0.0.1', '127.0.0.1/32'],
    ['FD00::1/64', 'fd00::1/64'],
    ['::1', '::1/128'],
    ['::ffff:10.0.0.1/96', '::ffff:10.0.0.1/96'],
    ['10.0.0.0/33', undefined],
    ['10.0.0.256', undefined],
    ['10.0.0', undefined],
    ['010.0.0.1', undefined],
    ['fd00::/129', undefined],
    ['1::2::3', undefined],
    ['all', undefined],
    ['0.0.0.0/0 trust', undefined],
    ['', undefined],
  ];
  for (const [text, network] of table) {
    test(`${JSON.stringify(text)} is ${network ?? 'no network'}`, () => {
      assert.equal(parseSubnet(text), network);
    });
  }

  test("a unit's networks are sorted, each once; its address stands in for none", () => {
    const bag = { 'egress-subnets': '10.1.0.0/16, 10.0.0.2/32,10.1.0.0/16,nonsense' };
    assert.deepEqual(unitSubnets(bag), ['10.0.0.2/32', '10.1.0.0/16']);
    assert.deepEqual(unitSubnets({ 'ingress-address': '10.0.0.9' }), ['10.0.0.9/32']);
    assert.deepEqual(unitSubnets({}), []);
  });

  test('no text of a stranger gets more than an address and a number through', () => {
    const pieces = fc.constantFrom('10.0.0.1', '::1', '/', '32', ',', '\n', ' ', '#', 'trust', '"');
    fc.assert(
      fc.property(fc.array(pieces), (parts) => {
        for (const network of unitSubnets({ 'egress-subnets': parts.join('') })) {
          assert.match(network, /^[0-9a-f:.]+\/\d+$/);
        }
      }),
    );
  });

  test('an IPv6 address stands in brackets before a port', () => {
    assert.equal(hostPort('10.0.0.1', 5432), '10.0.0.1:5432');
    assert.equal(hostPort('fd00::1', 5432), '[fd00::1]:5432');
  });
});

describe('databags', () => {
  test('changed keys are those to set and those to delete', () => {
    const current = { a: '1', b: '2', c: '3' };
    const wanted = { a: '1', b: '9', c: undefined, d: undefined, e: '5' };
    assert.deepEqual(changedKeys(wanted, current), { b: '9', c: undefined, e: '5' });
  });

  test('once written, nothing is changed any more', () => {
    const bag = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(bag, bag, (wanted, current) => {
        const after = { ...current, ...changedKeys(wanted, current) } as Record<string, string>;
        assert.deepEqual(changedKeys(wanted, after), {});
      }),
    );
  });

  test('equal databags give equal JSON, in whatever order they were filled', () => {
    assert.equal(databagJson({ b: '2', a: '1' }), databagJson({ a: '1', b: '2' }));
  });
});
