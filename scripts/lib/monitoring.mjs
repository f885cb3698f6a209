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
    return Buffer.from(compress(Buffer.from(JSON.stringify(board)), 2)).toString('base64');
  });
  return JSON.stringify({ groups: groups('alerts'), logGroups: groups('logs'), dashboards });
}

/**
 * A board as Grafana takes it. The source says what its panels ask and show; places, identities,
 * the choice of units and queries bound to that choice are added here.
 *
 * @param {{ title: string, description: string, panels: object[] }} board
 */
function completeDashboard({ title, description, panels }, charm, path) {
  const uid = createHash('shake256', { outputLength: 20 }).update(`${charm}-${path}`).digest('hex');
  return {
    uid,
    title,
    description,
    tags: [charm, `charm: ${charm}`],
    schemaVersion: 37,
    editable: true,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: { list: [chooseSource, ...variables.map(variable)] },
    panels: placed(panels).map(panel),
  };
}

/** Width and height, on a grid that is 24 wide. */
const sizes = { row: [24, 1], stat: [4, 4], timeseries: [12, 8], table: [24, 8] };

/** Left to right, then down; a row always begins a new line. */
function placed(panels) {
  let [x, y, height] = [0, 0, 0];
  return panels.map((source, index) => {
    const [w, h] = sizes[source.type];
    const turns = x > 0 && panels[index - 1]?.type !== source.type;
    if (x + w > 24 || turns) [x, y, height] = [0, y + height, 0];
    const gridPos = { x, y, w, h };
    [x, height] = [x + w, Math.max(height, h)];
    return { ...source, id: index + 1, gridPos };
  });
}

function panel({ unit, red, values, targets, ...rest }) {
  if (rest.type === 'row') return { ...rest, collapsed: false, panels: [] };
  const steps = [
    { color: red === 'below 1' ? 'red' : 'green', value: null },
    ...(red === undefined ? [] : [{ color: red === 'below 1' ? 'green' : 'red', value: 1 }]),
  ];
  const texts = Object.entries(values ?? {}).map(([value, text]) => [value, { text }]);
  return {
    ...rest,
    datasource,
    fieldConfig: {
      defaults: {
        unit,
        thresholds: { mode: 'absolute', steps },
        mappings: texts.length > 0 ? [{ type: 'value', options: Object.fromEntries(texts) }] : [],
      },
      overrides: [],
    },
    targets: targets.map(({ expr, legendFormat }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource,
      expr: expr.replaceAll('%%topology%%', matchers),
      legendFormat,
      ...(rest.type === 'table' ? { instant: true, format: 'table' } : {}),
    })),
  };
}

const datasource = { type: 'prometheus', uid: '$' + '{prometheusds}' };
const chooseSource = {
  name: 'prometheusds',
  label: 'Prometheus',
  type: 'datasource',
  query: 'prometheus',
  hide: 0,
};

function variable(name, index) {
  const chosen = variables.slice(0, index).map((before) => `${before}=~"$${before}"`);
  const query = `label_values(up{${chosen.join(', ')}}, ${name})`;
  return {
    name,
    label: name.replace('juju_', ''),
    type: 'query',
    datasource,
    definition: query,
    query: { query, refId: name },
    includeAll: true,
    allValue: '.*',
    multi: true,
    current: { selected: true, text: 'All', value: '$__all' },
    refresh: 2,
    sort: 1,
    hide: 0,
  };
}

function read(path) {
  return readFileSync(path, 'utf8');
}
