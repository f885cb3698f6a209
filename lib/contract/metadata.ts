/**
 * metadata.yaml: what a charm is and what it can be related to, with the rules that Juju checks
 * when a charm is added. The store keeps the typed result.
 */
import { z } from 'zod';
import { charmError, checkCharm, parseCharmYaml } from './charm-yaml.ts';
import { isApplicationName } from './tools/schema.ts';

export type EndpointRole = 'provider' | 'requirer' | 'peer';

export interface EndpointSpec {
  name: string;
  role: EndpointRole;
  interface: string;
  scope: 'global' | 'container';
  optional: boolean;
  /** Most relations at once, if limited. */
  limit?: number;
}

export interface StorageSpec {
  name: string;
  type: 'filesystem' | 'block';
  description: string;
  shared: boolean;
  readOnly: boolean;
  /** How many instances a unit may have; `max` undefined: any number. */
  min: number;
  max?: number;
  /** Default 1024. */
  minimumSizeMib: number;
  location?: string;
  transient: boolean;
  /** Declared `multiple`: several instances share the location's parent. */
  multiple: boolean;
}

export interface ResourceSpec {
  name: string;
  type: 'file' | 'oci-image';
  description: string;
  /** For files. */
  filename?: string;
}

export interface CharmMetadata {
  name: string;
  summary: string;
  description: string;
  subordinate: boolean;
  endpoints: EndpointSpec[];
  extraBindings: string[];
  storage: StorageSpec[];
  resources: ResourceSpec[];
  assumes: unknown[];
}

/** `name: interface` is short for a map. */
const relation = z.preprocess(
  (value) => (typeof value === 'string' ? { interface: value } : value),
  z.object({
    interface: z.string(),
    limit: z.number().int().nullish(),
    scope: z.enum(['global', 'container']).optional(),
    optional: z.boolean().optional(),
  }),
);
const relations = z.record(z.string(), relation).nullish();

const raw = z.object({
  name: z.string(),
  summary: z.string(),
  description: z.string(),
  subordinate: z.boolean().optional(),
  peers: relations,
  provides: relations,
  requires: relations,
  'extra-bindings': z.record(z.string(), z.unknown()).nullish(),
  storage: z
    .record(
      z.string(),
      z.object({
        type: z.enum(['filesystem', 'block']),
        description: z.string().optional(),
        shared: z.boolean().optional(),
        'read-only': z.boolean().optional(),
        multiple: z.object({ range: z.union([z.string(), z.number()]) }).optional(),
        'minimum-size': z.union([z.string(), z.number()]).optional(),
        location: z.string().optional(),
        properties: z.array(z.enum(['transient'])).optional(),
      }),
    )
    .nullish(),
  resources: z
    .record(
      z.string(),
      z.object({
        type: z.enum(['file', 'oci-image']).optional(),
        filename: z.string().optional(),
        description: z.string().optional(),
      }),
    )
    .nullish(),
  assumes: z.array(z.unknown()).nullish(),
  series: z.unknown().optional(),
  'min-juju-version': z.unknown().optional(),
});
type Raw = z.output<typeof raw>;

/** @throws OperatorError `charm-invalid` */
export function parseMetadata(text: string): CharmMetadata {
  const given = checkCharm(raw, parseCharmYaml(text, 'metadata.yaml'), 'metadata');
  const metadata: CharmMetadata = {
    name: given.name,
    summary: given.summary,
    description: given.description,
    subordinate: given.subordinate ?? false,
    endpoints: [
      ...endpointsOf(given.provides, 'provider'),
      ...endpointsOf(given.requires, 'requirer'),
      ...endpointsOf(given.peers, 'peer'),
    ],
    extraBindings: Object.keys(given['extra-bindings'] ?? {}),
    storage: Object.entries(given.storage ?? {}).map(([name, spec]) => storageOf(name, spec)),
    resources: Object.entries(given.resources ?? {}).map(([name, spec]) => resourceOf(name, spec)),
    assumes: given.assumes ?? [],
  };
  checkRules(metadata, given);
  return metadata;
}

function endpointsOf(declared: Raw['peers'], role: EndpointRole): EndpointSpec[] {
  return Object.entries(declared ?? {}).map(([name, spec]) => ({
    name,
    role,
    interface: spec.interface,
    scope: spec.scope ?? 'global',
    optional: spec.optional ?? false,
    ...(typeof spec.limit === 'number' ? { limit: spec.limit } : {}),
  }));
}

