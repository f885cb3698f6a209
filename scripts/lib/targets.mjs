/**
 * What the build makes, as data: the controller's release and one directory per charm.
 *
 * Decides names and layout only; build.mjs compiles and packs. A part whose sources are not there
 * is left out.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './node.mjs';

/**
 * @typedef {object} Target
 * @property {string} name what the command line calls it
 * @property {string} out directory below dist/
 * @property {Record<string, string>} entries output path without .js -> source path
 * @property {Record<string, string>} copies output path -> source path
 * @property {Record<string, string>} [monitoring] output path -> folder of rules and dashboards
 * @property {string[]} executable output paths with mode 0755
 * @property {boolean} charm packed as <name>.charm
 */

/** Names of one program in D/bin, which acts by the name that it is called by. */
const clientTools = ['hook-tool', 'juju-exec', 'is-powered-off'];
/** ApiSources of src/controller/api.ts, by which CLI and controller know whether they fit. */
const apiSources = ['api.ts', 'api/documents.ts'];
const charmFiles = [
  'metadata.yaml',
  'config.yaml',
  'actions.yaml',
  'manifest.yaml',
  'charmcraft.yaml',
  'dispatch',
  'LICENSE',
];

/** @returns {Target[]} every target whose sources exist */
export function targets() {
  return [release(), postgresql(), ...companions()].filter((target) => target !== undefined);
}

function release() {
  if (!exists('src/controller/main.ts')) return undefined;
  const client = 'src/controller/tools/client/hook-tool';
  return {
    name: 'controller',
    out: 'release',
    entries: { controller: 'src/controller/main.ts' },
    copies: present([
      ...clientTools.map((tool) => [tool, client]),
      ...apiSources.map((name) => [`contract/${name}`, `src/controller/${name}`]),
    ]),
    executable: clientTools,
    charm: false,
  };
}

function postgresql() {
  if (!exists('src/charm/main.ts') || !exists('metadata.yaml')) return undefined;
  return {
    name: 'postgresql',
    out: 'charms/postgresql',
    entries: present([
      ['src/charm/main', 'src/charm/main.ts'],
      ['src/agent/main', 'src/agent/main.ts'],
      ['src/agent/jobs/runner', 'src/agent/jobs/runner.ts'],
    ]),
    copies: present(charmFiles.map((file) => [file, file])),
    monitoring: { 'monitoring.json': 'src/charm/monitoring' },
    executable: ['dispatch'],
    charm: true,
  };
}

function companions() {
  if (!exists('charms')) return [];
  return readdirSync(join(projectRoot, 'charms'))
    .sort()
    .filter(
      (name) => exists(`charms/${name}/src/main.ts`) && exists(`charms/${name}/metadata.yaml`),
    )
    .map((name) => ({
      name,
      out: `charms/${name}`,
      entries: present([
        ['src/main', `charms/${name}/src/main.ts`],
        ['src/server', `charms/${name}/src/server.ts`],
      ]),
      copies: present([
        ...charmFiles.map((file) => [file, `charms/${name}/${file}`]),
        ['LICENSE', 'LICENSE'],
      ]),
      executable: ['dispatch'],
      charm: true,
    }));
}

function present(pairs) {
  return Object.fromEntries(pairs.filter(([, source]) => exists(source)));
}

function exists(path) {
  return existsSync(join(projectRoot, path));
}
