/** Words of the relation tools and of network-get. */
import { goQuote, UsageError } from '../gnuflag.ts';
import {
  ALL_FORMATS,
  atMostOne,
  boolFlag,
  isApplicationName,
  isUnitName,
  keyValues,
  keyValueWords,
  noMore,
  type RelationChoice,
  relationFlag,
  relationOf,
  relationWords,
  type ToolSchema,
  textFlag,
} from './schema.ts';

export const relationIds: ToolSchema<{ endpoint?: string }> = {
  usage: '[<endpoint>]',
  purpose: 'List the relations of an endpoint.',
  formats: ALL_FORMATS,
  parse: (flags) => {
    const endpoint = atMostOne(flags.args);
    return endpoint === undefined ? {} : { endpoint };
  },
  build: ({ endpoint }) => (endpoint === undefined ? [] : [endpoint]),
};

export const relationList: ToolSchema<RelationChoice & { app: boolean }> = {
  usage: '',
  purpose: 'List the remote units of a relation, or its remote application.',
  flags: [relationFlag, boolFlag('app', 'the application instead of its units')],
  formats: ALL_FORMATS,
  parse: (flags) => {
    noMore(flags.args);
    return { ...relationOf(flags), app: flags.bool('app') };
  },
  build: (call) => [...relationWords(call), ...(call.app ? ['--app'] : [])],
};

export interface RelationGet extends RelationChoice {
  app: boolean;
  /** Left out: the whole databag. */
  key?: string;
  /** Unit or, with `app`, application; left out: whom the hook is about. */
  who?: string;
}

export const relationGet: ToolSchema<RelationGet> = {
  usage: '[<key>|- [<unit or application>]]',
  purpose: 'Print the databag of a unit or an application.',
  flags: [relationFlag, boolFlag('app', "the application's databag instead of a unit's")],
  formats: ALL_FORMATS,
  parse: (flags) => {
    const [key, who, ...rest] = flags.args;
    const app = flags.bool('app');
    const call: RelationGet = { ...relationOf(flags), app };
    if (key !== undefined && key !== '-' && key !== '') call.key = key;
    if (who !== undefined) call.who = reduceWho(who, app);
    noMore(rest);
    return call;
  },
  build: (call) => [
    ...relationWords(call),
    ...(call.app ? ['--app'] : []),
    ...(call.key === undefined && call.who === undefined ? [] : [call.key ?? '-']),
    ...(call.who === undefined ? [] : [call.who]),
  ],
};

function reduceWho(who: string, app: boolean): string {
  if (isUnitName(who)) return app ? who.slice(0, who.lastIndexOf('/')) : who;
  if (app) return who;
  if (isApplicationName(who)) {
    throw new UsageError(`expected unit name, got application name ${goQuote(who)}`);
  }
  throw new UsageError(`invalid unit name ${goQuote(who)}`);
}

export interface RelationSet extends RelationChoice {
  app: boolean;
  /** YAML or JSON map of strings; `-` is stdin. */
  file?: string;
  /** Override the file. An empty value deletes its key. */
  settings: Record<string, string>;
}

export const relationSet: ToolSchema<RelationSet> = {
  usage: 'key=value [key=value …]',
  purpose: "Change the unit's own databag, or with --app the application's.",
  flags: [
    relationFlag,
    boolFlag('app', "the application's databag; only the leader may"),
    textFlag('file', '<path>', 'YAML map of settings; - reads stdin'),
  ],
  deprecatedFormat: true,
  parse: (flags) => {
    const file = flags.text('file');
    return {
      ...relationOf(flags),
      app: flags.bool('app'),
      ...(file === undefined ? {} : { file }),
      settings: keyValues(flags.args),
    };
  },
  build: (call) => [
    ...relationWords(call),
    ...(call.app ? ['--app'] : []),
    ...(call.file === undefined ? [] : ['--file', call.file]),
    ...keyValueWords(call.settings),
  ],
};

export const relationModelGet: ToolSchema<RelationChoice> = {
  usage: '',
  purpose: 'Print the UUID of the model on the other side of a relation.',
  flags: [relationFlag],
  formats: ALL_FORMATS,
  parse: (flags) => {
    noMore(flags.args);
    return relationOf(flags);
  },
  build: relationWords,
};

const NETWORK_SELECTORS = [
  'bind-address',
  'ingress-address',
  'egress-subnets',
  'primary-address',
] as const;
export type NetworkSelector = (typeof NETWORK_SELECTORS)[number];

export interface NetworkGet extends RelationChoice {
  binding: string;
  /** Empty: everything. */
  only: NetworkSelector[];
}

export const networkGet: ToolSchema<NetworkGet> = {
  usage: '<binding>',
  purpose: 'Print addresses of a binding.',
  flags: [
    relationFlag,
    boolFlag('bind-address', 'the address to listen on'),
    boolFlag('ingress-address', 'the address to tell others'),
    boolFlag('egress-subnets', 'the subnets that traffic comes from'),
    boolFlag('primary-address', 'deprecated: the first address'),
  ],
  formats: ALL_FORMATS,
  parse: (flags) => {
    const [binding, ...rest] = flags.args;
    if (binding === undefined) throw new UsageError('no arguments specified');
    if (binding === '') throw new UsageError('no binding name specified');
    noMore(rest);
    const only = NETWORK_SELECTORS.filter((name) => flags.bool(name));
    return { ...relationOf(flags), binding, only };
  },
  build: (call) => [call.binding, ...relationWords(call), ...call.only.map((name) => `--${name}`)],
};
