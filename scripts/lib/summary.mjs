/**
 * What `npm start` ends with: the status, how to connect, where to look, what to try. Passwords go
 * to a file of 0600 that psql reads, never to the terminal.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pgcharm, pgcharmJson } from './cli.mjs';
import { say } from './terminal.mjs';

export async function summarize(root) {
  const { applications } = await pgcharmJson('status');
  say('');
  await pgcharm('status');
  for (const line of [...(await psqlLines(root, applications)), ...monitoringLines(applications)]) {
    say(line);
  }
  const replica = unitsOf(applications, 'postgresql').find(([, unit]) => unit.leader !== true);
  say('\nNext:');
  say('  ./pgcharm status --watch');
  say(`  ./pgcharm ssh ${unitsOf(applications, 'postgresql')[0]?.[0] ?? 'postgresql/0'}`);
  if (replica === undefined) say('  ./pgcharm add-unit postgresql -n 2');
  else say(`  ./pgcharm run ${replica[0]} promote-to-primary scope=unit`);
}

/** Names and units of every application of a charm. */
function unitsOf(applications, charm) {
  return Object.values(applications)
    .filter((application) => application['charm-name'] === charm)
    .flatMap((application) => Object.entries(application.units ?? {}));
}

async function psqlLines(root, applications) {
  const [client] = Object.entries(applications).find(
    ([, application]) => application['charm-name'] === 'data-integrator',
  ) ?? [undefined];
  if (client === undefined) return [];
  const answer = await pgcharmJson('run', `${client}/leader`, 'get-credentials', '--wait', '1m');
  const access = findAccess(Object.values(answer)[0]?.results);
  if (access === undefined) return [];
  const { endpoints, database, username, password } = access;
  const pairs = endpoints.split(',').map((endpoint) => endpoint.split(':'));
  const file = join(root, 'psql.pass');
  const escaped = (text) => text.replace(/[\\:]/g, '\\$&');
  const entries = pairs.map(([host, port]) =>
    [host, port, '*', username, password].map((field) => (field === '*' ? '*' : escaped(field))),
  );
  writeFileSync(file, `${entries.map((fields) => fields.join(':')).join('\n')}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
  const hosts = pairs.map(([host]) => host).join(',');
  const ports = pairs.map(([, port]) => port).join(',');
  return [
    '\nConnect through the pooler:',
    `  PGPASSFILE=${file} psql "host=${hosts} port=${ports} dbname=${database} user=${username}"`,
  ];
}

/** The action answers a map by product; the first that has an endpoint is ours. */
function findAccess(results) {
  const maps = [results, ...Object.values(results ?? {})];
  return maps.find((map) => typeof map?.endpoints === 'string' && typeof map.password === 'string');
}

/** The companion charm opens both programs' usual ports. */
const ALERTMANAGER_PORT = '9093';

function monitoringLines(applications) {
  return unitsOf(applications, 'monitoring').flatMap(([, unit]) => {
    const ports = (unit['open-ports'] ?? []).map((port) => port.split('/')[0]);
    const nameOf = (port) => (port === ALERTMANAGER_PORT ? 'Alertmanager' : 'Prometheus');
    return ports.map((port) => `${nameOf(port)}: http://${unit['public-address']}:${port}`);
  });
}
