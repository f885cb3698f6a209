/**
 * Words of the secret tools. Content travels as `key=value`, `key#base64=value` or
 * `key#file=path`; a program passes files or stdin, so that nothing secret stands in argv.
 */
import { parseDurationMs } from '../../std/duration.ts';
import { goQuote, type ParsedFlags, UsageError } from '../gnuflag.ts';
import {
  ALL_FORMATS,
  atMostOne,
  boolFlag,
  isUnitName,
  noMore,
  type RelationChoice,
  relationFlag,
  relationOf,
  relationWords,
  type ToolSchema,
  textFlag,
  textsGiven,
  textWords,
} from './schema.ts';

const ROTATIONS = ['never', 'hourly', 'daily', 'weekly', 'monthly', 'quarterly', 'yearly'] as const;
export type Rotation = (typeof ROTATIONS)[number];

export interface SecretChange {
  label?: string;
  description?: string;
  rotate?: Rotation;
  /** RFC 3339, the same without zone, or a Go duration. */
  expire?: string;
  owner: 'application' | 'unit';
  file?: string;
  /** Words `key[#base64|#file]=value`. */
  content: string[];
}

const changeFlags = [
  textFlag('label', '<label>', 'a name for the secret in hooks'),
  textFlag('description', '<text>', 'what it is for'),
  textFlag('rotate', '<policy>', `one of ${ROTATIONS.join(', ')}`),
  textFlag('expire', '<time or duration>', 'when it expires'),
  textFlag('owner', 'application|unit', 'who owns it; application by default'),
  textFlag('file', '<path>', 'YAML file with keys and values'),
];

function parseChange(flags: ParsedFlags, content: readonly string[]): SecretChange {
  const {
    expire,
    rotate,
    owner = 'application',
    ...given
  } = textsGiven(flags, [
    ...(['label', 'description', 'rotate', 'expire', 'owner', 'file'] as const),
  ]);
  const change: SecretChange = { ...given, owner: 'application', content: [...content] };
  if (expire !== undefined) change.expire = checkExpiry(expire);
  if (rotate !== undefined) {
    if (!isRotation(rotate)) throw new UsageError(`rotate policy ${goQuote(rotate)} not valid`);
    change.rotate = rotate;
  }
  if (owner !== 'application' && owner !== 'unit') {
    throw new UsageError(`secret owner ${goQuote(owner)} not valid`);
  }
  change.owner = owner;
  for (const word of content) {
    // Base64 padding at the end is no separator.
    if (word.replace(/=+$/, '').indexOf('=') < 1) {
      throw new UsageError(`key value ${goQuote(word)} not valid`);
    }
  }
  return change;
}

function isRotation(text: string): text is Rotation {
  return (ROTATIONS as readonly string[]).includes(text);
}

function checkExpiry(text: string): string {
  const duration = parseDurationMs(text);
  if (duration === undefined) {
    if (expiryTime(text) !== undefined) return text;
    throw new UsageError(`expire time or duration ${goQuote(text)} not valid`);
  }
  if (duration > 0) return text;
  throw new UsageError(`negative expire duration ${goQuote(text)} not valid`);
}

/** Milliseconds since the epoch of an absolute expiry; without a zone it is UTC. */
export function expiryTime(text: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?$/.test(text)) {
    return undefined;
  }
  const time = Date.parse(/(?:Z|[+-]\d\d:\d\d)$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(time) ? undefined : time;
}

function changeWords(call: SecretChange): string[] {
  const { label, description, rotate, expire, file } = call;
  return [
    ...textWords({ label, description, rotate, expire, file }),
    ...(call.owner === 'unit' ? ['--owner', 'unit'] : []),
    ...call.content,
  ];
}

export const secretAdd: ToolSchema<SecretChange> = {
  usage: '[key[#base64|#file]=value …]',
  purpose: 'Make a secret.',
  flags: changeFlags,
  parse: (flags) => {
    if (flags.args.length === 0 && (flags.text('file') ?? '') === '') {
      throw new UsageError('missing secret value or filename');
    }
    return parseChange(flags, flags.args);
  },
  build: changeWords,
};

export const secretSet: ToolSchema<SecretChange & { id: string }> = {
  usage: '<secret> [key[#base64|#file]=value …]',
  purpose: 'Give a secret new content or other properties.',
  flags: changeFlags,
  parse: (flags) => {
    const [uri, ...content] = flags.args;
    if (uri === undefined) throw new UsageError('missing secret URI');
    return { ...parseChange(flags, content), id: secretId(uri) };
  },
  build: (call) => [secretUri(call.id), ...changeWords(call)],
};

export interface SecretGet {
  id?: string;
  label?: string;
  mode?: 'peek' | 'refresh';
  /** `key` or `key#base64`. */
  key?: string;
}

