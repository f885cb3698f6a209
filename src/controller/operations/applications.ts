/** The life of an application apart from its charm: made, trusted, exposed, removed. */
import { isApplicationName } from '../../../lib/contract/tools/schema.ts';
import {
  type Application,
  aliveApplication,
  applicationNamed,
  type Charm,
  findApplication,
  type Model,
  refusal,
  unitsOf,
} from './model.ts';
import { markDying, type Removal, whatGoes } from './units.ts';

export type NewApplication = Pick<
  Application,
  'name' | 'base' | 'config' | 'constraints' | 'storage' | 'trust'
> & { charm: Charm };

/** @throws OperatorError `name-invalid`, `exists` */
export function checkNewName({ store }: Model, name: string): void {
  if (!isApplicationName(name)) {
    throw refusal(
      'name-invalid',
      `invalid application name "${name}"`,
      'use lower-case letters, digits and hyphens; begin with a letter; no part is digits only',
    );
  }
  if (findApplication(store, name) === undefined) return;
  throw refusal(
    'exists',
    `cannot add application "${name}": application "${name}" already exists`,
    `deploy under another name, or change it with refresh, config and add-unit`,
  );
}

/** The application and its peer relations. Call it inside a transaction. */
export function insertApplication(model: Model, wanted: NewApplication): Application {
  const { store } = model;
  const now = model.now();
  store.run(
    `INSERT INTO application
       (name, charm_id, config, trust, base, constraints, storage_directives, created)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    wanted.name,
    wanted.charm.id,
    JSON.stringify(wanted.config),
    wanted.trust ? 1 : 0,
    wanted.base,
    JSON.stringify(wanted.constraints),
    JSON.stringify(wanted.storage),
    now,
  );
  for (const endpoint of wanted.charm.metadata.endpoints) {
    if (endpoint.role === 'peer') insertPeerRelation(model, wanted.name, endpoint);
  }
  return applicationNamed(store, wanted.name);
}

export function insertPeerRelation(
  { store, now }: Model,
  application: string,
  endpoint: { name: string; interface: string; scope: string },
): void {
  const id = store.nextNumber('relation');
  store.run(
    'INSERT INTO relation (id, kind, interface, scope, created) VALUES (?, ?, ?, ?, ?)',
    id,
    'peer',
    endpoint.interface,
    endpoint.scope,
    now(),
  );
  store.run(
    'INSERT INTO relation_endpoint VALUES (?, ?, ?, ?)',
    id,
    application,
    endpoint.name,
    'peer',
  );
}

/** `remove-application` */
export function removeApplications(model: Model, names: readonly string[], how: Removal): string[] {
  return model.store.tx(() =>
    names.flatMap((name) => {
      const application = applicationNamed(model.store, name);
      const units = unitsOf(model.store, name);
      const lines = [
        `will remove application ${name}`,
        ...units.flatMap((unit) => [
          `- will remove unit ${unit.name}`,
          ...whatGoes(model, unit, how),
        ]),
      ];
      if (how.dryRun !== true) end(model, application, how);
      return lines;
    }),
  );
}

function end(model: Model, { name }: Application, how: Removal): void {
  const { store } = model;
  store.run(
    `UPDATE application SET life = 'dying', destroy_storage = max(destroy_storage, ?)
     WHERE name = ?`,
    how.destroyStorage === true ? 1 : 0,
    name,
  );
  for (const unit of unitsOf(store, name)) markDying(model, unit, how);
  store.run(
    `UPDATE relation SET life = 'dying' WHERE life = 'alive' AND kind = 'regular' AND id IN
     (SELECT relation_id FROM relation_endpoint WHERE application = ?)`,
    name,
  );
}

/** `trust`: units get config-changed. */
export function setTrust({ store }: Model, name: string, trust: boolean): string[] {
  aliveApplication(store, name);
  store.run('UPDATE application SET trust = ? WHERE name = ?', trust ? 1 : 0, name);
  return [];
}

/** `expose` and `unexpose` */
export function setExposed({ store }: Model, name: string, exposed: boolean): string[] {
  aliveApplication(store, name);
  store.run('UPDATE application SET exposed = ? WHERE name = ?', exposed ? 1 : 0, name);
  return [];
}
