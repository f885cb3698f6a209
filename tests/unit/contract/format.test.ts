/** Output of the hook tools: JSON as Go writes it, YAML as yaml.v2, and both read back the same. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import {
  compareCodePoints,
  formatValue,
  goJson,
  goYaml,
  type Value,
} from '../../../lib/contract/format.ts';

describe('json', () => {
  const table: [Value, string][] = [
    [{ b: 1, a: [true, null] }, '{"a":[true,null],"b":1}'],
    ['<a> & "b"\u2028\u2029', '"\\u003ca\\u003e \\u0026 \\"b\\"\\u2028\\u2029"'],
    ['\u0001\n\té🐘', '"\\u0001\\n\\té🐘"'],
    ['\ud800', '"\ufffd"'],
    [undefined, 'null'],
    [
      new Map<string, Value>([
        ['z', 1],
        ['a', 2],
      ]),
      '{"z":1,"a":2}',
    ],
    [{ '\uffff': 1, '🐘': 2 }, '{"\uffff":1,"🐘":2}'],
    [new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 678)), '"2026-01-02T03:04:05Z"'],
    [{ 10: 'x', 9: 'y' }, '{"10":"x","9":"y"}'],
  ];
  for (const [value, text] of table) test(text, () => assert.equal(goJson(value), text));
});

describe('yaml', () => {
  const table: [Value, string][] = [
    [{}, '{}\n'],
    [[], '[]\n'],
    [null, ''],
    [{ a: null, b: [] }, 'a: null\nb: []\n'],
    [{ a: ['x', { b: 1, c: [2] }] }, 'a:\n- x\n- b: 1\n  c:\n  - 2\n'],
    [[['a'], ['b']], '- - a\n- - b\n'],
    [{ a: { b: { c: true } } }, 'a:\n  b:\n    c: true\n'],
    [{ a: 'two\nlines\n' }, 'a: |\n  two\n  lines\n'],
    [{ a: { b: 'x\n\ny' } }, 'a:\n  b: |-\n    x\n\n    y\n'],
    [{ a: new Date(0) }, 'a: 1970-01-01T00:00:00Z\n'],
  ];
  for (const [value, text] of table) {
    test(JSON.stringify(text), () => assert.equal(goYaml(value), text));
  }

  const scalars: [string, string][] = [
    ['plain text', 'plain text'],
    ['', '""'],
    ['yes', '"yes"'],
    ['null', '"null"'],
    ['5', '"5"'],
    ['1e3', '"1e3"'],
    ['0x1f', '"0x1f"'],
    ['1:30', '"1:30"'],
    ['2026-01-02', '"2026-01-02"'],
    ['2026-01-02x', '2026-01-02x'],
    ['10.0.0.1', '10.0.0.1'],
    ['a: b', "'a: b'"],
    ['a:b', 'a:b'],
    ['a #b', "'a #b'"],
    ['a#b', 'a#b'],
    ['- a', "'- a'"],
    ['-a', '-a'],
    ["'a'", "'''a'''"],
    ['@a', "'@a'"],
    ['{a}', "'{a}'"],
    [' a', "' a'"],
    ['---', "'---'"],
    ['a\tb', '"a\\tb"'],
    ['\u0007', '"\\a"'],
  ];
  for (const [value, text] of scalars) {
    test(`${JSON.stringify(value)} as ${text}`, () => assert.equal(goYaml(value), `${text}\n`));
  }

  test('any nested text reads back as it was', () => {
    const { tree } = fc.letrec<{ tree: Value }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        fc.string({ unit: 'grapheme' }).filter(isReadAlike),
        fc.constantFrom(
          'a\nb',
          '\n',
          ' x\n',
          'x \n',
          'yes',
          '- a',
          "it's",
          '#',
          'a:\n  b',
          '\n\n a',
        ),
        fc.boolean(),
        fc.integer(),
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.string().filter(isReadAlike), tie('tree'), {
          maxKeys: 3,
          noNullPrototype: true,
        }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const wrapped = { value };
        const read: unknown = parse(goYaml(wrapped), { version: '1.1', maxAliasCount: 0 });
        // Newlines at the very end collapse into one, as the tools print them.
        assert.deepEqual(trimmed(read), trimmed(JSON.parse(goJson(wrapped))));
      }),
      { numRuns: 500 },
    );
  });
});

/** This reader takes a dot without digits for a number; Go, whose output it is, does not. */
function isReadAlike(text: string): boolean {
  return !/^[-+]?\._*$/.test(text);
}

function trimmed(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\n+$/, '');
  if (Array.isArray(value)) return value.map(trimmed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, trimmed(member)]));
}

describe('smart', () => {
  const table: [Value, string][] = [
    ['word', 'word\n'],
    ['', ''],
    [undefined, ''],
    [true, 'True\n'],
    [false, 'False\n'],
    [['a', 'b'], 'a\nb\n'],
    [[], ''],
    [5, '5\n'],
    [{ a: 'yes' }, 'a: "yes"\n'],
  ];
  for (const [value, text] of table) {
    test(JSON.stringify(text), () => assert.equal(formatValue(value, 'smart'), text));
  }
});

test('keys sort by code point', () => {
  assert.ok(compareCodePoints('\uffff', '🐘') < 0);
  assert.ok(compareCodePoints('a', 'ab') < 0);
});
