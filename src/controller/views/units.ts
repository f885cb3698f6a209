/** `show-unit` and `show-application`. */
import type { ApplicationDetails, RelationInfo, UnitDetails } from '../api/documents.ts';
import { applicationNamed, charmUrl, type Model, unitNamed } from '../operations/model.ts';
import type { Store } from '../state/store.ts';
import { endpointBindings } from './status.ts';
import { portTexts } from './unit-status.ts';

interface UnitRow {
  machine: string;
  address: string;
  life: string;
  workload_version: string | null;
  opened_ports: string;
  leader: number;
}

/** @throws OperatorError `not-found` */
export function unitDetails(
  { store }: Model,
  names: readonly string[],
): Record<string, UnitDetails> {
  return Object.fromEntries(
    names.map((wanted) => {
      const { name, application } = unitNamed(store, wanted);
      return [name, details(store, name, application)];
    }),
  );
}

function details(store: Store, unit: string, application: string): UnitDetails {
  const row = store.get<UnitRow>(
    `SELECT u.machine_id AS machine, m.address, u.life, u.workload_version, u.opened_ports,
            coalesce(l.unit = u.name, 0) AS leader
     FROM unit u JOIN machine m ON m.id = u.machine_id
     LEFT JOIN lease l ON l.application = u.application WHERE u.name = ?`,
    unit,
  );
  if (row === undefined) throw new Error(`unit ${unit} is not in the store`);
  const relations = relationInfo(store, unit, application);
  const version = row.workload_version ?? applicationNamed(store, application).workloadVersion;
  return {
    ...(version === undefined || version === '' ? {} : { 'workload-version': version }),
    machine: row.machine,
    'opened-ports': portTexts(row),
    'public-address': row.address,
    charm: charmUrl(applicationNamed(store, application).charm),
    leader: row.leader === 1,
    life: row.life,
    ...(relations.length === 0 ? {} : { 'relation-info': relations }),
  };
}

interface EndpointRow {
  id: number;
  endpoint: string;
  otherApplication: string;
  otherEndpoint: string;
}

/** The application's data is its own: the orientation of Juju 4. */
function relationInfo(store: Store, unit: string, application: string): RelationInfo[] {
  const rows = store.all<EndpointRow>(
    `SELECT mine.relation_id AS id, mine.endpoint,
            coalesce(other.application, mine.application) AS otherApplication,
            coalesce(other.endpoint, mine.endpoint) AS otherEndpoint
     FROM relation_endpoint mine
     LEFT JOIN relation_endpoint other
       ON other.relation_id = mine.relation_id AND other.application <> mine.application
     WHERE mine.application = ? ORDER BY mine.relation_id`,
    application,
  );
  return rows.map((row) => {
    const scoped = inScope(store, row.id);
    const mine = scoped.get(unit);
    const related = [...scoped].filter(
      ([name]) => name !== unit && name.startsWith(`${row.otherApplication}/`),
    );
    return {
      'relation-id': row.id,
      endpoint: row.endpoint,
      'cross-model': false,
      'related-endpoint': row.otherEndpoint,
      'application-data': bag(store, row.id, application),
      ...(mine === undefined ? {} : { 'local-unit': unitData(store, row.id, unit, mine) }),
      ...(related.length === 0
        ? {}
        : {
            'related-units': Object.fromEntries(
              related.map(([name, here]) => [name, unitData(store, row.id, name, here)]),
            ),
          }),
    };
  });
}

function unitData(store: Store, relation: number, unit: string, here: boolean) {
  return { 'in-scope': here, data: bag(store, relation, unit) };
}

/** Units that are or were in the relation. */
function inScope(store: Store, relation: number): Map<string, boolean> {
  const rows = store.all<{ unit: string; in_scope: number }>(
    'SELECT unit, in_scope FROM relation_unit WHERE relation_id = ? ORDER BY unit',
    relation,
  );
  return new Map(rows.map((row) => [row.unit, row.in_scope === 1]));
}

function bag(store: Store, relation: number, owner: string): Record<string, string> {
  const sql = 'SELECT data FROM databag WHERE relation_id = ? AND owner = ?';
  const row = store.get<{ data: string }>(sql, relation, owner);
  return row === undefined ? {} : (JSON.parse(row.data) as Record<string, string>);
}

/** @throws OperatorError `not-found` */
export function applicationDetails(
  { store }: Model,
  names: readonly string[],
): Record<string, ApplicationDetails> {
  return Object.fromEntries(
    names.map((name) => {
      const application = applicationNamed(store, name);
      const { constraints } = application;
      const view: ApplicationDetails = {
        charm: application.charm.name,
        base: application.base,
        ...(Object.keys(constraints).length === 0 ? {} : { constraints }),
        principal: !application.charm.metadata.subordinate,
        exposed: application.exposed,
        remote: false,
        life: application.life,
        'endpoint-bindings': endpointBindings(application),
      };
      return [name, view];
    }),
  );
}
