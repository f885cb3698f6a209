/** `pgcharm deploy`: a built .charm file or a bundle from this machine's files. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { OperatorError } from '../../../lib/std/errors.ts';
import {
  type Call,
  COUNT,
  type Command,
  commaList,
  keyValues,
  machineFlag,
  machineKind,
} from '../command.ts';
import { readSmallFile } from '../small-file.ts';
import { told } from '../told.ts';

export const deploy: Command = {
  name: 'deploy',
  usage: '<charm file or bundle> [<application name>]',
  summary: 'Deploy a charm file as a new application, or a bundle.',
  details:
    'The path begins with / or . and names a .charm file, a bundle YAML file, or a directory\n' +
    'with a bundle.yaml. Deploying a bundle again changes only what differs: applications that\n' +
    'exist are kept and get its options and charms; what is missing is added.',
  examples: [
    'pgcharm deploy ./postgresql.charm -n 3 --config profile=testing',
    'pgcharm deploy ./bundles/local.yaml',
  ],
  flags: [
    { names: ['n', 'num-units'], ...COUNT, doc: 'Number of units', value: '1' },
    { names: ['config'], kind: 'strings', doc: 'An option key=value, or the path of a YAML file' },
    { names: ['storage'], kind: 'strings', doc: 'Storage <name>=[<pool>,][<size>,][<count>]' },
    {
      names: ['attach-storage'],
      kind: 'strings',
      doc: 'Existing storage to attach, with one unit',
    },
    { names: ['base'], doc: 'The base on which to deploy, such as ubuntu@24.04' },
    { names: ['constraints'], kind: 'strings', doc: 'Machine constraints key=value' },
    { names: ['to'], kind: 'strings', doc: 'Machines that exist, for the first units' },
    machineFlag,
    { names: ['trust'], kind: 'bool', doc: 'Allow the charm to use cloud credentials' },
    { names: ['bind'], doc: 'Endpoint bindings; there is one space, alpha' },
    { names: ['resource'], kind: 'strings', doc: 'A resource name=path' },
    { names: ['channel'], doc: 'Only for charms from a store' },
    { names: ['revision'], doc: 'Only for charms from a store' },
    { names: ['overlay'], kind: 'strings', doc: 'Not supported' },
    { names: ['force'], kind: 'bool', doc: 'Accepted for compatibility' },
  ],
  takes: [1, 2],
  missing: 'no charm or bundle specified',
  async run(call) {
    const [path = '', application] = call.args;
    refuseWhatOnlyAStoreHas(call);
    const shown = localPath(call, path);
    const { pairs, yaml } = splitConfig(call, call.flags.texts('config'));
    const { answer, trust } = { answer: pairs, trust: takeTrust(pairs) };
    const request = {
      path: resolve(call.cwd, shown),
      shown,
      application,
      numUnits: call.flags.int('num-units'),
      config: answer,
      configYaml: yaml,
      storage: keyValues(call.flags.texts('storage')),
      attachStorage: commaList(call.flags, 'attach-storage'),
      base: call.flags.text('base'),
      trust: call.flags.bool('trust') || trust,
      constraints: constraintsOf(call),
      to: commaList(call.flags, 'to'),
      machine: machineKind(call.flags),
    };
    return told(call, await call.api.call('deploy', request));
  },
};

/** @throws OperatorError for what would have to come from Charmhub */
function localPath(call: Call, path: string): string {
  if (/^[./]/.test(path)) return path;
  const here = existsSync(resolve(call.cwd, path));
  throw new OperatorError({
    code: here ? 'ambiguous-charm' : 'no-store',
    message: here
      ? `The charm or bundle "${path}" is ambiguous.`
      : `cannot deploy "${path}": this controller has no access to a charm store`,
    hint: here
      ? `To deploy a local charm or bundle, run \`pgcharm deploy ./${path}\`.`
      : 'give the path of a .charm file or bundle; it begins with / or .',
    retry: 'never',
  });
}

function refuseWhatOnlyAStoreHas(call: Call): void {
  for (const flag of ['overlay', 'resource']) {
    if (!call.flags.has(flag)) continue;
    throw new OperatorError({
      code: 'not-supported',
      message: `cannot deploy with --${flag}: not supported by this controller`,
      retry: 'never',
    });
  }
}

/** Values of `--config`: pairs, where `@file` is the file's text, and at most one YAML file. */
export function splitConfig(
  call: Call,
  values: readonly string[],
): { pairs: Record<string, string>; yaml: string | undefined } {
  const files = values.filter((value) => !value.includes('='));
  const pairs = keyValues(values.filter((value) => value.includes('=')));
  for (const [key, value] of Object.entries(pairs)) pairs[key] = readSmallFile(call.cwd, value);
  if (files.length > 1) {
    throw new OperatorError({
      code: 'config-files',
      message: 'only a single config YAML file can be specified, got ' + String(files.length),
      retry: 'never',
    });
  }
  const [file] = files;
  const yaml = file === undefined ? undefined : readFileSync(resolve(call.cwd, file), 'utf8');
  return { pairs, yaml };
}

/** `trust=true` among the options is the application's trust, not the charm's option. */
export function takeTrust(pairs: Record<string, string>): boolean {
  const trust = /^(1|t|true)$/i.test(pairs['trust'] ?? '');
  delete pairs['trust'];
  return trust;
}

export function constraintsOf(call: Call): Record<string, string> {
  return keyValues(call.flags.texts('constraints').flatMap((text) => text.split(/\s+/)));
}
