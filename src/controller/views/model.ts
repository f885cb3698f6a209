/** The model itself: its names, `show-model`, and `model-config`. */
import { availableParallelism } from 'node:os';
import { parseGoBool } from '../../../lib/contract/gnuflag.ts';
import { CONTRACT_VERSION } from '../../../lib/contract/version.ts';
import type { ModelConfigDocument, ModelDocument } from '../api/documents.ts';
import { type Model, refusal } from '../operations/model.ts';
import { modelOptions } from '../operations/model-config.ts';
import { isoTime } from './times.ts';

export interface ModelNames {
  model: string;
  uuid: string;
  controller: string;
  cloud: string;
  /** Milliseconds since the epoch. */
  created: number;
}

const OWNER = 'admin';
const CONTROLLER = 'pgcharm';

export function modelNames({ store }: Model): ModelNames {
  const oldest = store.get<{ at: number | null }>('SELECT min(created) AS at FROM machine');
  return {
    model: store.meta('model-name') ?? 'pgcharm',
    uuid: store.meta('model-uuid') ?? '',
    controller: CONTROLLER,
    cloud: 'localhost',
    created: Number(store.meta('model-created') ?? oldest?.at ?? 0),
  };
}

/**
 * Checks that the model a client names is the one there is.
 *
 * @param wanted `name`, `user/name`, `controller:name`, `controller:user/name`, or the uuid
 * @throws OperatorError `model-not-found`
 */
export function checkModelName(model: Model, wanted: string | undefined): void {
  if (wanted === undefined || wanted === '') return;
  const names = modelNames(model);
  const match = /^(?:([^:]*):)?(?:([^/]*)\/)?(.+)$/.exec(wanted);
  const [, controller = names.controller, user = OWNER, name = ''] = match ?? [];
  const named = name === names.model || name === names.uuid;
  if (controller === names.controller && user === OWNER && named) return;
  throw refusal(
    'model-not-found',
    `model ${controller}:${user}/${name} not found`,
    `there is one model: ${names.controller}:${OWNER}/${names.model}`,
  );
}

export function modelDocument(model: Model): ModelDocument {
  const names = modelNames(model);
  const machines = model.store.all<{ id: string }>('SELECT id FROM machine ORDER BY id');
  const cores = availableParallelism();
  return {
    name: `${OWNER}/${names.model}`,
    'short-name': names.model,
    'model-uuid': names.uuid,
    'model-type': 'iaas',
    'controller-uuid': names.uuid,
    'controller-name': names.controller,
    'is-controller': false,
    cloud: names.cloud,
    region: names.cloud,
    type: 'unmanaged',
    life: 'alive',
    status: { current: 'available', since: isoTime(names.created) },
    users: {
      [OWNER]: { 'display-name': OWNER, access: 'admin', 'last-connection': 'just now' },
    },
    machines: Object.fromEntries(machines.map(({ id }) => [id, { cores }])),
    'agent-version': CONTRACT_VERSION,
  };
}

/** Every key with its value, and whether it was set. */
export function modelConfigDocument({ store }: Model): ModelConfigDocument {
  const rows = store.all<{ key: string; value: string }>('SELECT key, value FROM model_config');
  const set = new Map(rows.map(({ key, value }) => [key, value]));
  const keys = [...new Set([...Object.keys(modelOptions), ...set.keys()])].toSorted();
  return Object.fromEntries(
    keys.map((key) => {
      const option = modelOptions[key];
      const text = set.get(key) ?? option?.standard ?? '';
      const value = option?.type === 'bool' ? (parseGoBool(text) ?? false) : text;
      return [key, { Value: value, Source: set.has(key) ? 'model' : 'default' }];
    }),
  );
}
