/** Tools about where a unit is: addresses, ports, storage, resources, and its server-side state. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Format, Value } from '../../../lib/contract/format.ts';
import { goQuote, UsageError } from '../../../lib/contract/gnuflag.ts';
import type { CharmMetadata } from '../../../lib/contract/metadata.ts';
import { comparePorts, type PortRange, portText } from '../../../lib/contract/ports.ts';
import type { ToolCalls } from '../../../lib/contract/tools/catalogue.ts';
import { egressSubnets } from '../machines/network.ts';
import { type Execution, ToolFailure } from './execution.ts';
import type { Handlers } from './handler.ts';
import { changePort, openedPorts } from './ports.ts';

export const placeTools: Handlers<
  | 'network-get'
  | 'unit-get'
  | 'open-port'
  | 'close-port'
  | 'opened-ports'
  | 'storage-list'
  | 'storage-get'
  | 'storage-add'
  | 'resource-get'
  | 'state-get'
  | 'state-set'
  | 'state-delete'
> = {
  'network-get': (run, call, { format }) => ({ value: network(run, call, format) }),
  'unit-get': (run) => ({ value: run.machine.address }),

  'open-port': (run, { port, endpoints }) => {
    for (const endpoint of endpoints.length === 0 ? [''] : endpoints) {
      changePort(run, { range: port, endpoint, open: true });
    }
    return undefined;
  },

  'close-port': (run, { port, endpoints }) => {
    for (const endpoint of endpoints.length === 0 ? [''] : endpoints) {
      changePort(run, { range: port, endpoint, open: false });
    }
    return undefined;
  },

  'opened-ports': (run, { endpoints }) => {
    const ports = openedPorts(run.store, run.unit).toSorted(comparePorts);
    const named = (port: PortRange & { endpoints: string[] }) =>
      `${portText(port)} (${port.endpoints.toSorted().join(', ') || '*'})`;
    return { value: ports.map(endpoints ? named : portText) };
  },

  'storage-list': (run, { name }) => ({
    value: storageOf(run)
      .filter((instance) => name === undefined || instance.name === name)
      .map((instance) => instance.id),
  }),

  'storage-get': (run, { storage = run.spec.hook?.storageId, key }) => {
    if (storage === undefined) throw new UsageError('no storage instance specified');
    const found = storageOf(run).find((instance) => instance.id === storage);
    if (found === undefined) throw new ToolFailure(`storage ${goQuote(storage)} not found`);
    const values: Record<string, string> = { kind: found.kind, location: found.location };
    if (key === undefined) return { value: values };
    const value = values[key];
    if (value === undefined) throw new ToolFailure(`invalid storage attribute ${goQuote(key)}`);
    return { value };
  },

  'storage-add': (run, { counts }) => {
    const declared = metadataOf(run).storage;
    for (const [name, count] of Object.entries(counts)) {
      if (!declared.some((storage) => storage.name === name)) {
        throw new ToolFailure(`charm storage ${goQuote(name)} not found`);
      }
      run.pending.storage.push({ name, count });
    }
    return undefined;
  },

  'resource-get': (run, { name }) => ({ text: resourcePath(run, name) }),

  'state-get': (run, { key, strict }) => {
    const state = stateOf(run);
    if (key === undefined) return { value: state };
    const value = Object.hasOwn(state, key) ? state[key] : undefined;
    if (value === undefined && strict) throw new ToolFailure(`${goQuote(key)} not found`);
    return { value: value ?? '' };
  },

  'state-set': (run, { file, values }, caller) => {
    for (const [key, value] of Object.entries({ ...caller.settings(file), ...values })) {
      checkStateSize(key, value);
      run.pending.state.set(key, value);
    }
    return undefined;
  },

  'state-delete': (run, { key }) => {
    run.pending.state.set(key, undefined);
    return undefined;
  },
};

function network(run: Execution, call: ToolCalls['network-get'], format: Format): Value {
  if (call.relation !== undefined) run.relationOf(call);
  const { binding, only } = call;
  if (!bindingsOf(run).includes(binding)) {
    throw new ToolFailure(`no network config found for binding ${goQuote(binding)}`);
  }
  const { address, kind } = run.machine;
  if (only.length > 1 && only.includes('primary-address')) {
    throw new ToolFailure('--primary-address must be the only flag specified');
  }
  const values: Record<string, Value> = {
    'bind-address': address,
    'ingress-address': address,
    'egress-subnets': egressSubnets(run.machine),
    'primary-address': address,
  };
  const [first, ...others] = only;
  if (first !== undefined && others.length === 0) return values[first];
  if (first !== undefined) return Object.fromEntries(only.map((name) => [name, values[name]]));
  // The second spelling of each key is for readers of Juju's oldest YAML only.
  const legacy = format !== 'json';
  const cidr = `${address.split('.').slice(0, 3).join('.')}.0/24`;
  const interfaceName = kind === 'loopback' ? 'lo' : 'eth0';
  const shown = new Map<string, Value>([
    ['hostname', ''],
    ['value', address],
    ['cidr', cidr],
    ...(legacy ? ([['address', address]] as const) : []),
  ]);
  const device = new Map<string, Value>([
    ['mac-address', ''],
    ['interface-name', interfaceName],
    ['addresses', [shown]],
    ...(legacy ? [['macaddress', ''] as const, ['interfacename', interfaceName] as const] : []),
  ]);
  return new Map<string, Value>([
    ['bind-addresses', [device]],
    ['egress-subnets', egressSubnets(run.machine)],
    ['ingress-addresses', [address]],
  ]);
}

function bindingsOf(run: Execution): string[] {
  const { endpoints, extraBindings } = metadataOf(run);
  return ['juju-info', ...endpoints.map(({ name }) => name), ...extraBindings];
}

/** Of the revision that runs on this unit; of the application's before it is installed. */
function metadataOf(run: Execution): CharmMetadata {
  const row = run.store.get<{ metadata: string }>(
    `SELECT c.metadata FROM unit u JOIN application a ON a.name = u.application
     JOIN charm c ON c.id = coalesce(u.charm_id, a.charm_id) WHERE u.name = ?`,
    run.unit,
  );
  if (row === undefined) throw new Error(`no charm for ${run.unit} in the store`);
  return JSON.parse(row.metadata) as CharmMetadata;
}

