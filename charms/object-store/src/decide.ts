/**
 * What the store still lacks: a program, a certificate, a key for each relation, a running server,
 * and relations that say where it is. Pure.
 */
import {
  type Decision as AnyDecision,
  blocked,
  maintenance,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
import { CA_FIELD, CA_KEY_FIELD } from '../../../lib/charm/own-authority.ts';
import { farewell, runWorkload } from '../../../lib/charm/workload.ts';
import type { ServiceSpec } from '../../../lib/machine/services.ts';
import { encodeS3Parameters } from '../../../lib/relations/s3.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { Secret } from '../../../lib/std/secret.ts';
import { type Places, SERVICE, type Steps, type World } from './world.ts';

type Decision = AnyDecision<Steps>;
const step = stepsOf<Steps>();
/** Any will do: the store signs for all; this one needs no special case in clients. */
const REGION = 'us-east-1';

export function decide(world: World): Decision[] {
  const last = farewell(world.ending, world.services);
  if (last !== undefined) return last;
  const refusal = refuse(world);
  if (refusal.length > 0) return refusal;
  if (world.missingPackages.length > 0) {
    const packages = [...world.missingPackages];
    return [step('install-packages', { packages }, 'programs are missing')];
  }
  return [...prepare(world), ...keys(world), ...server(world), ...publish(world)];
}

function refuse(world: World): Decision[] {
  const { bucket, port } = world.config;
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    const allowed = '3 to 63 lower-case letters, digits, dots and dashes';
    return [blocked('option-invalid', `option bucket is "${bucket}"; allowed: ${allowed}`)];
  }
  if (!Number.isInteger(port) || port < 1024 || port > 65_535) {
    return [blocked('option-invalid', `option port is ${port}; allowed: 1024 to 65535`)];
  }
  if (!world.isLeader && world.secret === undefined) {
    return [waiting('no-leader-yet', 'waiting for the first unit to make the keys')];
  }
  if (!world.isLeader) {
    const text = 'a second unit would be a second, empty store: remove this unit';
    return [blocked('more-than-one-unit', text)];
  }
  if (world.address === undefined) return [waiting('no-address', 'waiting for an address')];
  if (world.places === undefined) return [waiting('no-storage', 'waiting for storage data')];
  return [];
}

function prepare({ user, program, secret, server }: World): Decision[] {
  const decisions: Decision[] = [];
  if (user !== undefined && !user.exists) {
    decisions.push(step('create-user', { name: user.name }, 'the server runs as its own user'));
  }
  if (secret === undefined) {
    decisions.push(step('create-secret', {}, 'the store has no certificate authority yet'));
  }
  if (server === undefined) decisions.push(step('prepare-places', {}, 'directories are missing'));
  if (!program.installed) {
    const revision = program.wanted;
    decisions.push(step('install-program', { revision }, 'the charm carries another server'));
  }
  return decisions;
}

function keys({ relations, secret }: World): Decision[] {
  if (secret === undefined) return [];
  const has = (id: number) => secret.content[`key-${id}`] !== undefined;
  const wanted = relations.filter((relation) => !relation.ending);
  const create = wanted
    .filter(({ id }) => !has(id))
    .map(({ id, app }) => step('create-key', { relationId: id }, `${app} has no key yet`));
  const remove = Object.keys(secret.content)
    .map((field) => Number(/^key-(\d+)$/.exec(field)?.[1] ?? Number.NaN))
    .filter((id) => !Number.isNaN(id) && !wanted.some((relation) => relation.id === id))
    .map((id) => step('remove-key', { relationId: id }, `relation ${id} is gone`));
  return [...create, ...remove];
}

function server(world: World): Decision[] {
  const { secret, places, address } = world;
  if (secret?.content[CA_KEY_FIELD] === undefined) return [];
  if (places === undefined || address === undefined) return [];
  const decisions: Decision[] = [];
  const wanted = keysOf(secret.content);
  const { port } = world.config;
  if (!serves(world, wanted, places)) {
    const text = JSON.stringify(wanted);
    const args = { address, port, keys: new Secret(text), digest: digestOf(text) };
    decisions.push(step('write-server', args, 'address, certificate or keys are out of date'));
  }
  const run = runWorkload(world, { [SERVICE]: specOf(world, places) }, [port]);
  return [...decisions, ...run, ...health(world)];
}

function health({ answers, failure, address, config }: World): Decision[] {
  if (answers === 'store') return [];
  if (answers === 'other') {
    const where = `port ${config.port} of ${address}`;
    const cure = 'end it, or choose another with the option port';
    return [blocked('port-in-use', `another program listens on ${where}: ${cure}`)];
  }
  // Just started, it needs a moment; a hook does not wait for it.
  if (failure === undefined) return [];
  return [maintenance('store-down', `the server does not start: ${failure}`)];
}

function publish(world: World): Decision[] {
  const { secret, address, config } = world;
  const ca = secret?.content[CA_FIELD];
  if (secret === undefined || ca === undefined || address === undefined) return [];
  return world.relations.flatMap(({ id, app, ending, local }) => {
    const accessKey = secret.content[`access-${id}`];
    const secretKey = secret.content[`key-${id}`];
    if (ending || accessKey === undefined || secretKey === undefined) return [];
    const data = encodeS3Parameters({
      bucket: config.bucket,
      accessKey,
      secretKey,
      endpoint: `https://${address.includes(':') ? `[${address}]` : address}:${config.port}`,
      region: REGION,
      path: `/${app}`,
      uriStyle: 'path',
      deleteOlderThanDays: undefined,
      tlsCaChain: [ca],
    });
    if (Object.entries(data).every(([key, value]) => local[key] === value)) return [];
    const text = JSON.stringify(data);
    const args = { relationId: id, data: new Secret(text), digest: digestOf(text) };
    return [step('publish', args, `${app} is to know where the store is`)];
  });
}

/** Secret by access key. */
export function keysOf(content: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(content)
    .filter(([field]) => field.startsWith('access-'))
    .map(([field, accessKey]) => [accessKey, content[field.replace('access-', 'key-')]] as const)
    .filter((entry): entry is readonly [string, string] => entry[1] !== undefined);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function serves(world: World, keys: Record<string, string>, places: Places): boolean {
  const now = world.server;
  return (
    now?.certified === true &&
    now.address === world.address &&
    now.port === world.config.port &&
    now.directory === places.objects &&
    JSON.stringify(now.keys) === JSON.stringify(keys)
  );
}

function specOf({ program, user }: World, places: Places): ServiceSpec {
  return {
    // The limit keeps a busy store from growing into memory that the databases need.
    command: [program.node, '--max-old-space-size=96', places.program, places.configFile],
    ...(user === undefined ? {} : { user: user.name }),
    env: {},
    requires: places.configFile,
  };
}
