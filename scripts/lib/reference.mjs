/**
 * Writes the reference pages from the sources: actions and options from the charms' YAML files,
 * statuses, errors and metrics from the calls that make them. Knows no text of its own but titles.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { parse } from 'yaml';
import { projectRoot } from './node.mjs';

const levels = ['blocked', 'maintenance', 'waiting', 'active'];

/** @returns {Record<string, string>} path below the clone -> text */
export function referencePages() {
  const calls = sourceFiles().flatMap(factsOf);
  const pages = {
    actions: actionsPage(),
    options: optionsPage(),
    statuses: statusesPage(calls.filter(({ kind }) => kind === 'status')),
    errors: errorsPage(calls.filter(({ kind }) => kind === 'error')),
    metrics: metricsPage(calls.filter(({ kind }) => kind === 'metric')),
  };
  const named = Object.entries(pages).map(([name, text]) => [`docs/reference/${name}.md`, text]);
  return Object.fromEntries(named);
}

function page(title, intro, lines) {
  const note = '<!-- Written by `node scripts/docs.mjs` from the sources; do not edit. -->';
  return `${[`# ${title}`, '', note, '', intro, '', ...lines].join('\n').trimEnd()}\n`;
}

/** Charms by name, with the directory of their YAML files. */
function charms() {
  const companions = existsSync(join(projectRoot, 'charms'))
    ? readdirSync(join(projectRoot, 'charms')).sort()
    : [];
  return [['postgresql', '.'], ...companions.map((name) => [name, `charms/${name}`])];
}

function yamlOf(path) {
  const file = join(projectRoot, path);
  return existsSync(file) ? (parse(readFileSync(file, 'utf8')) ?? {}) : {};
}

function actionsPage() {
  const lines = charms().flatMap(([charm, directory]) => {
    const actions = Object.entries(yamlOf(`${directory}/actions.yaml`));
    if (actions.length === 0) return [];
    return [`## ${charm}`, '', ...actions.flatMap(([name, action]) => actionLines(name, action))];
  });
  return page('Actions', 'Run one with `pgcharm run <unit> <action> [key=value …]`.', lines);
}

function actionLines(name, action) {
  const required = action.required ?? [];
  const rows = Object.entries(action.params ?? {}).map(([key, param]) => {
    const need = required.includes(key) ? 'yes' : '';
    return row([`\`${key}\``, param.type, shown(param.default), need, param.description]);
  });
  const table = [row(['Parameter', 'Type', 'Default', 'Required', 'What']), rule(5), ...rows, ''];
  return [`### ${name}`, '', flat(action.description), '', ...(rows.length > 0 ? table : [])];
}

function optionsPage() {
  const lines = charms().flatMap(([charm, directory]) => {
    const options = Object.entries(yamlOf(`${directory}/config.yaml`).options ?? {});
    if (options.length === 0) return [];
    const rows = options.map(([name, option]) =>
      row([`\`${name}\``, option.type, shown(option.default), option.description]),
    );
    return [`## ${charm}`, '', row(['Option', 'Type', 'Default', 'What']), rule(4), ...rows, ''];
  });
  return page('Options', 'Set one with `pgcharm config <application> <option>=<value>`.', lines);
}

