/** Secrets of the operator: add-secret, update-secret, remove-secret, grant- and revoke-secret. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseSettings } from '../../../lib/contract/settings.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { type Call, type Command, keyValues } from '../command.ts';
import { readText } from '../small-file.ts';
import { told } from '../told.ts';

const INFO = { names: ['info'], doc: 'What the secret is for' } as const;
const FILE = {
  names: ['file'],
  doc: 'YAML file with keys and values; keeps them off the command line',
} as const;

export const addSecret: Command = {
  name: 'add-secret',
  usage: '<name> [<key>[#base64|#file]=<value> ...]',
  summary: 'Add a secret of the model; print its URI.',
  examples: ['pgcharm add-secret my-login --file ./login.yaml'],
  flags: [INFO, FILE],
  takes: [1, 1000],
  missing: 'missing secret name',
  async run(call) {
    const [name = '', ...pairs] = call.args;
    const info = call.flags.text('info');
    const { uri } = await call.api.call('add-secret', {
      name,
      content: content(call, pairs),
      ...(info === undefined ? {} : { info }),
    });
    call.out.data(`${uri}\n`);
    return 0;
  },
};

export const updateSecret: Command = {
  name: 'update-secret',
  usage: '<name>|<uri> [<key>[#base64|#file]=<value> ...]',
  summary: 'Update a secret of the model; new content makes a new revision.',
  flags: [
    INFO,
    FILE,
    { names: ['name'], doc: 'A new name' },
    { names: ['auto-prune'], kind: 'bool', doc: 'Accepted for compatibility' },
  ],
  takes: [1, 1000],
  missing: 'missing secret URI or name',
  async run(call) {
    const [secret = '', ...pairs] = call.args;
    const { info, name } = { info: call.flags.text('info'), name: call.flags.text('name') };
    const given = pairs.length > 0 || call.flags.has('file');
    const request = {
      secret,
      ...(info === undefined ? {} : { info }),
      ...(name === undefined ? {} : { name }),
      ...(given ? { content: content(call, pairs) } : {}),
    };
    return told(call, await call.api.call('update-secret', request));
  },
};

export const removeSecret: Command = {
  name: 'remove-secret',
  usage: '<name>|<uri>',
  summary: 'Remove a secret of the model, or one of its revisions.',
  flags: [{ names: ['revision'], kind: 'int', doc: 'Only this revision' }],
  takes: [1, 1],
  missing: 'missing secret URI or name',
  async run(call) {
    const revision = call.flags.int('revision');
    const request = { secret: call.args[0] ?? '', ...(revision === undefined ? {} : { revision }) };
    return told(call, await call.api.call('remove-secret', request));
  },
};

export const grantSecret: Command = access(
  'grant-secret',
  'Let applications read a secret.',
  false,
);
export const revokeSecret: Command = access('revoke-secret', 'Take that access back.', true);

function access(name: string, summary: string, revoke: boolean): Command {
  return {
    name,
    usage: '<name>|<uri> <application>[,<application> ...]',
    summary,
    takes: [2, 2],
    missing: 'missing secret name or application name',
    async run(call) {
      const [secret = '', applications = ''] = call.args;
      const request = { secret, applications: applications.split(','), revoke };
      return told(call, await call.api.call('grant-secret', request));
    },
  };
}

/** Keys and base64 values, as the controller keeps them. */
function content(call: Call, pairs: readonly string[]): Record<string, string> {
  const file = call.flags.text('file');
  const given = { ...(file === undefined ? {} : fileContent(call, file)), ...keyValues(pairs) };
  const encoded: Record<string, string> = {};
  for (const [word, value] of Object.entries(given)) {
    const [, key = word, form] = /^(.*)#(base64|file)$/.exec(word) ?? [];
    encoded[key] = encode(call, form, value);
  }
  return encoded;
}

function encode(call: Call, form: string | undefined, value: string): string {
  if (form === 'base64') return value;
  if (form === 'file') return readFileSync(resolve(call.cwd, value)).toString('base64');
  return Buffer.from(value, 'utf8').toString('base64');
}

/** Texts as they stand there: to YAML a password of digits is a number, and another one. */
function fileContent(call: Call, file: string): Record<string, string> {
  try {
    return parseSettings(readText(call.cwd, file));
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    throw new OperatorError({
      code: 'secret-file',
      message: `cannot read a secret from ${file}: ${messageOf(error)}`,
      hint: 'it must hold a YAML map of keys and texts',
      retry: 'never',
    });
  }
}
