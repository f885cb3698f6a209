/** Words of the action tools. */
import { goQuote, UsageError } from '../gnuflag.ts';
import { ALL_FORMATS, noMore, type ToolSchema } from './schema.ts';

const KEY = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const RESERVED = ['stdout', 'stdout-encoding', 'stderr', 'stderr-encoding'];

export const actionGet: ToolSchema<{ path: string[] }> = {
  usage: '[<key>[.<key> …]]',
  purpose: 'Print the parameters of the action, or one of them.',
  formats: ALL_FORMATS,
  parse: (flags) => {
    const [path, ...rest] = flags.args;
    noMore(rest);
    return { path: path === undefined ? [] : path.split('.') };
  },
  build: ({ path }) => (path.length === 0 ? [] : [path.join('.')]),
};

export interface ActionSet {
  values: { path: string[]; value: string }[];
}

export const actionSet: ToolSchema<ActionSet> = {
  usage: 'key[.key …]=value …',
  purpose: 'Add to the results of the action.',
  parse: (flags) => ({ values: flags.args.map(result) }),
  build: ({ values }) => ['--', ...values.map(({ path, value }) => `${path.join('.')}=${value}`)],
};

function result(word: string): ActionSet['values'][number] {
  const equals = word.indexOf('=');
  if (equals < 0)
    throw new UsageError(`argument ${goQuote(word)} must be of the form key...=value`);
  const path = word.slice(0, equals).split('.');
  for (const key of path) {
    if (!KEY.test(key)) {
      const edges = 'must start and end with lowercase alphanumeric';
      const inside = 'contain only lowercase alphanumeric, hyphens and periods';
      throw new UsageError(`key ${goQuote(key)} ${edges}, and ${inside}`);
    }
    if (RESERVED.includes(key)) {
      throw new UsageError(`cannot set reserved action key ${goQuote(key)}`);
    }
  }
  return { path, value: word.slice(equals + 1) };
}

export const actionFail: ToolSchema<{ message: string }> = {
  usage: '[<message>]',
  purpose: 'Say that the action failed, and why.',
  parse: (flags) => {
    const [message, ...rest] = flags.args;
    noMore(rest);
    return { message: message || 'action failed without reason given, check action for errors' };
  },
  build: ({ message }) => ['--', message],
};

export const actionLog: ToolSchema<{ message: string }> = {
  usage: '<message>',
  purpose: 'Report progress of the action.',
  parse: (flags) => {
    if (flags.args.length === 0) throw new UsageError('no message specified');
    return { message: flags.args.join(' ') };
  },
  build: ({ message }) => ['--', message],
};