interface Instance {
  id: string;
  name: string;
  kind: string;
  location: string;
}

/** Attached instances, and the one whose storage hook runs. */
function storageOf(run: Execution): Instance[] {
  return run.store.all<Instance>(
    `SELECT id, name, kind, location FROM storage
     WHERE unit = ? AND (attached = 1 OR id = ?) ORDER BY id`,
    run.unit,
    run.spec.hook?.storageId ?? '',
  );
}

function resourcePath(run: Execution, name: string): string {
  const declared = metadataOf(run).resources.find((resource) => resource.name === name);
  const dir = join(run.spec.resourcesDir, name);
  // A name that the metadata declares cannot lead out of the directory.
  const file =
    declared === undefined || !existsSync(dir)
      ? undefined
      : (declared.filename ?? readdirSync(dir)[0]);
  if (file === undefined || !existsSync(join(dir, file))) {
    throw new ToolFailure(`could not download resource: resource ${goQuote(name)} not found`);
  }
  return join(dir, file);
}

function stateOf(run: Execution): Record<string, string> {
  const rows = run.store.all<{ key: string; value: string }>(
    'SELECT key, value FROM unit_state WHERE unit = ?',
    run.unit,
  );
  const state = new Map(rows.map(({ key, value }) => [key, value] as const));
  for (const [key, value] of run.pending.state) {
    if (value === undefined) state.delete(key);
    else state.set(key, value);
  }
  return Object.fromEntries(state);
}

const MAX_STATE_KEY_BYTES = 256;
const MAX_STATE_VALUE_BYTES = 65_536;

function checkStateSize(key: string, value: string): void {
  const sizes = [Buffer.byteLength(key), Buffer.byteLength(value)] as const;
  if (sizes[0] > MAX_STATE_KEY_BYTES) {
    throw new ToolFailure(
      `max allowed key size (${MAX_STATE_KEY_BYTES}) exceeded for ${goQuote(key)}: ${sizes[0]}`,
    );
  }
  if (sizes[1] > MAX_STATE_VALUE_BYTES) {
    const limit = `max allowed value size (${MAX_STATE_VALUE_BYTES})`;
    throw new ToolFailure(`${limit} exceeded for key ${goQuote(key)}: ${sizes[1]}`);
  }
}
