/** `config`: sets and resets an application's options; units that see a change are told. */
import { isDeepStrictEqual } from 'node:util';
import { isRecord, parseCharmYaml } from '../../../lib/contract/charm-yaml.ts';
import {
  type ConfigOptions,
  type ConfigValue,
  checkConfigValue,
  parseConfigValue,
} from '../../../lib/contract/config.ts';
import { parseGoBool } from '../../../lib/contract/gnuflag.ts';
import { type Application, aliveApplication, type Model, refusal } from './model.ts';

export interface ConfigChange {
  set?: Record<string, string> | undefined;
  reset?: readonly string[] | undefined;
  yaml?: string | undefined;
}

/** `config <application> key=value … --reset …`, all or nothing. */
export function setConfig(model: Model, name: string, change: ConfigChange): string[] {
  const { store } = model;
  return store.tx(() => {
    const application = aliveApplication(store, name);
    const { trust, options } = splitTrust(change);
    if (trust !== undefined) {
      store.run('UPDATE application SET trust = ? WHERE name = ?', trust ? 1 : 0, name);
    }
    const { charm } = application;
    const config = { ...application.config };
    for (const key of options.reset ?? []) {
      if (!Object.hasOwn(charm.config, key))
        throw refusal('config-invalid', `unknown option "${key}"`);
      delete config[key];
    }
    Object.assign(config, typedConfig(charm.config, name, options));
    storeConfig(model, application, config);
    return [];
  });
}

/** Call it inside a transaction. */
export function storeConfig(
  { store }: Model,
  application: Application,
  config: Record<string, ConfigValue>,
): boolean {
  if (isDeepStrictEqual(config, application.config)) return false;
  store.run(
    'UPDATE application SET config = ?, config_version = config_version + 1 WHERE name = ?',
    JSON.stringify(config),
    application.name,
  );
  return true;
}

/** `trust` is the application's own setting, beside the charm's options. */
function splitTrust(change: ConfigChange): { trust: boolean | undefined; options: ConfigChange } {
  const { trust: text, ...set } = change.set ?? {};
  const resets = change.reset?.includes('trust') === true;
  const reset = change.reset?.filter((key) => key !== 'trust');
  const trust = text === undefined ? (resets ? false : undefined) : parseGoBool(text);
  if (text !== undefined && trust === undefined) {
    throw refusal('config-invalid', `option "trust" expected bool, got "${text}"`);
  }
  return { trust, options: { ...change, set, reset } };
}

/**
 * Typed values of what was given as text and in a YAML file; pairs win over the file.
 *
 * @param application whose name may be the key above the options in the file
 * @throws OperatorError `config-invalid`
 */
export function typedConfig(
  options: ConfigOptions,
  application: string,
  given: ConfigChange,
): Record<string, ConfigValue> {
  const typed = given.yaml === undefined ? {} : fromYaml(options, application, given.yaml);
  for (const [key, text] of Object.entries(given.set ?? {})) {
    typed[key] = parseConfigValue(options, key, text);
  }
  return typed;
}

function fromYaml(
  options: ConfigOptions,
  application: string,
  text: string,
): Record<string, ConfigValue> {
  const document = parseCharmYaml(text, 'the configuration file');
  if (!isRecord(document)) {
    throw refusal('config-invalid', 'cannot read the configuration file: expected a map');
  }
  const nested = document[application];
  return typedValues(options, isRecord(nested) ? nested : document);
}

/** Values that YAML already gave a type. Text is taken for any type, as on the command line. */
export function typedValues(
  options: ConfigOptions,
  values: Record<string, unknown>,
): Record<string, ConfigValue> {
  const entries = Object.entries(values).map(([key, value]) => {
    const isText = typeof value === 'string' && options[key]?.type !== 'string';
    const typed = isText
      ? parseConfigValue(options, key, value)
      : checkConfigValue(options, key, value);
    return [key, typed] as const;
  });
  return Object.fromEntries(entries);
}