export const secretGet: ToolSchema<SecretGet> = {
  usage: '[<secret>] [key[#base64]]',
  purpose: 'Print the content of a secret.',
  flags: [
    textFlag('label', '<label>', 'the secret with this label; with a secret: label it so'),
    boolFlag('peek', 'the newest revision, this once'),
    boolFlag('refresh', 'the newest revision, from now on'),
  ],
  formats: ['yaml', 'json'],
  parse: (flags) => {
    const [uri, key, ...rest] = flags.args;
    const call: SecretGet = { ...textsGiven(flags, ['label']) };
    if (uri !== undefined) call.id = secretId(uri);
    if (uri === undefined && call.label === undefined) {
      throw new UsageError('require either a secret URI or label');
    }
    if (flags.bool('peek') && flags.bool('refresh')) {
      throw new UsageError('specify one of --peek or --refresh but not both');
    }
    if (flags.bool('peek')) call.mode = 'peek';
    if (flags.bool('refresh')) call.mode = 'refresh';
    if (key !== undefined) call.key = key;
    noMore(rest);
    return call;
  },
  build: ({ id, label, mode, key }) => [
    ...(id === undefined ? [] : [secretUri(id)]),
    ...textWords({ label }),
    ...(mode === undefined ? [] : [`--${mode}`]),
    ...(key === undefined ? [] : [key]),
  ],
};

export const secretInfoGet: ToolSchema<{ id?: string; label?: string }> = {
  usage: '[<secret>]',
  purpose: 'Describe a secret that the unit or its application owns.',
  flags: [textFlag('label', '<label>', 'the secret with this label')],
  formats: ['yaml', 'json'],
  parse: (flags) => {
    const uri = atMostOne(flags.args);
    const { label } = textsGiven(flags, ['label']);
    if (uri === undefined && label === undefined) {
      throw new UsageError('require either a secret URI or label');
    }
    if (uri !== undefined && label !== undefined) {
      throw new UsageError('specify either a secret URI or label but not both');
    }
    if (uri !== undefined) return { id: secretId(uri) };
    return label === undefined ? {} : { label };
  },
  build: ({ id, label }) => [...(id === undefined ? [] : [secretUri(id)]), ...textWords({ label })],
};

export const secretIds: ToolSchema<Record<never, never>> = {
  usage: '',
  purpose: 'List the secrets that the unit or its application owns.',
  formats: ALL_FORMATS,
  parse: (flags) => {
    noMore(flags.args);
    return {};
  },
  build: () => [],
};

export const secretGrant: ToolSchema<RelationChoice & { id: string; unit?: string }> = {
  usage: '<secret>',
  purpose: 'Let a related application, or one of its units, read a secret.',
  flags: [relationFlag, textFlag('unit', '<unit>', 'only this unit')],
  parse: (flags) => {
    const [uri, ...rest] = flags.args;
    if (uri === undefined) throw new UsageError('missing secret URI');
    const { unit } = textsGiven(flags, ['unit']);
    if (unit !== undefined && !isUnitName(unit)) {
      throw new UsageError(`unit ${goQuote(unit)} not valid`);
    }
    noMore(rest);
    return { ...relationOf(flags), id: secretId(uri), ...(unit === undefined ? {} : { unit }) };
  },
  build: (call) => [secretUri(call.id), ...relationWords(call), ...textWords({ unit: call.unit })],
};

export interface SecretRevoke extends RelationChoice {
  id: string;
  app?: string;
  unit?: string;
}

export const secretRevoke: ToolSchema<SecretRevoke> = {
  usage: '<secret>',
  purpose: 'Take the permission to read a secret away.',
  flags: [
    relationFlag,
    textFlag('app', '<application>', 'from this application'),
    textFlag('application', '<application>', 'from this application'),
    textFlag('unit', '<unit>', 'from this unit'),
  ],
  parse: (flags) => {
    const [uri, ...rest] = flags.args;
    if (uri === undefined) throw new UsageError('missing secret URI');
    const given = textsGiven(flags, ['app', 'application', 'unit']);
    const app = given.app ?? given.application;
    const call: SecretRevoke = { ...relationOf(flags), id: secretId(uri) };
    if (app !== undefined && given.unit !== undefined) {
      throw new UsageError('specify only one of application or unit');
    }
    if (app !== undefined && call.relation !== undefined) {
      throw new UsageError('do not specify both relation and app');
    }
    if (app !== undefined) call.app = app;
    if (given.unit !== undefined) call.unit = given.unit;
    noMore(rest);
    return call;
  },
  build: (call) => [
    secretUri(call.id),
    ...relationWords(call),
    ...textWords({ app: call.app, unit: call.unit }),
  ],
};

export const secretRemove: ToolSchema<{ id: string; revision?: number }> = {
  usage: '<secret>',
  purpose: 'Remove a secret, or one of its revisions.',
  flags: [{ names: ['revision'], kind: 'int', value: '<number>', doc: 'only this revision' }],
  parse: (flags) => {
    const [uri, ...rest] = flags.args;
    if (uri === undefined) throw new UsageError('missing secret URI');
    const revision = flags.int('revision');
    noMore(rest);
    return { id: secretId(uri), ...(revision === undefined ? {} : { revision }) };
  },
  build: ({ id, revision }) => [
    secretUri(id),
    ...(revision === undefined ? [] : ['--revision', String(revision)]),
  ],
};

/** A URI of another model is kept: the bare id would name a secret of this one. */
function secretUri(id: string): string {
  return id.startsWith('secret:') ? id : `secret:${id}`;
}

/** The bare id of `secret:<id>`, `secret://<model>/<id>` or the id itself. @throws UsageError */
export function secretId(uri: string): string {
  const match = /^(?:secret:(?:\/\/[\da-f-]{36}\/)?)?([\da-z]{20})$/.exec(uri);
  if (match?.[1] === undefined) throw new UsageError(`secret URI ${goQuote(uri)} not valid`);
  return match[1];
}
