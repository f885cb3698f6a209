/** config.yaml: typed options, and what `config` accepts on the command line, in Juju's words. */
import { z } from 'zod';
import { OperatorError } from '../std/errors.ts';
import { charmError, checkCharm, parseCharmYaml } from './charm-yaml.ts';
import { goQuote, parseGoBool } from './gnuflag.ts';

export type ConfigType = 'string' | 'int' | 'float' | 'boolean' | 'secret';
export type ConfigValue = string | number | boolean;

export interface ConfigOption {
  type: ConfigType;
  description: string;
  default?: ConfigValue;
}
export type ConfigOptions = Record<string, ConfigOption>;

const TYPES: readonly string[] = ['string', 'int', 'float', 'boolean', 'secret'];

const raw = z.object({
  options: z.record(
    z.string(),
    z.object({
      type: z.string().nullish(),
      description: z.string().nullish(),
      default: z.unknown().optional(),
    }),
  ),
});

/** @throws OperatorError `charm-invalid` */
export function parseConfig(text: string): ConfigOptions {
  const given = parseCharmYaml(text, 'config.yaml');
  if (given === undefined) throw charmError('invalid config: empty configuration');
  const { options } = checkCharm(raw, given, 'invalid config');
  return Object.fromEntries(
    Object.entries(options).map(([name, option]) => [name, optionOf(name, option)]),
  );
}

function optionOf(name: string, given: z.output<typeof raw>['options'][string]): ConfigOption {
  const type = given.type ?? 'string';
  if (!isType(type)) {
    throw charmError(`invalid config: option "${name}" has unknown type ${goQuote(type)}`);
  }
  const option: ConfigOption = { type, description: given.description ?? '' };
  // An empty default of another type than string means that there is none.
  if (given.default === undefined || given.default === null) return option;
  if (given.default === '' && type !== 'string') return option;
  if (!hasType(given.default, type)) {
    throw charmError(
      `invalid config default: option "${name}" expected ${type}, got ${shown(given.default)}`,
    );
  }
  return { ...option, default: given.default };
}

function isType(text: string): text is ConfigType {
  return TYPES.includes(text);
}

function hasType(value: unknown, type: ConfigType): value is ConfigValue {
  if (type === 'int') return Number.isSafeInteger(value);
  if (type === 'float') return typeof value === 'number';
  if (type === 'boolean') return typeof value === 'boolean';
  return typeof value === 'string' && (type === 'string' || isSecretUri(value));
}

function isSecretUri(text: string): boolean {
  return text === '' || /^secret:(?:\/\/[\da-f-]{36}\/)?[\da-z]{20}$/.test(text);
}

function shown(value: unknown): string {
  return typeof value === 'string' ? goQuote(value) : JSON.stringify(value);
}

/**
 * The typed value of `name=text` on a command line.
 *
 * @throws OperatorError `config-invalid`: `option "x" expected int, got "abc"` and the like
 */
export function parseConfigValue(options: ConfigOptions, name: string, text: string): ConfigValue {
  const option = optionNamed(options, name);
  const value = fromText(option.type, text);
  if (value !== undefined) return value;
  throw configError(`option "${name}" expected ${option.type}, got ${goQuote(text)}`);
}

/** The same for a value that already has a type, as in a bundle or a configuration file. */
export function checkConfigValue(
  options: ConfigOptions,
  name: string,
  value: unknown,
): ConfigValue {
  const { type } = optionNamed(options, name);
  if (hasType(value, type)) return value;
  throw configError(`option "${name}" expected ${type}, got ${shown(value)}`);
}

function optionNamed(options: ConfigOptions, name: string): ConfigOption {
  const option = Object.hasOwn(options, name) ? options[name] : undefined;
  if (option === undefined) throw configError(`unknown option ${goQuote(name)}`);
  return option;
}

function fromText(type: ConfigType, text: string): ConfigValue | undefined {
  switch (type) {
    case 'string':
      return text;
    case 'boolean':
      return parseGoBool(text);
    case 'int': {
      const number = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
      return Number.isSafeInteger(number) ? number : undefined;
    }
    case 'float': {
      const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN;
      return Number.isFinite(number) ? number : undefined;
    }
    case 'secret':
      return isSecretUri(text) ? text : undefined;
  }
}

function configError(message: string): OperatorError {
  return new OperatorError({ code: 'config-invalid', message, retry: 'never' });
}

/** What config-get shows: every option that was set or has a default. */
export function effectiveConfig(
  options: ConfigOptions,
  set: Record<string, ConfigValue>,
): Record<string, ConfigValue> {
  const values: Record<string, ConfigValue> = {};
  for (const [name, option] of Object.entries(options)) {
    const value = Object.hasOwn(set, name) ? set[name] : option.default;
    if (value !== undefined) values[name] = value;
  }
  return values;
}
