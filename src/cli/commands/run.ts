/** `pgcharm run`: runs an action on units and waits for what it says. */
import { parse } from 'yaml';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { parseDurationMs } from '../../../lib/std/duration.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { type Command, formatFlag } from '../command.ts';
import { readText } from '../small-file.ts';
import { seeThrough } from '../task.ts';

const DEFAULT_WAIT_MS = 60_000;
const UNIT = /^[a-z][a-z0-9-]*\/(\d+|leader)$/;
const PARAMETER = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

export const run: Command = {
  name: 'run',
  usage: '<unit> [<unit> ...] <action> [<key>=<value> ...]',
  summary: 'Run an action on the given units.',
  details:
    'A unit may be given as <application>/leader. Keys with dots make nested maps. Waits for\n' +
    'the results, at most --wait; progress of the action is shown as it comes.',
  examples: [
    'pgcharm run postgresql/leader create-backup',
    'pgcharm run postgresql/1 promote-to-primary scope=unit --wait 2m',
    'pgcharm run postgresql/0 list-backups --format json',
  ],
  flags: [
    formatFlag('plain', 'json', 'yaml'),
    { names: ['wait'], kind: 'duration', doc: 'Longest wait for results', value: '1m0s' },
    { names: ['background'], kind: 'bool', doc: 'Do not wait for results' },
    { names: ['params'], doc: 'YAML file with parameters', value: '<file>' },
    { names: ['string-args'], kind: 'bool', doc: 'Use values as they are, not as YAML' },
    { names: ['utc'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['color'], kind: 'bool', doc: 'Accepted for compatibility' },
    { names: ['no-color'], kind: 'bool', doc: 'Accepted for compatibility' },
  ],
  takes: [1, 1000],
  missing: 'no unit specified',
  async run(call) {
    const { units, action, settings } = split(call.args);
    const file = call.flags.text('params');
    const params = file === undefined ? {} : parseParams(readText(call.cwd, file), file);
    for (const setting of settings) insert(params, setting, call.flags.bool('string-args'));
    const enqueued = await call.api.call('run', { units, action, params });
    return seeThrough(call, enqueued, {
      format: call.flags.text('format') ?? 'plain',
      waitMs: parseDurationMs(call.flags.text('wait') ?? '') ?? DEFAULT_WAIT_MS,
      background: call.flags.bool('background'),
    });
  },
};

function split(args: readonly string[]): { units: string[]; action: string; settings: string[] } {
  const first = args.findIndex((argument) => !UNIT.test(argument));
  if (first < 0) throw new UsageError('no action specified');
  const action = args[first] ?? '';
  if (first === 0) throw new UsageError(`invalid unit or action name "${action}"`);
  return { units: args.slice(0, first), action, settings: args.slice(first + 1) };
}

function parseParams(text: string, file: string): Record<string, unknown> {
  const value: unknown = parse(text) ?? {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new OperatorError({
    code: 'params-not-a-map',
    message: `cannot read parameters from ${file}: it must hold a map`,
    retry: 'never',
  });
}

/** `a.b=1` becomes `{a: {b: 1}}`; later settings win. */
function insert(params: Record<string, unknown>, setting: string, asText: boolean): void {
  const split = setting.indexOf('=');
  const path = setting.slice(0, split);
  if (split < 1)
    throw new UsageError(`argument "${setting}" must be of the form key.key.key...=value`);
  if (!PARAMETER.test(path)) {
    throw new UsageError(
      `key "${path}" must start and end with lowercase alphanumeric, and contain only ` +
        'lowercase alphanumeric, hyphens and periods',
    );
  }
  const text = setting.slice(split + 1);
  const keys = path.split('.');
  let map = params;
  for (const key of keys.slice(0, -1)) {
    const inner = map[key];
    const nested =
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? (inner as Record<string, unknown>)
        : {};
    map[key] = nested;
    map = nested;
  }
  map[keys.at(-1) ?? ''] = asText ? text : parse(text);
}
