/**
 * monitoring.json of a charm: the alert rules and dashboards of its folder in one file, which hooks
 * read only when somebody is told of them.
 *
 * Dashboards are compressed here, with LZMA as cos_agent wants it: Node has none, and what is known
 * at build time need not be computed in a hook.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Chooses the units that a board shows; `%%topology%%` of its queries becomes these matchers. */
const variables = ['juju_model', 'juju_application', 'juju_unit'];
const matchers = variables.map((name) => `${name}=~"$${name}"`).join(', ');

/**
 * @param {string} folder holds alerts/*.yaml, logs/*.yaml and dashboards/*.json
 * @returns {string[]} paths of its files, sorted
 */
export function monitoringSources(folder) {
  return ['alerts', 'logs', 'dashboards'].flatMap((part) => {
    const directory = join(folder, part);
    if (!existsSync(directory)) return [];
    return readdirSync(directory)
      .filter((name) => /\.(yaml|json)$/.test(name))
      .sort()
      .map((name) => join(directory, name));
  });
}

/** @returns {Promise<string>} JSON: groups, logGroups, dashboards */
export async function monitoringText(folder, charm) {
  const [{ parse }, { compress }] = await Promise.all([import('yaml'), import('lzma1')]);
  const sources = monitoringSources(folder);
  const below = (part) => sources.filter((path) => path.startsWith(join(folder, part)));
  const groups = (part) => below(part).flatMap((path) => parse(read(path)).groups);
  const dashboards = below('dashboards').map((path) => {
    const board = completeDashboard(JSON.parse(read(path)), charm, path.slice(folder.length + 1));
    return Buffer.from(compress(JSON.stringify(board), 5)).toString('base64');
  });
  return JSON.stringify({ groups: groups('alerts'), logGroups: groups('logs'), dashboards });
}

/**
 * A board as Grafana takes it: an identity that stays the same, the charm's tag, the choice of
 * units, and queries bound to that choice.
 */
export function completeDashboard(board, charm, path) {
  const uid = createHash('shake256', { outputLength: 20 }).update(`${charm}-${path}`).digest('hex');
  const bound = JSON.parse(JSON.stringify(board).replaceAll('%%topology%%', escaped(matchers)));
  return {
    uid,
    ...bound,
    tags: [...(bound.tags ?? []), `charm: ${charm}`],
    templating: { list: [datasource, ...variables.map(variable)] },
  };
}

const datasource = {
  name: 'prometheusds',
  label: 'Prometheus',
  type: 'datasource',
  query: 'prometheus',
  hide: 0,
};

function variable(name, index) {
  const chosen = variables.slice(0, index).map((before) => `${before}=~"$${before}"`);
  return {
    name,
    label: name.replace('juju_', ''),
    type: 'query',
    datasource: { type: 'prometheus', uid: '$' + '{prometheusds}' },
    definition: `label_values(up{${chosen.join(', ')}}, ${name})`,
    query: { query: `label_values(up{${chosen.join(', ')}}, ${name})`, refId: name },
    includeAll: true,
    allValue: '.*',
    multi: true,
    current: { selected: true, text: 'All', value: '$__all' },
    refresh: 2,
    sort: 1,
    hide: 0,
  };
}

/** Within a JSON string. */
function escaped(text) {
  return JSON.stringify(text).slice(1, -1);
}

function read(path) {
  return readFileSync(path, 'utf8');
}
