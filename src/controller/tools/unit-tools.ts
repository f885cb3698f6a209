/**
 * Tools about the unit and its model: leadership, configuration, status, version, log, reboot,
 * goal state, credential. What they write is in force at once, whatever becomes of the hook.
 */
import {
  type ConfigOptions,
  type ConfigValue,
  effectiveConfig,
} from '../../../lib/contract/config.ts';
import type { Value } from '../../../lib/contract/format.ts';
import { appendStatus } from '../state/log-table.ts';
import { setWorkloadStatus } from '../uniter/statuses.ts';
import { type Execution, ToolFailure } from './execution.ts';
import type { Handlers } from './handler.ts';

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

export const unitTools: Handlers<
  | 'is-leader'
  | 'config-get'
  | 'status-get'
  | 'status-set'
  | 'application-version-set'
  | 'juju-log'
  | 'juju-reboot'
  | 'goal-state'
  | 'credential-get'
> = {
  'is-leader': (run) => ({ value: run.isLeader() }),

  'config-get': (run, { key, all }) => {
    const { options, set } = configOf(run);
    const values: Record<string, ConfigValue | null> = { ...effectiveConfig(options, set) };
    if (key !== undefined) return { value: Object.hasOwn(values, key) ? values[key] : null };
    if (all) for (const name of Object.keys(options)) values[name] ??= null;
    return { value: values };
  },

  'status-get': (run, { application, includeData }, { format }) => {
    if (application) return { value: applicationStatus(run, includeData, format === 'smart') };
    const status = unitStatus(run, run.unit);
    if (!includeData && format === 'smart') return { value: status.status };
    return { value: details(status, includeData) };
  },

  'status-set': (run, { application, status, message }) => {
    run.store.tx(() => {
      if (application) setApplicationStatus(run, status, message);
      else setWorkloadStatus(run.store, run.unit, { status, message }, run.now());
    });
    return undefined;
  },

  'application-version-set': (run, { version }) => {
    run.store.tx(() => {
      run.store.run('UPDATE unit SET workload_version = ? WHERE name = ?', version, run.unit);
      run.store.run(
        'UPDATE application SET workload_version = ? WHERE name = ?',
        version,
        run.application,
      );
    });
    return undefined;
  },

  'juju-log': (run, { level, message }) => {
    const { hook } = run.spec;
    const prefix =
      hook?.relationId === undefined
        ? ''
        : `${endpointOf(run, hook.relationId)}:${hook.relationId}: `;
    const module = `unit.${run.unit}.juju-log`;
    const wanted = level.toUpperCase();
    if (!LEVELS.includes(wanted)) {
      run.sinks.log(
        'WARNING',
        module,
        `${prefix}Specified log level of ${JSON.stringify(level)} is not valid`,
      );
    }
    run.sinks.log(LEVELS.includes(wanted) ? wanted : 'INFO', module, prefix + message);
    return undefined;
  },

  'juju-reboot': (run, { now }) => {
    if (run.spec.action !== undefined) {
      throw new ToolFailure('juju-reboot is not supported when running an action.');
    }
    run.askForReboot(now ? 'now' : 'after');
    return undefined;
  },

  'goal-state': (run) => ({ value: goalState(run) }),

  'credential-get': (run) => {
    const row = run.store.get<{ trust: number }>(
      'SELECT trust FROM application WHERE name = ?',
      run.application,
    );
    if (row?.trust !== 1) {
      throw new ToolFailure('cannot access cloud credentials: permission denied');
    }
    return {
      value: new Map<string, Value>([
        ['type', 'unmanaged'],
        ['name', 'pgcharm'],
        ['credential', new Map<string, Value>([['auth-type', 'empty']])],
      ]),
    };
  },
};

function endpointOf(run: Execution, relationId: number): string {
  return run.spec.hook?.endpoint ?? run.relation(relationId)?.endpoint ?? '';
}

