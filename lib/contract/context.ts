/**
 * The environment of one hook or action, parsed once into a typed, frozen value.
 *
 * The variables and when each is set: Juju's `internal/worker/uniter/runner/context`.
 */
import { OperatorError } from '../std/errors.ts';

export interface RelationEvent {
  endpoint: string;
  /** The number behind the colon of JUJU_RELATION_ID. */
  id: number;
  remoteApp: string | undefined;
  remoteUnit: string | undefined;
  departingUnit: string | undefined;
}

export interface HookContext {
  /** `install`, `database-relation-changed`, …; for an action its name. */
  readonly name: string;
  readonly kind: 'hook' | 'action';
  readonly unit: string;
  readonly app: string;
  readonly unitNumber: number;
  readonly charmDir: string;
  readonly model: { readonly name: string; readonly uuid: string };
  readonly jujuVersion: string;
  readonly machineId: string;
  readonly availabilityZone: string;
  readonly relation: Readonly<RelationEvent> | undefined;
  readonly storage: { readonly id: string; readonly location: string } | undefined;
  readonly secret:
    | { readonly id: string; readonly label: string; readonly revision: number | undefined }
    | undefined;
  readonly action: { readonly name: string; readonly taskId: string } | undefined;
}

type Environment = Record<string, string | undefined>;

/** @throws OperatorError `not-in-a-hook` when a variable that is always set is missing. */
export function parseHookContext(env: Environment): HookContext {
  const unit = required(env, 'JUJU_UNIT_NAME');
  const path = required(env, 'JUJU_DISPATCH_PATH');
  const [app, number] = splitUnit(unit);
  const actionName = env['JUJU_ACTION_NAME'];
  return Object.freeze({
    name: path.slice(path.lastIndexOf('/') + 1),
    kind: path.startsWith('actions/') ? 'action' : 'hook',
    unit,
    app,
    unitNumber: number,
    charmDir: env['JUJU_CHARM_DIR'] ?? env['CHARM_DIR'] ?? process.cwd(),
    model: { name: required(env, 'JUJU_MODEL_NAME'), uuid: required(env, 'JUJU_MODEL_UUID') },
    jujuVersion: env['JUJU_VERSION'] ?? '',
    machineId: env['JUJU_MACHINE_ID'] ?? '',
    availabilityZone: env['JUJU_AVAILABILITY_ZONE'] ?? '',
    relation: relationEvent(env),
    storage:
      env['JUJU_STORAGE_ID'] === undefined
        ? undefined
        : { id: env['JUJU_STORAGE_ID'], location: env['JUJU_STORAGE_LOCATION'] ?? '' },
    secret: secretEvent(env),
    action:
      actionName === undefined || actionName === ''
        ? undefined
        : { name: actionName, taskId: env['JUJU_ACTION_UUID'] ?? '' },
  });
}

function relationEvent(env: Environment): RelationEvent | undefined {
  const id = env['JUJU_RELATION_ID'];
  if (id === undefined || id === '') return undefined;
  return {
    endpoint: env['JUJU_RELATION'] ?? id.slice(0, id.lastIndexOf(':')),
    id: Number(id.slice(id.lastIndexOf(':') + 1)),
    remoteApp: env['JUJU_REMOTE_APP'] || undefined,
    remoteUnit: env['JUJU_REMOTE_UNIT'] || undefined,
    departingUnit: env['JUJU_DEPARTING_UNIT'] || undefined,
  };
}

function secretEvent(env: Environment): HookContext['secret'] {
  const id = env['JUJU_SECRET_ID'];
  if (id === undefined || id === '') return undefined;
  const revision = Number(env['JUJU_SECRET_REVISION'] ?? '');
  return {
    id,
    label: env['JUJU_SECRET_LABEL'] ?? '',
    revision: revision > 0 ? revision : undefined,
  };
}

/** `postgresql/2` -> `['postgresql', 2]`. */
export function splitUnit(unit: string): [app: string, number: number] {
  const slash = unit.lastIndexOf('/');
  return [unit.slice(0, slash), Number(unit.slice(slash + 1))];
}

function required(env: Environment, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== '') return value;
  throw new OperatorError({
    code: 'not-in-a-hook',
    message: `cannot dispatch: ${name} is not set`,
    hint: 'this program is started by a controller, or by juju-exec',
    retry: 'never',
  });
}
