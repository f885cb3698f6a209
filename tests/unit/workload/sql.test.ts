/** Quoting of identifiers and literals in DDL. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ddl, identifier, identifiers, literal } from '../../../src/charm/workload/sql.ts';

test('ddl puts quoted parts between its own text', () => {
  const grant = ddl`GRANT ${identifiers(['a', 'B"c'])} TO ${identifier('x y')}`;
  assert.equal(grant.text, 'GRANT "a", "B""c" TO "x y"');
  assert.equal(
    ddl`ALTER ROLE ${identifier('r')} PASSWORD ${literal("it's")}; ${grant}`.text,
    `ALTER ROLE "r" PASSWORD 'it''s'; GRANT "a", "B""c" TO "x y"`,
  );
  assert.equal(ddl`NULL`.text, 'NULL');
});

test('a backslash in a literal means itself', () => {
  assert.equal(literal("a\\'b").text, ` E'a\\\\''b'`);
});

test('names that PostgreSQL would cut or refuse are refused here', () => {
  for (const name of ['', 'a\0b', 'x'.repeat(64), 'ä'.repeat(32)]) {
    assert.throws(() => identifier(name), RangeError);
  }
  assert.equal(identifier('ä'.repeat(31)).text, `"${'ä'.repeat(31)}"`);
  assert.throws(() => literal('a\0'), RangeError);
});

test('no text leaves its quotes', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20 }), (text) => {
      fc.pre(!text.includes('\0') && Buffer.byteLength(text) <= 63);
      const name = identifier(text).text;
      assert.equal(name.slice(1, -1).replaceAll('""', '').includes('"'), false);
      const value = literal(text).text;
      const inner = value.slice(value.indexOf("'") + 1, -1);
      const plain = value.startsWith(' E') ? inner.replaceAll('\\\\', '') : inner;
      assert.equal(/'/.test(plain.replaceAll("''", '')), false);
    }),
  );
});