function storageOf(name: string, spec: NonNullable<Raw['storage']>[string]): StorageSpec {
  if (spec.location !== undefined && spec.type !== 'filesystem') {
    throw charmError(`charm storage "${name}": location may not be specified for "type: block"`);
  }
  const [min, max] =
    spec.multiple === undefined ? [1, 1] : rangeOf(name, String(spec.multiple.range));
  return {
    name,
    type: spec.type,
    description: spec.description ?? '',
    shared: spec.shared ?? false,
    readOnly: spec['read-only'] ?? false,
    min,
    ...(max === undefined ? {} : { max }),
    minimumSizeMib: sizeMib(spec['minimum-size']) ?? 1024,
    ...(spec.location === undefined ? {} : { location: spec.location }),
    transient: spec.properties?.includes('transient') ?? false,
    multiple: spec.multiple !== undefined,
  };
}

/** `3`, `1-3`, `0-`, `2+`. */
function rangeOf(name: string, text: string): [min: number, max: number | undefined] {
  const match = /^(\d+)(?:([-+])(\d*))?$/.exec(text);
  if (match === null || (match[2] === '+' && match[3] !== '')) {
    throw charmError(`metadata: storage.${name}.multiple.range: invalid range "${text}"`);
  }
  const min = Number(match[1]);
  if (match[2] === undefined) return [min, min];
  const max = match[3] === '' || match[3] === undefined ? undefined : Number(match[3]);
  return [min, max];
}

/** `10G` -> 10240; a bare number counts MiB. */
export function sizeMib(text: string | number | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([MGTPEZY])?(?:i?B)?$/.exec(String(text ?? '').trim());
  if (match === null) return undefined;
  const power = 'MGTPEZY'.indexOf(match[2] ?? 'M');
  return Math.ceil(Number(match[1]) * 1024 ** power);
}

function resourceOf(name: string, spec: NonNullable<Raw['resources']>[string]): ResourceSpec {
  const type = spec.type ?? 'file';
  const { filename, description = '' } = spec;
  if (type === 'file' && (filename === undefined || filename === '')) {
    throw charmError('resource missing filename');
  }
  if (filename?.includes('/')) throw charmError(`filename cannot contain "/" (got "${filename}")`);
  return { name, type, description, ...(filename === undefined ? {} : { filename }) };
}

function checkRules(metadata: CharmMetadata, given: Raw): void {
  const who = `charm "${metadata.name}"`;
  if (!isApplicationName(metadata.name)) {
    throw charmError(`cannot parse charm metadata: name "${metadata.name}" not valid`);
  }
  for (const key of ['series', 'min-juju-version'] as const) {
    if (given[key] !== undefined) throw charmError(`metadata: "${key}" not valid in format v2`);
  }
  const seen = new Set<string>();
  for (const endpoint of metadata.endpoints) {
    if (seen.has(endpoint.name)) {
      throw charmError(`${who} using a duplicated relation name: "${endpoint.name}"`);
    }
    seen.add(endpoint.name);
    checkReserved(who, endpoint, metadata.subordinate);
  }
  for (const binding of metadata.extraBindings) {
    if (seen.has(binding)) {
      throw charmError(`metadata: extra binding "${binding}" is also the name of a relation`);
    }
  }
  const container = ({ role, scope }: EndpointSpec) => role === 'requirer' && scope === 'container';
  if (metadata.subordinate && !metadata.endpoints.some(container)) {
    throw charmError(`subordinate ${who} lacks "requires" relation with container scope`);
  }
}

function checkReserved(who: string, endpoint: EndpointSpec, subordinate: boolean): void {
  const reserved = (text: string) => text === 'juju' || text.startsWith('juju-');
  const { name, role, scope } = endpoint;
  // A subordinate may require the implicit endpoint of its principal.
  if (subordinate && role === 'requirer' && scope === 'container') return;
  if (reserved(name)) throw charmError(`${who} using a reserved relation name: "${name}"`);
  if (role !== 'requirer' && reserved(endpoint.interface)) {
    throw charmError(
      `${who} relation "${name}" using a reserved interface: "${endpoint.interface}"`,
    );
  }
}
