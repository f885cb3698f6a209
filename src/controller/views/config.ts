/** The document of `config <application>`. */
import type { ConfigDocument, ConfigEntry } from '../api/documents.ts';
import { applicationNamed, type Model } from '../operations/model.ts';

/** @throws OperatorError `not-found` */
export function configDocument({ store }: Model, name: string): ConfigDocument {
  const application = applicationNamed(store, name);
  const { charm, config, trust } = application;
  const settings = Object.entries(charm.config)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, option]): [string, ConfigEntry] => {
      const isSet = Object.hasOwn(config, key);
      const value = isSet ? config[key] : option.default;
      return [
        key,
        {
          ...(option.default === undefined ? {} : { default: option.default }),
          description: option.description,
          source: isSet ? 'user' : option.default === undefined ? 'unset' : 'default',
          type: option.type,
          ...(value === undefined ? {} : { value }),
        },
      ];
    });
  return {
    application: name,
    'application-config': {
      trust: {
        default: false,
        description: 'Does this application have access to trusted credentials',
        source: trust ? 'user' : 'default',
        type: 'bool',
        value: trust,
      },
    },
    charm: charm.name,
    settings: Object.fromEntries(settings),
  };
}
