/** The files of a charm: what they mean, and Juju's words for what is wrong with them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { actionParams, parseActions } from '../../../lib/contract/actions.ts';
import {
  checkConfigValue,
  effectiveConfig,
  parseConfig,
  parseConfigValue,
} from '../../../lib/contract/config.ts';
import { parseManifest, parseVersion } from '../../../lib/contract/manifest.ts';
import { parseMetadata, sizeMib } from '../../../lib/contract/metadata.ts';
import { parseSettings } from '../../../lib/contract/settings.ts';
import { OperatorError } from '../../../lib/std/errors.ts';

const head = 'name: pg\nsummary: s\ndescription: d\n';
const message = (text: string | RegExp) => (error: unknown) => {
  assert.ok(error instanceof OperatorError, String(error));
  if (typeof text === 'string') assert.equal(error.message, text);
  else assert.match(error.message, text);
  return true;
};

describe('metadata.yaml', () => {
  test('gives endpoints, storage, resources and bindings', () => {
    const metadata = parseMetadata(`${head}
provides: {db: {interface: postgresql_client, limit: 2, optional: true}}
requires: {ca: tls-certificates}
peers: {cluster: {interface: pg_peers}}
extra-bindings: {admin: null}
storage:
  data: {type: filesystem, location: /srv, minimum-size: 2G}
  logs: {type: block, multiple: {range: 1-}, properties: [transient]}
resources: {image: {type: oci-image}, key: {filename: key.pem}}
unknown: kept out
`);
    assert.deepEqual(metadata.endpoints, [
      {
        name: 'db',
        role: 'provider',
        interface: 'postgresql_client',
        scope: 'global',
        optional: true,
        limit: 2,
      },
      {
        name: 'ca',
        role: 'requirer',
        interface: 'tls-certificates',
        scope: 'global',
        optional: false,
      },
      { name: 'cluster', role: 'peer', interface: 'pg_peers', scope: 'global', optional: false },
    ]);
    assert.deepEqual(metadata.extraBindings, ['admin']);
    assert.partialDeepStrictEqual(metadata.storage, [
      { name: 'data', min: 1, max: 1, minimumSizeMib: 2048, location: '/srv', multiple: false },
      { name: 'logs', type: 'block', min: 1, transient: true, multiple: true },
    ]);
    assert.equal(metadata.storage[1]?.max, undefined);
    assert.deepEqual(
      metadata.resources.map(({ name, type }) => [name, type]),
      [
        ['image', 'oci-image'],
        ['key', 'file'],
      ],
    );
    assert.equal(JSON.stringify(metadata).includes('unknown'), false);
  });

  const refused: [string, string | RegExp][] = [
    ['', 'metadata: expected map, got nothing'],
    ['name: pg\nsummary: s\n', 'metadata: description: expected string, got nothing'],
    [`${head}subordinate: 5\n`, 'metadata: subordinate: expected bool, got int(5)'],
    [head.replace('pg', 'P_g'), /name "P_g" not valid/],
    [`${head}series: [jammy]\n`, /"series" not valid/],
    [`${head}provides: {a: x}\nrequires: {a: x}\n`, /duplicated relation name: "a"/],
    [`${head}provides: {juju-x: z}\n`, /reserved relation name: "juju-x"/],
    [`${head}provides: {x: juju-y}\n`, /relation "x" using a reserved interface: "juju-y"/],
    [
      `${head}subordinate: true\nrequires: {a: b}\n`,
      /lacks "requires" relation with container scope/,
    ],
    [`${head}requires: {a: b}\nextra-bindings: {a: null}\n`, /extra binding "a"/],
    [`${head}storage: {d: {type: tape}}\n`, /storage\.d\.type/],
    [`${head}storage: {d: {type: block, location: /x}}\n`, /location may not be specified/],
    [`${head}storage: {d: {type: block, multiple: {range: 3-x}}}\n`, /invalid range "3-x"/],
    [`${head}resources: {r: {type: file}}\n`, /resource missing filename/],
    [`${head}resources: {r: {filename: ../x}}\n`, /filename cannot contain "\/"/],
    ['a: [', /^cannot parse metadata.yaml: /],
    ['a: 1\na: 2\n', /^cannot parse metadata.yaml: /],
  ];
  for (const [text, why] of refused) {
    test(JSON.stringify(text.replace(head, '… ')), () => {
      assert.throws(() => parseMetadata(text), message(why));
    });
  }

  test('reserved names are allowed to a subordinate that requires its principal', () => {
    const text = `${head}subordinate: true
requires: {juju-info: {interface: juju-info, scope: container}}
`;
    assert.equal(parseMetadata(text).endpoints[0]?.name, 'juju-info');
  });

  test('sizes', () => {
    assert.deepEqual(['1G', '512', '1.5G', '2T', 'x'].map(sizeMib), [
      1024,
      512,
      1536,
      2_097_152,
      undefined,
    ]);
  });
});

describe('config.yaml', () => {
  const options = parseConfig(`
options:
  text: {type: string, default: "", description: 2024-01-01}
  count: {type: int, default: 5}
  share: {type: float, default: 0.5}
  on: {type: boolean, default: yes}
  key: {type: secret}
  bare: {}
`);

  test('gives typed options', () => {
    assert.deepEqual(options['text'], { type: 'string', description: '2024-01-01', default: '' });
    assert.deepEqual(options['bare'], { type: 'string', description: '' });
    assert.deepEqual(effectiveConfig(options, { count: 6 }), {
      text: '',
      count: 6,
      share: 0.5,
      on: true,
    });
  });

  const good: [string, string, unknown][] = [
    ['text', '', ''],
    ['count', '-7', -7],
    ['share', '1e-3', 0.001],
    ['on', 'T', true],
    ['key', 'secret:0123456789abcdefghij', 'secret:0123456789abcdefghij'],
  ];
  for (const [name, text, value] of good) {
    test(`${name}=${text}`, () => assert.equal(parseConfigValue(options, name, text), value));
  }

  const bad: [string, string, string][] = [
    ['count', 'abc', 'option "count" expected int, got "abc"'],
    ['count', '', 'option "count" expected int, got ""'],
    ['count', '1.5', 'option "count" expected int, got "1.5"'],
    ['share', 'x', 'option "share" expected float, got "x"'],
    ['on', 'yes', 'option "on" expected boolean, got "yes"'],
    ['key', 'x', 'option "key" expected secret, got "x"'],
    ['nope', 'x', 'unknown option "nope"'],
    ['constructor', 'x', 'unknown option "constructor"'],
  ];
  for (const [name, text, why] of bad) {
    test(`${name}=${text} is refused`, () => {
      assert.throws(() => parseConfigValue(options, name, text), message(why));
    });
  }

  test('values with a type are checked as they are', () => {
    assert.equal(checkConfigValue(options, 'count', 6), 6);
    assert.throws(() => checkConfigValue(options, 'count', '6'), message(/expected int, got "6"/));
  });

  const refused: [string, string][] = [
    ['', 'invalid config: empty configuration'],
    ['options: {a: {type: list}}', 'invalid config: option "a" has unknown type "list"'],
    [
      'options: {a: {type: int, default: a}}',
      'invalid config default: option "a" expected int, got "a"',
    ],
    [
      'options: {a: {type: secret, default: x}}',
      'invalid config default: option "a" expected secret, got "x"',
    ],
    ['options: 5', 'invalid config: options: expected map, got int(5)'],
  ];
  for (const [text, why] of refused) {
    test(JSON.stringify(text), () => assert.throws(() => parseConfig(text), message(why)));
  }
});

describe('actions.yaml', () => {
  const actions = parseActions(`
backup:
  description: make one
  params:
    type: {type: string, enum: [full, incremental], default: full}
    count: {type: integer, minimum: 1, maximum: 3}
    name: {type: string, pattern: "^[a-z]+$"}
    tags: {type: array, items: {type: string}}
    where:
      type: object
      properties: {host: {type: string, default: here}}
      additionalProperties: false
  required: [count]
free:
  additionalProperties: true
empty:
`);
  const backup = actions['backup'];
  assert.ok(backup !== undefined);

  test('defaults are inserted at every depth, what was given stays', () => {
    assert.deepEqual(actionParams(backup, { count: 2, where: {} }), {
      count: 2,
      type: 'full',
      where: { host: 'here' },
    });
    assert.deepEqual(actionParams(actions['free'] ?? backup, { x: 1 }), { x: 1 });
    assert.deepEqual(actionParams(actions['empty'] ?? backup, {}), {});
  });

  const bad: [Record<string, unknown>, string][] = [
    [{}, '(root) : "count" property is missing and required, given {}'],
    [
      { count: 1, x: 1 },
      '(root) : additional property "x" is not allowed, given {"count":1,"x":1}',
    ],
    [{ count: '1' }, '(root).count : must be of type integer, given "1"'],
    [{ count: 0 }, '(root).count : must be greater than or equal to 1, given 0'],
    [{ count: 4 }, '(root).count : must be less than or equal to 3, given 4'],
    [
      { count: 1, type: 'x' },
      '(root).type : must match one of the enum values ["full","incremental"], given "x"',
    ],
    [{ count: 1, name: 'X' }, '(root).name : does not match pattern "^[a-z]+$", given "X"'],
    [{ count: 1, tags: ['a', 1] }, '(root).tags.1 : must be of type string, given 1'],
    [
      { count: 1, where: { y: 1 } },
      '(root).where : additional property "y" is not allowed, given {"y":1}',
    ],
  ];
  for (const [params, why] of bad) {
    test(why, () => {
      assert.throws(() => actionParams(backup, params), message(`validation failed: ${why}`));
    });
  }

  test('patterns and multiples are as Go and decimal arithmetic have them', () => {
    const [tune] = Object.values(
      parseActions(`
tune:
  params:
    word: {type: string, pattern: "(?i)^on$"}
    odd: {type: string, pattern: "[[:alpha:]](?<!x)["}
    share: {type: number, multipleOf: 0.1}
`),
    );
    assert.ok(tune !== undefined);
    assert.deepEqual(actionParams(tune, { word: 'ON', share: 0.3 }), { word: 'ON', share: 0.3 });
    assert.throws(() => actionParams(tune, { word: 'off' }), /does not match pattern/);
    assert.throws(() => actionParams(tune, { share: 0.35 }), /must be a multiple of 0\.1/);
    assert.throws(() => actionParams(tune, { odd: 'x' }), {
      message: /^validation failed: \(root\)\.odd : cannot be checked: .* is no pattern/,
    });
  });

  const refused: [string, RegExp][] = [
    ['Bad: {}', /bad action name Bad/],
    ['juju-x: {}', /cannot use action name juju-x/],
    ['a: {params: {x: {$ref: "#"}}}', /schema key "\$ref" not compatible/],
    ['a: {required: x}', /action a: required: expected list, got string\("x"\)/],
    ['- a', /expected a map/],
  ];
  for (const [text, why] of refused) {
    test(JSON.stringify(text), () => assert.throws(() => parseActions(text), message(why)));
  }
});

describe('manifest.yaml and version', () => {
  test('name bases by track', () => {
    const text = `
bases:
- {name: ubuntu, channel: "24.04/stable"}
- {name: ubuntu, channel: 22.04, architectures: [arm64]}
`;
    assert.deepEqual(parseManifest(text).bases, [
      { name: 'ubuntu', channel: '24.04', architectures: ['amd64'] },
      { name: 'ubuntu', channel: '22.04', architectures: ['arm64'] },
    ]);
    assert.equal(parseVersion('v1-2-gabc\nmore\n'), 'v1-2-gabc');
    assert.equal(parseVersion('\n'), undefined);
  });

  test('need at least one Ubuntu base', () => {
    assert.throws(() => parseManifest('bases: []'), message(/at least one base/));
    assert.throws(
      () => parseManifest('bases: [{name: centos, channel: "7"}]'),
      message(/"centos"/),
    );
  });
});

describe('files of settings', () => {
  test('are maps of text, whatever it looks like', () => {
    const settings = parseSettings('a: yes\nb: 010\nc:\n"d e": "x\\n"\n');
    assert.deepEqual(settings, { a: 'yes', b: '010', c: '', 'd e': 'x\n' });
    assert.deepEqual(parseSettings(''), {});
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }), (map) => {
        const wellFormed = JSON.parse(JSON.stringify(map)) as Record<string, string>;
        assert.deepEqual(parseSettings(JSON.stringify(wellFormed)), wellFormed);
      }),
    );
  });

  for (const text of ['[1]', 'word', 'a: [1]', 'a: {b: c}', 'a: &x 1\nb: *x', 'a: 1\na: 2', '{']) {
    test(`${JSON.stringify(text)} is none`, () => assert.throws(() => parseSettings(text)));
  }
});
