/**
 * Plugins that `plugin-<name>-enable` puts into every database: the extensions of each, what they
 * need, and the Debian package that brings them. Pure data and the arithmetic on it.
 */
export interface Plugin {
  /** Extensions as CREATE EXTENSION names them, in the order in which they are created. */
  readonly extensions: readonly string[];
  /** Names of plugins that must be enabled with it. */
  readonly needs: readonly string[];
  /** Package, with `%` for the major version; undefined: PostgreSQL's own package. */
  readonly package: string | undefined;
  /** Library that must be loaded when PostgreSQL starts. */
  readonly preload: string | undefined;
}

type Wish = Partial<Omit<Plugin, 'package'>> & { package?: string };

const POSTGIS = 'postgresql-%-postgis-3';

/** Those whose extension is not simply called as they are, or that need something. */
const SPECIAL: Readonly<Record<string, Wish>> = {
  'address-standardizer': { package: POSTGIS, needs: ['postgis'] },
  'address-standardizer-data-us': { package: POSTGIS, needs: ['postgis'] },
  audit: { extensions: ['pgaudit'], package: 'postgresql-%-pgaudit', preload: 'pgaudit' },
  'bool-plperl': { package: 'postgresql-plperl-%', needs: ['plperl'] },
  debversion: { package: 'postgresql-%-debversion' },
  hll: { package: 'postgresql-%-hll' },
  hypopg: { package: 'postgresql-%-hypopg' },
  'icu-ext': { package: 'postgresql-%-icu-ext' },
  ip4r: { package: 'postgresql-%-ip4r' },
  'jsonb-plperl': { package: 'postgresql-plperl-%', needs: ['plperl'] },
  earthdistance: { needs: ['cube'] },
  orafce: { package: 'postgresql-%-orafce' },
  'pg-similarity': { package: 'postgresql-%-similarity' },
  plperl: { package: 'postgresql-plperl-%' },
  plpython3u: { package: 'postgresql-plpython3-%' },
  pltcl: { package: 'postgresql-pltcl-%' },
  postgis: { package: POSTGIS },
  'postgis-raster': { package: POSTGIS, needs: ['postgis'] },
  'postgis-tiger-geocoder': { package: POSTGIS, needs: ['postgis', 'fuzzystrmatch'] },
  'postgis-topology': { package: POSTGIS, needs: ['postgis'] },
  prefix: { package: 'postgresql-%-prefix' },
  rdkit: { package: 'postgresql-%-rdkit' },
  'set-user': { package: 'postgresql-%-set-user', preload: 'set_user' },
  spi: { extensions: ['refint', 'autoinc', 'insert_username', 'moddatetime'] },
  'tds-fdw': { package: 'postgresql-%-tds-fdw' },
  timescaledb: { package: 'postgresql-%-timescaledb', preload: 'timescaledb' },
  'uuid-ossp': { extensions: ['uuid-ossp'] },
  vector: { package: 'postgresql-%-pgvector' },
};

/** PostgreSQL's own package brings these. */
const BUNDLED = [
  ...['bloom', 'btree-gin', 'btree-gist', 'citext', 'cube', 'dict-int', 'dict-xsyn'],
  ...['fuzzystrmatch', 'hstore', 'intarray', 'isn', 'lo', 'ltree', 'old-snapshot'],
  ...['pg-freespacemap', 'pg-stat-statements', 'pg-trgm', 'pg-visibility', 'pgrowlocks'],
  ...['pgstattuple', 'seg', 'tablefunc', 'tcn', 'tsm-system-rows', 'tsm-system-time', 'unaccent'],
];

/** By the name within the option, ascending. */
export const PLUGINS: Readonly<Record<string, Plugin>> = Object.fromEntries(
  [...BUNDLED, ...Object.keys(SPECIAL)].sort().map((name) => {
    const { extensions, needs = [], package: from, preload } = SPECIAL[name] ?? {};
    const own = [name.replaceAll('-', '_')];
    return [name, { extensions: extensions ?? own, needs, package: from, preload }];
  }),
);

/** Every plugin's extensions: what a record about a database may name. */
export const EXTENSIONS: readonly string[] = Object.values(PLUGINS).flatMap(
  ({ extensions }) => extensions,
);

export function pluginOption(name: string): string {
  return `plugin-${name}-enable`;
}

/** Option that asks for an extension, for messages. */
export function optionOfExtension(extension: string): string {
  const found = Object.entries(PLUGINS).find(([, plugin]) => plugin.extensions.includes(extension));
  return pluginOption(found?.[0] ?? extension);
}

/** Plugins with those before them that they need. */
export function inOrder(names: readonly string[]): string[] {
  const placed: string[] = [];
  const place = (name: string): void => {
    if (placed.includes(name)) return;
    for (const need of PLUGINS[name]?.needs ?? []) if (names.includes(need)) place(need);
    placed.push(name);
  };
  for (const name of names) place(name);
  return placed;
}

/** Debian's package of a plugin for a major version. */
export function packageOf({ package: name }: Plugin, major: number): string {
  return (name ?? 'postgresql-%').replace('%', String(major));
}
