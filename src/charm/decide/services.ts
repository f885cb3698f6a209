/**
 * The services of the unit: what each runs, that their supervisor runs, and that agent and pooler
 * do. etcd and Patroni are started by their own deciders, because for them it matters when.
 */
import { AGENT_ENTRY } from '../model/layout.ts';
import { PGBACKREST } from '../model/pgbackrest-config.ts';
import type { ServiceSpec, Snapshot } from '../model/snapshot.ts';
import { type Decider, type ServiceName, step } from '../model/steps.ts';
import { exporterSpec } from './observability.ts';

const NAMES: readonly ServiceName[] = ['agent', 'patroni', 'pgbouncer', 'etcd', 'pgbackrest'];

/** PostgreSQL logs the access rule, as it stands in its file, of every login that it refuses. */
const BIND_PASSWORD = 'ldapbindpasswd=("[^"]*")+';

/**
 * All are defined at once, down: runit would notice a later one only after seconds. The exporter,
 * for which that does not matter, comes and goes by its own decider.
 */
export const services: Decider = (world) => {
  const definitions = NAMES.flatMap((name) => {
    const spec = serviceSpec(name, world);
    if (spec === undefined || sameSpec(world.services[name]?.spec, spec)) return [];
    const known = world.services[name] === undefined ? 'is not defined' : 'shall run otherwise';
    return [step('define-service', { name, spec }, `${name} ${known}`)];
  });
  const defined = NAMES.every((name) => world.services[name] !== undefined);
  if (definitions.length > 0 || !defined) return definitions;
  return world.supervised ? [] : [step('start-supervisor', {}, 'no supervisor runs')];
};

/** Agent and pooler run from the first desired.json on. */
export const residents: Decider = (world) => {
  if (world.files[world.layout.desired] === undefined) return [];
  return (['agent', 'pgbouncer'] as const).flatMap((name) => {
    const service = world.services[name];
    if (service === undefined || service.wantedUp) return [];
    return [step('start-service', { name }, `every unit runs ${name}`)];
  });
};

/** A restart that was missed, as when the hook died between definition and restart. */
export const agentRevision: Decider = ({ agent, program, services: { agent: service } }) => {
  if (!agent.known || agent.value.revision === program.agentRevision) return [];
  if (service?.spec?.command.at(-1) !== program.agentRevision) return [];
  const why = `it runs revision ${agent.value.revision}`;
  return [step('restart-service', { name: 'agent', signal: 'SIGTERM' }, why)];
};

/** Undefined while a program it needs is not there. */
export function serviceSpec(name: ServiceName, world: Snapshot): ServiceSpec | undefined {
  const { layout, machine, program } = world;
  const { versions, postgres } = machine.packages;
  if (postgres === undefined) return undefined;
  const user = machine.serverUser?.name;
  const asServer = { ...(user === undefined ? {} : { user }), env: { HOME: layout.run } };
  switch (name) {
    case 'etcd': {
      if (versions['etcd'] === undefined) return undefined;
      return { command: ['/usr/bin/etcd', '--config-file', layout.etcdConfig], ...asServer };
    }
    case 'patroni': {
      if (versions['patroni'] === undefined) return undefined;
      const reads = layout.patroniConfig;
      const command = ['/usr/bin/patroni', reads];
      // PostgreSQL's LDAP library reads the file at each login: it may come and go.
      const env = { ...asServer.env, LDAPCONF: layout.ldapConfig };
      const spec = { command, ...asServer, env, reads, conceal: BIND_PASSWORD };
      if (layout.data === undefined) return spec;
      // A Patroni that was killed leaves its clone at work; a second one would mix with it.
      const orphans = { programs: ['pg_basebackup', 'pg_rewind', 'initdb'], path: layout.data };
      return { ...spec, orphans };
    }
    case 'pgbouncer': {
      if (versions['pgbouncer'] === undefined) return undefined;
      const config = `${layout.etc}/pgbouncer.ini`;
      return { command: ['/usr/sbin/pgbouncer', config], ...asServer, requires: config };
    }
    case 'exporter':
      return exporterSpec(world);
    case 'pgbackrest': {
      if (versions['pgbackrest'] === undefined) return undefined;
      const config = layout.pgbackrestConfig;
      // Its own log would grow without bound; what it says goes to the service's.
      const command = [PGBACKREST, `--config=${config}`, '--log-level-console=warn', 'server'];
      // Whoever backs up from here brings its options, but its locks are taken here: by default in
      // a directory that all of the machine share. Not those of this unit's own commands.
      const env = { ...asServer.env, PGBACKREST_LOCK_PATH: `${layout.run}/pgbackrest/lock-server` };
      return { command, ...asServer, env, requires: config };
    }
    case 'agent': {
      if (!program.agentCopies.includes(program.agentRevision)) return undefined;
      const entry = `${layout.agent}/${program.agentRevision}/${AGENT_ENTRY}`;
      const args = ['--dir', layout.root, '--revision', program.agentRevision];
      // A small young generation and compact code: 71 MiB at rest instead of 84, equally quick.
      const lean = ['--max-semi-space-size=1', '--optimize-for-size', '--v8-pool-size=1'];
      const command = [program.node, ...lean, entry, ...args];
      return { command, env: { HOME: layout.root } };
    }
  }
}

function sameSpec(a: ServiceSpec | undefined, b: ServiceSpec): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