function statusesPage(facts) {
  const rows = [...byCode(facts)].map(([code, [first, ...more]]) => {
    const messages = [first, ...more].map(({ message }) => message);
    return row([first.level, `\`${code}\``, [...new Set(messages)].join('<br>')]);
  });
  const order = (line) => levels.findIndex((level) => line.startsWith(`| ${level}`));
  const sorted = rows.toSorted((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
  const intro = 'What a unit of postgresql says about itself. The gravest finding is its status.';
  const table = [row(['Status', 'Code', 'Message']), rule(3), ...sorted];
  return page('Statuses', intro, facts.length > 0 ? table : []);
}

function errorsPage(facts) {
  const rows = [...byCode(facts)].map(([code, found]) => {
    const messages = [...new Set(found.map(({ message }) => message))].join('<br>');
    const hints = [...new Set(found.map(({ hint }) => hint ?? ''))].filter((text) => text !== '');
    return row([`\`${code}\``, messages, hints.join('<br>')]);
  });
  const intro = 'Errors that say what an operator can do. The code is stable; the text is not.';
  return page('Errors', intro, [row(['Code', 'Message', 'Hint']), rule(3), ...rows]);
}

function metricsPage(facts) {
  const rows = [...byCode(facts)].map(([name, [{ message }]]) => row([`\`${name}\``, message]));
  const intro = 'What the agent of a unit of postgresql shows on `/metrics`.';
  return page('Metrics', intro, rows.length > 0 ? [row(['Name', 'What']), rule(2), ...rows] : []);
}

function byCode(facts) {
  const map = new Map();
  for (const fact of facts.toSorted((a, b) => (a.code < b.code ? -1 : 1))) {
    map.set(fact.code, [...(map.get(fact.code) ?? []), fact]);
  }
  return map;
}

function sourceFiles() {
  const roots = ['lib', 'src', 'charms'].filter((name) => existsSync(join(projectRoot, name)));
  return roots.flatMap((root) =>
    readdirSync(join(projectRoot, root), { recursive: true })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
      .map((name) => `${root}/${name}`)
      .sort(),
  );
}

/** Statuses, errors and metrics that a file makes. */
function factsOf(path) {
  const text = readFileSync(join(projectRoot, path), 'utf8');
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const facts = [];
  const visit = (node) => {
    const fact = statusOf(node, path) ?? errorOf(node) ?? metricOf(node, path);
    if (fact?.code !== undefined) facts.push(fact);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return facts;
}

/** `blocked('code', `text`)`, in the charm and its agent. */
function statusOf(node, path) {
  if (!ts.isCallExpression(node) || !/^src\/(charm|agent)\//.test(path)) return undefined;
  const level = node.expression.getText();
  const [code, message] = node.arguments;
  if (!levels.includes(level) || message === undefined) return undefined;
  return { kind: 'status', level, code: literal(code), message: wording(message) };
}

/** `new OperatorError({ code: '…', message: `…`, hint: '…' })`. */
function errorOf(node) {
  if (!ts.isNewExpression(node) || node.expression.getText() !== 'OperatorError') return undefined;
  const fields = fieldsOf(node.arguments?.[0]);
  if (fields.code === undefined || fields.message === undefined) return undefined;
  const hint = fields.hint === undefined ? undefined : wording(fields.hint);
  return { kind: 'error', code: literal(fields.code), message: wording(fields.message), hint };
}

/** `{ name: 'pgcharm_…', help: '…' }`, as prom-client takes it. */
function metricOf(node, path) {
  if (!ts.isObjectLiteralExpression(node) || !path.startsWith('src/agent/')) return undefined;
  const { name, help } = fieldsOf(node);
  if (name === undefined || help === undefined) return undefined;
  return { kind: 'metric', code: literal(name), message: wording(help) };
}

function fieldsOf(node) {
  if (node === undefined || !ts.isObjectLiteralExpression(node)) return {};
  const pairs = node.properties
    .filter((property) => ts.isPropertyAssignment(property))
    .map((property) => [property.name.getText(), property.initializer]);
  return Object.fromEntries(pairs);
}

function literal(node) {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;
}

/** A message with what varies in angle brackets. */
function wording(node) {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    const spans = node.templateSpans.map(
      (span) => `${variable(span.expression)}${span.literal.text}`,
    );
    return `${node.head.text}${spans.join('')}`;
  }
  if (ts.isBinaryExpression(node)) return `${wording(node.left)}${wording(node.right)}`;
  if (ts.isConditionalExpression(node)) {
    return `${wording(node.whenTrue)} / ${wording(node.whenFalse)}`;
  }
  return variable(node);
}

function variable(node) {
  if (ts.isIdentifier(node)) return `<${node.text}>`;
  if (ts.isPropertyAccessExpression(node)) return `<${node.name.text}>`;
  return '<…>';
}

function shown(value) {
  return value === undefined ? '' : `\`${JSON.stringify(value).replace(/^"(.+)"$/, '$1')}\``;
}

function flat(text) {
  return String(text ?? '')
    .trim()
    .replace(/\s+/g, ' ');
}

function row(cells) {
  const safe = cells.map((cell) => {
    const text = flat(cell).replaceAll('|', '\\|');
    // Angle brackets in code are text; elsewhere Markdown would take them for HTML.
    return text.startsWith('`') ? text : text.replace(/<(?!br>)([^>]*)>/g, '*$1*');
  });
  return `| ${safe.join(' | ')} |`.replace(/ +\|/g, ' |');
}

function rule(columns) {
  return `|${'---|'.repeat(columns)}`;
}
