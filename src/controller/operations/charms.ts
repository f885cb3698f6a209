/** Charms in the model: local revisions count up per name; what a charm assumes of a controller. */
import { CONTRACT_VERSION } from '../../../lib/contract/version.ts';
import type { CharmContent } from './charm-archive.ts';
import { type Charm, charmById, type Model, refusal } from './model.ts';

/** Adds a revision. Call it inside a transaction. */
export function addCharm({ store, now }: Model, content: CharmContent): Charm {
  const { name } = content.metadata;
  const revision = store.nextNumber(`charm/${name}`);
  store.run(
    `INSERT INTO charm
       (name, revision, sha256, metadata, config, actions, manifest, version, created)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    name,
    revision,
    content.sha256,
    JSON.stringify(content.metadata),
    JSON.stringify(content.config),
    JSON.stringify(content.actions),
    JSON.stringify(content.manifest),
    content.version ?? null,
    now(),
  );
  const row = store.get<{ id: number }>(
    'SELECT id FROM charm WHERE name = ? AND revision = ?',
    name,
    revision,
  );
  return charmById(store, row?.id ?? -1);
}

/** @throws OperatorError `charm-unsupported` for what this controller cannot run */
export function checkDeployable(content: CharmContent): void {
  const { name, subordinate, assumes } = content.metadata;
  if (subordinate) {
    throw refusal(
      'charm-unsupported',
      `cannot deploy "${name}": subordinate charms are not supported by this controller`,
      'deploy it with Juju',
    );
  }
  const unmet = assumes
    .filter((assumption) => !holds(assumption))
    .map((one) => `  - charm requires ${shown(one)}`);
  if (unmet.length === 0) return;
  throw refusal('charm-unsupported', ['Charm cannot be deployed because:', ...unmet].join('\n'));
}

/** `juju`, `juju >= 3.6`, `{any-of: [...]}`, `{all-of: [...]}`; other features are not there. */
function holds(assumption: unknown): boolean {
  if (typeof assumption === 'object' && assumption !== null) {
    if ('any-of' in assumption && Array.isArray(assumption['any-of'])) {
      return assumption['any-of'].some(holds);
    }
    if ('all-of' in assumption && Array.isArray(assumption['all-of'])) {
      return assumption['all-of'].every(holds);
    }
    return false;
  }
  const match = /^juju(?:\s*(>=|<)\s*([\d.]+))?$/.exec(String(assumption).trim());
  if (match === null) return false;
  const [, operator, version = ''] = match;
  if (operator === undefined) return true;
  return operator === '>=' ? compare(version) >= 0 : compare(version) < 0;
}

/** Above 0 when this controller's version is the newer one. */
function compare(version: string): number {
  const own = CONTRACT_VERSION.split('.').map(Number);
  const other = version.split('.').map(Number);
  const at = own.findIndex((part, index) => part !== (other[index] ?? 0));
  return at < 0 ? 0 : (own[at] ?? 0) - (other[at] ?? 0);
}

function shown(assumption: unknown): string {
  return typeof assumption === 'string' ? assumption : JSON.stringify(assumption);
}

/**
 * The base to deploy on: the one asked for, else the newest long-term release that the charm has.
 *
 * @returns `ubuntu@24.04` @throws OperatorError `base-unsupported`
 */
export function chooseBase(content: CharmContent, wanted: string | undefined): string {
  const declared = content.manifest.bases.map(({ name, channel }) => `${name}@${channel}`);
  const [first = ''] = declared;
  if (wanted === undefined) {
    const longTerm = declared.filter((base) => /@\d[02468]\.04$/.test(base));
    return longTerm.toSorted().at(-1) ?? first;
  }
  const base = wanted.replace(/\/stable$/, '');
  if (declared.includes(base)) return base;
  throw refusal(
    'base-unsupported',
    `base "${wanted}" is not supported, supported bases are: ${declared.join(', ')}`,
  );
}
