/**
 * Adds and removes units. A new unit is a row, its machine, its storage; the engine brings it to
 * life. A removed one is dying until its agent has said goodbye.
 */
import { NETWORK_KEY } from '../machines/net-plan.ts';
import type { Store } from '../state/store.ts';
import {
  type Application,
  aliveApplication,
  type Model,
  refusal,
  type Unit,
  unitNamed,
} from './model.ts';
import { createStorage } from './storage.ts';

export interface NewUnits {
  count: number;
  /** Ids of machines for the first units; the rest get machines of their own. */
  to?: readonly string[] | undefined;
  /** Ids of detached storage, for a single unit. */
  attach?: readonly string[] | undefined;
  /** Of new machines; default: the kind that the model has. */
  kind?: MachineKind | undefined;
}

/** Loopback machines need no set-up; netns machines are told apart by the network too. */
export type MachineKind = 'loopback' | 'netns';

const FIRST_HOST = 10;
const LAST_HOST = 254;

/** `add-unit` */
export function addUnit(model: Model, application: string, wanted: NewUnits): string[] {
  return model.store.tx(() => {
    const found = aliveApplication(model.store, application);
    return insertUnits(model, found, wanted).map((unit) => `adding unit ${unit.name}`);
  });
}

/** Call it inside a transaction. */
export function insertUnits(model: Model, application: Application, wanted: NewUnits): Unit[] {
  const attach = wanted.attach ?? [];
  if (attach.length > 0 && wanted.count !== 1) {
    throw refusal('attach-storage-units', '--attach-storage cannot be used with --num-units');
  }
  return Array.from({ length: wanted.count }, (_, index) =>
    insertUnit(model, application, { machine: wanted.to?.[index], attach, kind: wanted.kind }),
  );
}

function insertUnit(
  model: Model,
  application: Application,
  place: { machine: string | undefined; attach: readonly string[]; kind: MachineKind | undefined },
): Unit {
  const { store } = model;
  const now = model.now();
  const machineId =
    place.machine === undefined
      ? addMachine(model, place.kind)
      : existingMachine(model, place.machine);
  const number = store.nextNumber(`unit/${application.name}`);
  const unit: Unit = {
    name: `${application.name}/${number}`,
    application: application.name,
    number,
    machineId,
    life: 'alive',
  };
  store.run(
    `INSERT INTO unit (name, application, number, machine_id, created, workload_since, agent_since)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    unit.name,
    unit.application,
    number,
    machineId,
    now,
    now,
    now,
  );
  createStorage(model, application, unit, place.attach);
  return unit;
}

function existingMachine({ store }: Model, id: string): string {
  const row = store.get<{ id: string }>(
    `SELECT id FROM machine WHERE id = ? AND life = 'alive'`,
    id,
  );
  if (row !== undefined) return row.id;
  throw refusal('not-found', `machine ${id} not found`, 'leave --to out for a machine of its own');
}

function addMachine(model: Model, wanted: MachineKind | undefined): string {
  const { store } = model;
  const kind = kindOf(model, wanted);
  const id = String(store.nextNumber('machine'));
  const now = model.now();
  store.run(
    `INSERT INTO machine (id, kind, address, hostname, created, status_since)
     VALUES (?, ?, ?, ?, ?, ?)`,
    id,
    kind,
    freeAddress(model, kind, Number(id)),
    `${store.meta('model-name') ?? 'model'}-${id}`,
    now,
    now,
  );
  return id;
}

/** Machines of two kinds would not reach each other. */
function kindOf({ store }: Model, wanted: MachineKind | undefined): MachineKind {
  const present = store.get<{ kind: MachineKind }>('SELECT kind FROM machine LIMIT 1')?.kind;
  if (present === undefined || wanted === undefined || wanted === present) {
    return wanted ?? present ?? 'loopback';
  }
  throw refusal(
    'machine-kinds',
    `cannot add a ${wanted} machine: the machines of this model are of kind ${present}`,
    `leave --machine out, or use another installation (PGCHARM_DIR)`,
  );
}

/** Where machines of a kind have their addresses: `<prefix>.<first>` to `<prefix>.<last>`. */
export function rangeOf(
  store: Store,
  kind: MachineKind,
): { prefix: string; first: number; last: number } {
  const prefix = store.meta(kind === 'netns' ? NETWORK_KEY : 'subnet');
  if (prefix === undefined) throw new Error(`the store has no range for ${kind} machines`);
  return { prefix, first: FIRST_HOST, last: LAST_HOST };
}

/** Machine n has host number 10 + n of the /24; later ones take what removed machines left. */
export function freeAddress({ store }: Model, kind: MachineKind, machine: number): string {
  const { prefix: subnet } = rangeOf(store, kind);
  const taken = new Set(
    store.all<{ address: string }>('SELECT address FROM machine').map(addressOf),
  );
  const preferred = `${subnet}.${FIRST_HOST + machine}`;
  if (FIRST_HOST + machine <= LAST_HOST && !taken.has(preferred)) return preferred;
  for (let host = FIRST_HOST; host <= LAST_HOST; host += 1) {
    if (!taken.has(`${subnet}.${host}`)) return `${subnet}.${host}`;
  }
  throw refusal(
    'no-address',
    `cannot add a machine: all ${LAST_HOST - FIRST_HOST + 1} addresses of ${subnet}.0/24 are taken`,
    'remove units that are not needed',
  );
}

function addressOf({ address }: { address: string }): string {
  return address;
}

export interface Removal {
  destroyStorage?: boolean | undefined;
  force?: boolean | undefined;
  /** Only says what would go. */
  dryRun?: boolean | undefined;
}

/** `remove-unit` */
export function removeUnits(model: Model, names: readonly string[], how: Removal): string[] {
  return model.store.tx(() => {
    const units = names.map((name) => unitNamed(model.store, name));
    return units.flatMap((unit) => {
      const lines = whatGoes(model, unit, how);
      if (how.dryRun !== true) markDying(model, unit, how);
      return [`will remove unit ${unit.name}`, ...lines];
    });
  });
}

/** The storage that a unit leaves or takes along, as Juju lists it. */
export function whatGoes({ store }: Model, unit: Unit, how: Removal): string[] {
  const verb = how.destroyStorage === true ? 'remove' : 'detach';
  return store
    .all<{ id: string }>('SELECT id FROM storage WHERE unit = ? ORDER BY id', unit.name)
    .map(({ id }) => `- will ${verb} storage ${id}`);
}

export function markDying({ store }: Model, unit: Unit, how: Removal): void {
  store.run(
    `UPDATE unit SET life = CASE WHEN life = 'alive' THEN 'dying' ELSE life END,
     force_removal = max(force_removal, ?), destroy_storage = max(destroy_storage, ?)
     WHERE name = ?`,
    how.force === true ? 1 : 0,
    how.destroyStorage === true ? 1 : 0,
    unit.name,
  );
}
