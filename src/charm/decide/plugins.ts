/**
 * Plugins: the extensions that every database shall have, and the libraries that PostgreSQL must
 * load for them when it starts.
 *
 * Each database records what has been put there (`pgcharm.extensions`), so that what somebody else
 * has created is never dropped. template1 is one of them: databases made later begin with it.
 */
import type { Options } from '../model/options.ts';
import {
  EXTENSIONS,
  inOrder,
  PLUGINS,
  type Plugin,
  packageOf,
  pluginOption,
} from '../model/plugins.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, type Decision, step } from '../model/steps.ts';
import type { DatabaseView } from '../model/world.ts';
import { validOptions } from './options.ts';

export const plugins: Decider = (world) => {
  const options = validOptions(world);
  if (options === undefined) return [];
  const recorded = recordedExtensions(world);
  const lacking = options.plugins.filter((name) => !isInstalled(world, name));
  const said = packages(world, lacking);
  if (!world.unit.isLeader || recorded === undefined) return said;
  const { extensions, preloaded } = recorded;
  const wanted = inOrder(options.plugins);
  const ready = wanted.filter((name) => {
    const { preload } = pluginNamed(name);
    return !lacking.includes(name) && (preload === undefined || preloaded.includes(preload));
  });
  const goals = { wanted: extensionsOf(wanted), ready: extensionsOf(ready) };
  return [...said, ...Object.keys(extensions).flatMap((name) => inDatabase(world, name, goals))];
};

/**
 * Libraries for this unit, in the order in which they are loaded: only what its machine has, since
 * PostgreSQL does not start without one of them. A plugin's stays until no database records it.
 */
export function preloadLibraries(world: Snapshot, options: Options): string[] {
  const known = recordedExtensions(world)?.extensions;
  const recorded = known === undefined ? extensionsLoaded(world) : Object.values(known).flat();
  const ofPlugins = Object.entries(PLUGINS)
    .filter(
      ([name, { extensions }]) =>
        options.plugins.includes(name) || extensions.some((each) => recorded.includes(each)),
    )
    .flatMap(([, { preload }]) => preload ?? []);
  const there = [...ofPlugins, ...options.preloadLibraries].filter((library) =>
    world.named.library.includes(library),
  );
  // timescaledb insists on being the first.
  const first = there.filter((library) => library === 'timescaledb');
  return [...new Set([...first, 'pg_stat_statements', ...there])];
}

/** Undefined while no primary answers, and from an agent of before an upgrade, which asks none. */
function recordedExtensions(world: Snapshot) {
  const database = probe(world, 'database');
  if (!database.known) return undefined;
  const { extensions, preloaded } = database.value as Partial<DatabaseView>;
  return extensions && preloaded && { extensions, preloaded };
}

/** While nobody can ask a primary, what is in force stays. */
function extensionsLoaded({ files, layout }: Snapshot): string[] {
  const text = files[layout.patroniConfig];
  if (text === undefined) return [];
  const { postgresql } = JSON.parse(text) as {
    postgresql: { parameters: Record<string, unknown> };
  };
  const loaded = String(postgresql.parameters['shared_preload_libraries'] ?? '').split(',');
  return Object.values(PLUGINS)
    .filter(({ preload }) => preload !== undefined && loaded.includes(preload))
    .flatMap(({ extensions }) => extensions);
}

function inDatabase(
  world: Snapshot,
  database: string,
  goals: { wanted: string[]; ready: string[] },
): Decision[] {
  const recorded = recordedExtensions(world)?.extensions[database] ?? [];
  const create = goals.ready.filter((each) => !recorded.includes(each));
  // In reverse: what needs another goes before it.
  const drop = inReverse(recorded.filter((each) => !goals.wanted.includes(each)));
  if (create.length === 0 && drop.length === 0) return [];
  const what = [...create.map((each) => `lacks ${each}`), ...drop.map((each) => `has ${each}`)];
  const args = { database, create, drop, recorded: [...recorded] };
  return [step('set-extensions', args, `database ${database} ${what.join(', ')}`)];
}

function inReverse(extensions: readonly string[]): string[] {
  const order = extensionsOf(inOrder(Object.keys(PLUGINS)));
  return [...extensions]
    .filter((each) => EXTENSIONS.includes(each))
    .sort((a, b) => order.indexOf(b) - order.indexOf(a));
}

/** Installs what is missing, or says why it cannot. */
function packages(world: Snapshot, lacking: readonly string[]): Decision[] {
  const { postgres } = world.machine.packages;
  if (postgres === undefined || lacking.length === 0) return [];
  const wishes = lacking.map((name) => {
    const debian = packageOf(pluginNamed(name), postgres.major);
    return { option: pluginOption(name), debian, state: world.named.archive[debian] ?? 'unknown' };
  });
  const said = wishes.flatMap(({ option, debian, state }) => {
    if (state === 'absent') {
      const why = `the archive of this unit's machine has no package ${debian}`;
      return [blocked('plugin-unavailable', `option ${option}: ${why}; set it to false`)];
    }
    if (state !== 'installed') return [];
    const why = `package ${debian} ${postgres.version} does not bring it`;
    return [blocked('plugin-unavailable', `option ${option}: ${why}; set it to false`)];
  });
  const missing = wishes.filter(({ state }) => state === 'there' || state === 'unknown');
  const names = [...new Set(missing.map(({ debian }) => debian))];
  if (names.length === 0) return said;
  if (world.machine.root) {
    return [...said, step('install-packages', { packages: names }, 'plugins need them')];
  }
  const [first] = missing;
  const hint = `run: sudo apt-get install ${names.join(' ')}`;
  const message = `option ${first?.option}: a package is missing; ${hint}`;
  return [...said, blocked('plugin-package-missing', message)];
}

function isInstalled({ named }: Snapshot, name: string): boolean {
  return pluginNamed(name).extensions.every((each) => named.extension.includes(each));
}

function extensionsOf(names: readonly string[]): string[] {
  return names.flatMap((name) => pluginNamed(name).extensions);
}

function pluginNamed(name: string): Plugin {
  const plugin = PLUGINS[name];
  if (plugin === undefined) throw new RangeError(`no plugin ${name}`);
  return plugin;
}
