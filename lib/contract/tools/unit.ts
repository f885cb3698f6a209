/** Words of the tools about the unit itself: status, log, ports, storage, resources, state. */
import { goQuote, parseGoInt, UsageError } from '../gnuflag.ts';
import { type PortRange, parsePortRange, portText } from '../ports.ts';
import {
  ALL_FORMATS,
  atMostOne,
  boolFlag,
  keyValues,
  keyValueWords,
  noMore,
  type ToolSchema,
  textFlag,
} from './schema.ts';

type Nothing = Record<never, never>;

/** A tool without arguments. */
function bare(purpose: string, formats: ToolSchema<Nothing>['formats']): ToolSchema<Nothing> {
  const parse: ToolSchema<Nothing>['parse'] = (flags) => {
    noMore(flags.args);
    return {};
  };
  const base = { usage: '', purpose, parse, build: () => [] };
  return formats === undefined ? base : { ...base, formats };
}

export const isLeader = bare('Say whether the unit leads its application.', ALL_FORMATS);
export const goalState = bare('Print the units and relations that shall be.', ['yaml', 'json']);
export const credentialGet = bare('Print the credential of the cloud.', ALL_FORMATS);

export const configGet: ToolSchema<{ key?: string; all: boolean }> = {
  usage: '[<key>]',
  purpose: "Print the application's configuration.",
  flags: [{ names: ['a', 'all'], kind: 'bool', doc: 'also options without a value' }],
  formats: ALL_FORMATS,
  parse: (flags) => {
    const [key, ...rest] = flags.args;
    const all = flags.bool('all');
    if (key !== undefined && key !== '' && all) {
      throw new UsageError(`cannot use argument --all together with key ${goQuote(key)}`);
    }
    noMore(rest);
    return key === undefined || key === '' ? { all } : { key, all };
  },
  build: ({ key, all }) => [...(all ? ['--all'] : []), ...(key === undefined ? [] : [key])],
};

export const unitGet: ToolSchema<{ what: 'private-address' | 'public-address' }> = {
  usage: 'private-address|public-address',
  purpose: "Print the unit's address (deprecated: network-get).",
  formats: ALL_FORMATS,
  parse: (flags) => {
    const [what, ...rest] = flags.args;
    if (what === undefined) throw new UsageError('no setting specified');
    if (what !== 'private-address' && what !== 'public-address') {
      throw new UsageError(`unknown setting ${goQuote(what)}`);
    }
    noMore(rest);
    return { what };
  },
  build: ({ what }) => [what],
};

const STATUSES = ['maintenance', 'blocked', 'waiting', 'active'] as const;
export type SettableStatus = (typeof STATUSES)[number];

export const statusSet: ToolSchema<{
  application: boolean;
  status: SettableStatus;
  message: string;
}> = {
  usage: '<maintenance|blocked|waiting|active> [message]',
  purpose: 'Set the status of the unit, or with --application of the application.',
  flags: [boolFlag('application', 'the application; only the leader may')],
  parse: (flags) => {
    const [status, message = '', ...rest] = flags.args;
    if (status === undefined) throw new UsageError('invalid args, require <status> [message]');
    const known = STATUSES.find((candidate) => candidate === status);
    if (known === undefined) {
      const allowed = STATUSES.join(' ');
      throw new UsageError(`invalid status ${goQuote(status)}, expected one of [${allowed}]`);
    }
    noMore(rest);
    return { application: flags.bool('application'), status: known, message };
  },
  build: (call) => [
    ...(call.application ? ['--application'] : []),
    '--',
    call.status,
    call.message,
  ],
};

export const statusGet: ToolSchema<{ includeData: boolean; application: boolean }> = {
  usage: '',
  purpose: 'Print the status of the unit, or with --application of the application.',
  flags: [
    boolFlag('include-data', 'message and data too'),
    boolFlag('application', 'the application and its units; only the leader may'),
  ],
  formats: ALL_FORMATS,
  parse: (flags) => {
    noMore(flags.args);
    return { includeData: flags.bool('include-data'), application: flags.bool('application') };
  },
  build: (call) => [
    ...(call.includeData ? ['--include-data'] : []),
    ...(call.application ? ['--application'] : []),
  ],
};

export const applicationVersionSet: ToolSchema<{ version: string }> = {
  usage: '<version>',
  purpose: 'Say which version of the workload runs.',
  parse: (flags) => {
    const [version, ...rest] = flags.args;
    if (version === undefined) throw new UsageError('no version specified');
    noMore(rest);
    return { version };
  },
  build: ({ version }) => ['--', version],
};

export const jujuLog: ToolSchema<{ level: string; message: string }> = {
  usage: '<message>',
  purpose: 'Write a line to the log.',
  flags: [
    boolFlag('debug', 'level DEBUG'),
    { names: ['l', 'log-level'], value: 'INFO', doc: 'level of the line' },
  ],
  deprecatedFormat: true,
  parse: (flags) => {
    if (flags.args.length === 0) throw new UsageError('no message specified');
    const level = flags.bool('debug') ? 'DEBUG' : (flags.text('log-level') ?? 'INFO');
    return { level, message: flags.args.join(' ') };
  },
  build: ({ level, message }) => ['--log-level', level, '--', message],
};

export const jujuReboot: ToolSchema<{ now: boolean }> = {
  usage: '',
  purpose: 'Restart the machine when the hook has ended.',
  flags: [boolFlag('now', 'at once; the hook runs again afterwards')],
  parse: (flags) => {
    noMore(flags.args);
    return { now: flags.bool('now') };
  },
  build: ({ now }) => (now ? ['--now'] : []),
};

