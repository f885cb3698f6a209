/**
 * Whether the machine has what options name: time zones, locales, libraries, extensions and the
 * packages that would bring them. Looks only for what the configuration asks for.
 */
import { dirname } from 'node:path';
import { inArchive } from '../../../lib/machine/packages.ts';
import { run } from '../../../lib/machine/run.ts';
import { namesNow, statNow } from '../../../lib/std/files.ts';
import { PLUGINS, packageOf, pluginOption } from '../model/plugins.ts';
import type { ConfigValues, NamedThings, Packages } from '../model/snapshot.ts';

const ZONES = '/usr/share/zoneinfo';

export async function observeNamed(
  config: ConfigValues,
  postgres: Packages['postgres'],
): Promise<NamedThings> {
  const major = postgres?.major;
  const zone = config['request-time-zone'];
  const zones = typeof zone === 'string' ? timeZones(zone) : [];
  const locale = needsLocales(config) ? await locales() : [];
  const library = names(postgres && `${dirname(postgres.binDir)}/lib`, '.so');
  const extension = names(major && `/usr/share/postgresql/${major}/extension`, '.control');
  const archive = major === undefined ? {} : await missing(config, extension, major);
  return { 'time-zone': zones, locale, library, extension, archive };
}

function timeZones(name: string): string[] {
  // What is no name of a zone is refused for its form; it is not looked for among files.
  if (!/^[\w+/-]+$/.test(name)) return [];
  return statNow(`${ZONES}/${name}`)?.isFile() ? [name] : [];
}

function needsLocales(config: ConfigValues): boolean {
  return Object.entries(config).some(
    ([option, value]) => option.startsWith('response-lc-') && value !== 'C',
  );
}

async function locales(): Promise<string[]> {
  const { stdout } = await run('locale', ['-a'], { timeoutMs: 10_000, accept: [0, 1] });
  const all = stdout.split('\n').filter((line) => line !== '');
  // glibc prints `de_DE.utf8` and takes `de_DE.UTF-8` as well.
  return all.flatMap((name) => [name, name.replace(/\.utf8$/, '.UTF-8')]);
}

function names(directory: string | 0 | undefined, ending: string): string[] {
  if (!directory) return [];
  return namesNow(directory)
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length))
    .sort();
}

/** Asked only while something that is enabled is not there: it costs a process. */
async function missing(
  config: ConfigValues,
  extensions: readonly string[],
  major: number,
): Promise<NamedThings['archive']> {
  const packages = Object.entries(PLUGINS)
    .filter(([name]) => config[pluginOption(name)] === true)
    .filter(([, plugin]) => !plugin.extensions.every((each) => extensions.includes(each)))
    .map(([, plugin]) => packageOf(plugin, major));
  return packages.length === 0 ? {} : inArchive([...new Set(packages)]);
}
