/** Flags: what the words mean, what is refused and how, and any value surviving the trip. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type FlagSpec,
  goQuote,
  HelpRequested,
  parseFlags,
  parseGoBool,
  parseGoInt,
  UsageError,
} from '../../../lib/contract/gnuflag.ts';

const specs: FlagSpec[] = [
  { names: ['r', 'relation'], doc: '' },
  { names: ['a', 'all'], kind: 'bool', doc: '' },
  { names: ['b'], kind: 'bool', doc: '' },
  { names: ['n', 'num-units'], kind: 'int', doc: '' },
  { names: ['wait'], kind: 'duration', doc: '' },
  { names: ['config'], kind: 'strings', doc: '' },
  { names: ['format'], doc: '', check: (v) => (v === 'json' ? undefined : 'unknown format') },
];

describe('flags', () => {
  const table: [string[], Record<string, string[]>, string[]][] = [
    [['-r', 'v'], { relation: ['v'] }, []],
    [['-rv'], { relation: ['v'] }, []],
    [['-r=v'], { relation: ['=v'] }, []],
    [['--relation', 'v', 'x'], { relation: ['v'] }, ['x']],
    [['--relation=v=w'], { relation: ['v=w'] }, []],
    [['--relation='], { relation: [''] }, []],
    [['x', '--all', 'y'], { all: ['true'] }, ['x', 'y']],
    [['--all=False', 'y'], { all: ['False'] }, ['y']],
    [['-ab', 'x'], { all: ['true'], b: ['true'] }, ['x']],
    [['-abr', 'x'], { all: ['true'], b: ['true'], relation: ['x'] }, []],
    [['-abrx'], { all: ['true'], b: ['true'], relation: ['x'] }, []],
    [['--', '-r', '--'], {}, ['-r', '--']],
    [['-r', '--', 'x'], { relation: ['--'] }, ['x']],
    [['-', '', 'x'], {}, ['-', '', 'x']],
    [['--config', 'a', '--config=b'], { config: ['a', 'b'] }, []],
    [['-n', '0x10'], { 'num-units': ['0x10'] }, []],
    [['--wait=1m30s'], { wait: ['1m30s'] }, []],
  ];
  for (const [words, values, args] of table) {
    test(JSON.stringify(words), () => {
      const flags = parseFlags(specs, words);
      for (const [name, texts] of Object.entries(values)) {
        assert.deepEqual(flags.texts(name), texts);
      }
      assert.deepEqual(flags.args, args);
    });
  }

  test('stop at the first positional when asked to', () => {
    const flags = parseFlags(specs, ['-a', 'echo', '-r', 'x'], { interspersed: false });
    assert.deepEqual(flags.args, ['echo', '-r', 'x']);
    assert.equal(flags.bool('all'), true);
    assert.equal(flags.has('relation'), false);
  });

  const refused: [string[], string][] = [
    [['--no'], 'option provided but not defined: --no'],
    [['-az'], 'option provided but not defined: -z'],
    [['--é'], 'option provided but not defined: -é'],
    [['--relation'], 'option needs an argument: --relation'],
    [['-r'], 'option needs an argument: -r'],
    [['--=x'], 'empty option in argument "--=x"'],
    [
      ['--all=maybe'],
      'invalid boolean value "maybe" for option --all: ' +
        'strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [['-n', 'x'], 'invalid value "x" for option -n: strconv.ParseInt: parsing "x": invalid syntax'],
    [['--wait', 'long'], 'invalid value "long" for option --wait: time: invalid duration "long"'],
    [['--format', 'x'], 'invalid value "x" for option --format: unknown format'],
  ];
  for (const [words, message] of refused) {
    test(`${JSON.stringify(words)} is refused`, () => {
      assert.throws(() => parseFlags(specs, words), new UsageError(message));
    });
  }

  test('help is asked for by -h and --help, unless they are declared', () => {
    for (const word of ['-h', '--help']) {
      assert.throws(() => parseFlags(specs, [word]), HelpRequested);
    }
    assert.equal(parseFlags([{ names: ['h'], doc: '' }], ['-h', 'x']).text('h'), 'x');
  });

  test('any value and any positionals arrive as they are', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), fc.boolean(), (value, words, joined) => {
        const flag = joined ? [`--relation=${value}`] : ['--relation', value];
        const flags = parseFlags(specs, [...flag, '--', ...words]);
        assert.equal(flags.text('relation'), value);
        assert.deepEqual(flags.args, words);
      }),
    );
  });

  test('no words make the parser fail otherwise than by refusing them', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('-', '--', '-r', '--all', '--=', '-=', '-ar'),
    );
    fc.assert(
      fc.property(fc.array(word), (words) => {
        try {
          parseFlags(specs, words);
        } catch (error) {
          assert.ok(error instanceof UsageError || error instanceof HelpRequested);
        }
      }),
    );
  });
});

describe("Go's notations", () => {
  test('booleans', () => {
    assert.deepEqual(['1', 't', 'T', 'TRUE', 'true', 'True'].map(parseGoBool), Array(6).fill(true));
    assert.deepEqual(
      ['0', 'f', 'F', 'FALSE', 'false', 'False'].map(parseGoBool),
      Array(6).fill(false),
    );
    assert.deepEqual(['yes', 'tRUE', ''].map(parseGoBool), Array(3).fill(undefined));
  });

  test('integers', () => {
    const table: [string, number | undefined][] = [
      ['12', 12],
      ['-12', -12],
      ['+3', 3],
      ['0x1F', 31],
      ['010', 8],
      ['-0', 0],
      ['09', undefined],
      ['1.5', undefined],
      ['1e3', undefined],
      ['', undefined],
      ['99999999999999999999', undefined],
    ];
    for (const [text, expected] of table) assert.equal(parseGoInt(text), expected, text);
  });

  test('quotes', () => {
    assert.equal(goQuote('a"b\\c\n\u0001\u0007'), '"a\\"b\\\\c\\n\\x01\\a"');
  });
});