export interface PortChange {
  port: PortRange;
  /** Empty: every endpoint. */
  endpoints: string[];
}

function portTool(purpose: string): ToolSchema<PortChange> {
  return {
    usage: '<port>[/<protocol>] or <from>-<to>[/<protocol>] or icmp',
    purpose,
    flags: [textFlag('endpoints', '<names>', 'only these endpoints, separated by commas')],
    deprecatedFormat: true,
    parse: (flags) => {
      const [text, ...rest] = flags.args;
      if (text === undefined) throw new UsageError('no port or range specified');
      const port = parsePortRange(text.toLowerCase());
      noMore(rest);
      const endpoints = (flags.text('endpoints') ?? '').split(',').map((name) => name.trim());
      return { port, endpoints: endpoints.filter((name) => name !== '') };
    },
    build: ({ port, endpoints }) => [
      ...(endpoints.length === 0 ? [] : ['--endpoints', endpoints.join(',')]),
      portText(port),
    ],
  };
}

export const openPort = portTool('Ask for a port, or a range of ports, to be open.');
export const closePort = portTool('Ask for a port, or a range of ports, to be closed.');

export const openedPorts: ToolSchema<{ endpoints: boolean }> = {
  usage: '',
  purpose: 'List the open ports.',
  flags: [boolFlag('endpoints', 'say for which endpoints')],
  formats: ALL_FORMATS,
  parse: (flags) => {
    noMore(flags.args);
    return { endpoints: flags.bool('endpoints') };
  },
  build: ({ endpoints }) => (endpoints ? ['--endpoints'] : []),
};

export const storageList: ToolSchema<{ name?: string }> = {
  usage: '[<name>]',
  purpose: 'List the storage that is attached to the unit.',
  formats: ALL_FORMATS,
  parse: (flags) => {
    const name = atMostOne(flags.args);
    return name === undefined ? {} : { name };
  },
  build: ({ name }) => (name === undefined ? [] : [name]),
};

export const storageGet: ToolSchema<{ storage?: string; key?: string }> = {
  usage: '[kind|location]',
  purpose: 'Describe a storage instance.',
  flags: [{ names: ['s'], value: '<name/number>', doc: 'the instance; by default the hook’s' }],
  formats: ALL_FORMATS,
  parse: (flags) => {
    const key = atMostOne(flags.args);
    const storage = flags.text('s');
    return { ...(storage === undefined ? {} : { storage }), ...(key ? { key } : {}) };
  },
  build: ({ storage, key }) => [
    ...(storage === undefined ? [] : ['-s', storage]),
    ...(key === undefined ? [] : [key]),
  ],
};

export const storageAdd: ToolSchema<{ counts: Record<string, number> }> = {
  usage: '<name>[=<count>] …',
  purpose: 'Ask for more instances of a storage.',
  parse: (flags) => {
    if (flags.args.length === 0) throw new UsageError('storage add requires a storage directive');
    return { counts: Object.fromEntries(flags.args.map(storageCount)) };
  },
  build: ({ counts }) => Object.entries(counts).map(([name, count]) => `${name}=${count}`),
};

function storageCount(word: string): [name: string, count: number] {
  const [name = '', ...rest] = word.split('=');
  if (rest.length === 0) return [name, 1];
  const text = rest.join('=');
  const count = /^\d+$/.test(text) ? parseGoInt(text) : undefined;
  if (count === undefined) {
    throw new UsageError(`only count can be specified for ${goQuote(name)}`);
  }
  if (count > 0) return [name, count];
  throw new UsageError(`cannot parse count: count must be greater than zero, got "${text}"`);
}

export const resourceGet: ToolSchema<{ name: string }> = {
  usage: '<name>',
  purpose: 'Print the path of a resource.',
  parse: (flags) => {
    const [name, ...rest] = flags.args;
    if (name === undefined) throw new UsageError('missing required resource name');
    noMore(rest);
    return { name };
  },
  build: ({ name }) => [name],
};

export const stateGet: ToolSchema<{ key?: string; strict: boolean }> = {
  usage: '[<key>|-]',
  purpose: "Print the unit's state that the controller keeps.",
  flags: [boolFlag('strict', 'fail when there is no such key')],
  formats: ALL_FORMATS,
  parse: (flags) => {
    const key = atMostOne(flags.args);
    const strict = flags.bool('strict');
    return key === undefined || key === '-' || key === '' ? { strict } : { key, strict };
  },
  build: ({ key, strict }) => [
    ...(strict ? ['--strict'] : []),
    ...(key === undefined ? [] : [key]),
  ],
};

export const stateSet: ToolSchema<{ file?: string; values: Record<string, string> }> = {
  usage: 'key=value [key=value …]',
  purpose: "Change the unit's state that the controller keeps.",
  flags: [textFlag('file', '<path>', 'YAML map of values; - reads stdin')],
  parse: (flags) => {
    const file = flags.text('file');
    return { ...(file === undefined ? {} : { file }), values: keyValues(flags.args) };
  },
  build: ({ file, values }) => [
    ...(file === undefined ? [] : ['--file', file]),
    ...keyValueWords(values),
  ],
};

export const stateDelete: ToolSchema<{ key: string }> = {
  usage: '<key>',
  purpose: "Remove a key of the unit's state.",
  parse: (flags) => {
    const key = atMostOne(flags.args);
    if (key === undefined || key === '') throw new UsageError('missing key');
    return { key };
  },
  build: ({ key }) => ['--', key],
};
