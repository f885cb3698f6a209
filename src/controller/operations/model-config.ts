/**
 * `model-config`: the settings of the model that this controller acts on, and those that hooks
 * see as JUJU_CHARM_*; values are kept as text.
 */
import { parseGoBool } from '../../../lib/contract/gnuflag.ts';
import { parseDurationMs } from '../../../lib/std/duration.ts';
import { type Model, refusal } from './model.ts';

type Check = (value: string) => string | undefined;

export interface ModelOption {
  readonly type: 'text' | 'bool';
  readonly standard: string;
  /** Says what is wrong with a value. */
  readonly check?: Check;
}

const duration: Check = (value) => {
  const ms = parseDurationMs(value);
  if (ms === undefined) return `time: invalid duration "${value}"`;
  return ms < 1000 ? 'must be at least 1s' : undefined;
};

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

/** `<root>=INFO;unit=DEBUG` */
const logging: Check = (value) => {
  for (const part of value.split(';').filter((item) => item !== '')) {
    const [module = '', level = ''] = part.split('=');
    if (module === '') return `config value expected '=', found "${part}"`;
    if (!LEVELS.includes(level.toUpperCase())) return `unknown severity level "${level}"`;
  }
  return undefined;
};

const oneOf =
  (...allowed: string[]): Check =>
  (value) =>
    allowed.includes(value) ? undefined : `expected ${allowed.join(' or ')}, got "${value}"`;

const isolation: Check = (value) => {
  const problem = oneOf('none', 'mounts')(value);
  if (problem !== undefined || value === 'none' || process.getuid?.() === 0) return problem;
  return 'mounts needs a controller that runs as root';
};

/** Every key with what holds unless it is set. */
export const modelOptions: Readonly<Record<string, ModelOption>> = {
  'automatically-retry-hooks': { type: 'bool', standard: 'true' },
  // Under Juju there are hook tools only: `tools` shows that a charm does with them.
  'hook-transport': { type: 'text', standard: 'socket', check: oneOf('socket', 'tools') },
  'juju-ftp-proxy': { type: 'text', standard: '' },
  'juju-http-proxy': { type: 'text', standard: '' },
  'juju-https-proxy': { type: 'text', standard: '' },
  'juju-no-proxy': { type: 'text', standard: '127.0.0.1,localhost,::1' },
  'logging-config': { type: 'text', standard: '<root>=INFO', check: logging },
  // Under Juju every machine is a computer: `mounts` hides the others' files and sockets.
  'machine-isolation': { type: 'text', standard: 'none', check: isolation },
  'update-status-hook-interval': { type: 'text', standard: '5m', check: duration },
};

/** All or nothing. @throws OperatorError `model-config-invalid` */
export function setModelConfig(
  { store }: Model,
  change: { set?: Record<string, string> | undefined; reset?: readonly string[] | undefined },
): string[] {
  return store.tx(() => {
    const told: string[] = [];
    for (const key of change.reset ?? []) {
      if (!Object.hasOwn(modelOptions, key)) told.push(misspelled(key));
      store.run('DELETE FROM model_config WHERE key = ?', key);
    }
    for (const [key, value] of Object.entries(change.set ?? {})) {
      if (!Object.hasOwn(modelOptions, key)) told.push(misspelled(key));
      store.run(
        `INSERT INTO model_config VALUES (?, ?)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value`,
        key,
        checked(key, value),
      );
    }
    return told;
  });
}

/** Juju takes unknown keys with this warning. */
function misspelled(key: string): string {
  const what = `key "${key}" is not defined in the current model configuration`;
  return `WARNING ${what}: possible misspelling`;
}

function checked(key: string, value: string): string {
  const option = modelOptions[key];
  const flag = parseGoBool(value);
  if (option?.type === 'bool') {
    if (flag === undefined) {
      throw refusal('model-config-invalid', `${key}: expected bool, got string("${value}")`);
    }
    return String(flag);
  }
  const problem = option?.check?.(value);
  if (problem === undefined) return value;
  throw refusal('model-config-invalid', `invalid ${key} in model configuration: ${problem}`);
}