/** Read once per hook: a change that comes while it runs is the next config-changed's. */
function configOf(run: Execution): {
  options: ConfigOptions;
  set: Record<string, ConfigValue>;
} {
  const known = run.config;
  if (known !== undefined) return known;
  const row = run.store.get<{ set: string; options: string }>(
    `SELECT a.config AS "set", c.config AS options FROM application a
     JOIN charm c ON c.id = a.charm_id WHERE a.name = ?`,
    run.application,
  );
  run.config = {
    options: JSON.parse(row?.options ?? '{}') as ConfigOptions,
    set: JSON.parse(row?.set ?? '{}') as Record<string, ConfigValue>,
  };
  return run.config;
}

interface Status {
  status: string;
  message: string;
  data: Record<string, Value>;
}

function unitStatus(run: Execution, unit: string): Status {
  const row = run.store.get<{ status: string; message: string; data: string }>(
    `SELECT workload_status AS status, workload_message AS message, workload_data AS data
     FROM unit WHERE name = ?`,
    unit,
  );
  return {
    status: row?.status ?? 'unknown',
    message: row?.message ?? '',
    data: JSON.parse(row?.data ?? '{}') as Record<string, Value>,
  };
}

function details({ status, message, data }: Status, includeData: boolean): Record<string, Value> {
  return includeData ? { message, status, 'status-data': data } : { status };
}

function applicationStatus(run: Execution, includeData: boolean, bare: boolean): Value {
  if (!run.isLeader()) {
    throw new ToolFailure('finding application status: this unit is not the leader');
  }
  const row = run.store.get<{ status: string | null; message: string | null; data: string | null }>(
    `SELECT status, status_message AS message, status_data AS data
     FROM application WHERE name = ?`,
    run.application,
  );
  const status: Status = {
    status: row?.status ?? 'unknown',
    message: row?.message ?? '',
    data: JSON.parse(row?.data ?? '{}') as Record<string, Value>,
  };
  if (bare && !includeData) return status.status;
  const units = run.store.all<{ name: string }>(
    'SELECT name FROM unit WHERE application = ?',
    run.application,
  );
  return {
    'application-status': {
      ...details(status, includeData),
      units: Object.fromEntries(
        units.map(({ name }) => [name, details(unitStatus(run, name), includeData)]),
      ),
    },
  };
}

function setApplicationStatus(run: Execution, status: string, message: string): void {
  run.requireLeader();
  run.store.run(
    `UPDATE application SET status = ?, status_message = ?, status_data = '{}', status_since = ?
     WHERE name = ?`,
    status,
    message,
    run.now(),
    run.application,
  );
  appendStatus(
    run.store,
    { entity: run.application, kind: 'application', status, message },
    run.now(),
  );
}

interface GoalRow {
  name: string;
  life: string;
  status: string;
  since: number;
}

const GOAL_UNITS = `SELECT name, life, workload_status AS status, workload_since AS since
  FROM unit WHERE application = ? ORDER BY number`;

/** What will be when all that was asked for is done: units and relations, also those to come. */
function goalState(run: Execution): Value {
  const relations: Record<string, Record<string, Value>> = {};
  const related = run.store.all<{ endpoint: string; app: string; life: string; created: number }>(
    `SELECT own.endpoint, other.application AS app, r.life, r.created FROM relation r
     JOIN relation_endpoint own ON own.relation_id = r.id AND own.application = ?
     JOIN relation_endpoint other
       ON other.relation_id = r.id AND other.application <> own.application`,
    run.application,
  );
  for (const { endpoint, app, life, created } of related) {
    const goals = relations[endpoint] ?? {};
    goals[app] = goal(life === 'alive' ? 'joined' : 'dying', created);
    for (const unit of run.store.all<GoalRow>(GOAL_UNITS, app)) goals[unit.name] = unitGoal(unit);
    relations[endpoint] = goals;
  }
  const units = run.store.all<GoalRow>(GOAL_UNITS, run.application);
  return new Map<string, Value>([
    ['units', Object.fromEntries(units.map((unit) => [unit.name, unitGoal(unit)]))],
    ['relations', relations],
  ]);
}

function unitGoal(unit: GoalRow): Value {
  return goal(unit.life === 'alive' ? unit.status : 'dying', unit.since);
}

/** Juju writes a blank where RFC 3339 has a T. */
function goal(status: string, since: number): Value {
  const time = new Date(since)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
  return new Map([
    ['status', status],
    ['since', time],
  ]);
}
