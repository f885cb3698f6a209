/** The object-store charm's decider against a small model of what its steps do. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { decide, keysOf } from '../../charms/object-store/src/decide.ts';
import type { Relation, Steps, World } from '../../charms/object-store/src/world.ts';
import { type Finding, isStep, type Step } from '../../lib/charm/decision.ts';
import { readS3Parameters } from '../../lib/relations/s3.ts';
import { afterWorkload } from '../support/workload.ts';

const relation = (id: number, change: Partial<Relation> = {}): Relation => ({
  id,
  app: `app${id}`,
  ending: false,
  local: {},
  ...change,
});

function aStore(change: Partial<World> = {}): World {
  return {
    unit: 'object-store/0',
    isLeader: true,
    address: '127.9.8.11',
    config: { bucket: 'backups', port: 9000 },
    places: {
      root: '/b/store',
      configFile: '/b/store/config.json',
      objects: '/s/data/objects',
      program: '/b/store/program/1/src/server.js',
    },
    missingPackages: [],
    user: { name: 'object-store', exists: false },
    secret: undefined,
    relations: [relation(3), relation(4)],
    server: undefined,
    program: { wanted: '1', installed: false, node: '/bin/node' },
    services: {},
    supervised: false,
    openPorts: [],
    failure: undefined,
    answers: 'nobody',
    ending: 'none',
    ...change,
  };
}

/** What the world is after a step: the least that `apply` promises. */
function after(world: World, step: Step<Steps>): World {
  const answers = step.kind === 'start-service' ? 'store' : world.answers;
  const shared = afterWorkload(world, step);
  if (shared !== undefined) return { ...world, ...shared, answers };
  switch (step.kind) {
    case 'create-user':
      return { ...world, user: { name: 'object-store', exists: true } };
    case 'create-secret':
      return { ...world, secret: { id: 's', content: { 'ca-certificate': PEM, 'ca-key': 'k' } } };
    case 'create-key': {
      const { relationId } = step.args as Steps['create-key'];
      const key = { [`access-${relationId}`]: `A${relationId}`, [`key-${relationId}`]: 'SECRET' };
      return { ...world, secret: { id: 's', content: { ...world.secret?.content, ...key } } };
    }
    case 'remove-key': {
      const { relationId } = step.args as Steps['remove-key'];
      const content = Object.entries(world.secret?.content ?? {});
      const kept = content.filter(([field]) => !field.endsWith(`-${relationId}`));
      return { ...world, secret: { id: 's', content: Object.fromEntries(kept) } };
    }
    case 'install-program':
      return { ...world, program: { ...world.program, installed: true } };
    case 'write-server': {
      const { address, port, keys } = step.args as Steps['write-server'];
      const directory = world.places?.objects ?? '';
      const server = { address, port, directory, certified: true };
      return { ...world, server: { ...server, keys: JSON.parse(keys.reveal()) } };
    }
    case 'publish': {
      const { relationId, data } = step.args as Steps['publish'];
      const relations = world.relations.map((each) =>
        each.id === relationId ? { ...each, local: JSON.parse(data.reveal()) } : each,
      );
      return { ...world, relations };
    }
    default:
      return world;
  }
}

function settle(start: World, dieAfter = Number.POSITIVE_INFINITY) {
  let world = start;
  let done = 0;
  for (let round = 0; round < 6; round++) {
    const steps = decide(world).filter(isStep);
    for (const step of steps) {
      if (done++ >= dieAfter) return { world, steps };
      world = after(world, step);
    }
  }
  return { world, steps: decide(world).filter(isStep) };
}

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';
const findings = (world: World) =>
  decide(world).filter((decision): decision is Finding => !isStep(decision));

describe('object-store', () => {
  const whole = settle(aStore());

  test('converged means empty', () => {
    assert.deepEqual(decide(whole.world), []);
  });

  test('a hook that dies after any step is finished by the next', () => {
    for (let dieAfter = 0; dieAfter < 16; dieAfter++) {
      assert.deepEqual(settle(settle(aStore(), dieAfter).world).world, whole.world);
    }
  });

  test('every relation gets a key of its own and a path of its own', () => {
    const read = whole.world.relations.map(({ local }) => readS3Parameters(local));
    for (const [index, reading] of read.entries()) {
      assert.partialDeepStrictEqual(reading, {
        state: 'complete',
        value: {
          bucket: 'backups',
          path: `/app${index + 3}`,
          accessKey: `A${index + 3}`,
          endpoint: 'https://127.9.8.11:9000',
          uriStyle: 'path',
        },
      });
    }
    assert.deepEqual(Object.keys(whole.world.server?.keys ?? {}), ['A3', 'A4']);
  });

  test('a relation that ends loses its key, and the other keeps its own', () => {
    const relations = whole.world.relations.map((each) => ({ ...each, ending: each.id === 3 }));
    const { world } = settle({ ...whole.world, relations });
    assert.deepEqual(keysOf(world.secret?.content ?? {}), { A4: 'SECRET' });
    assert.deepEqual(world.server?.keys, { A4: 'SECRET' });
  });

  test('a certificate that runs out is issued again, without a restart', () => {
    const server = { ...whole.world.server, certified: false } as World['server'];
    const kinds = decide({ ...whole.world, server }).map((each) => 'kind' in each && each.kind);
    assert.deepEqual(kinds, ['write-server']);
  });

  test('no plan prints a secret', () => {
    const plan = JSON.stringify(decide({ ...whole.world, server: undefined, openPorts: [] }));
    assert.match(plan, /write-server/);
    assert.doesNotMatch(plan, /SECRET/);
  });

  const statuses: [name: string, change: Partial<World>, code: string][] = [
    ['another program on the port', { answers: 'other' }, 'port-in-use'],
    ['a server that does not start', { answers: 'nobody', failure: 'EACCES' }, 'store-down'],
    ['a bucket that cannot be', { config: { bucket: 'A_b', port: 9000 } }, 'option-invalid'],
    ['a privileged port', { config: { bucket: 'backups', port: 80 } }, 'option-invalid'],
    ['no storage', { places: undefined }, 'no-storage'],
    ['no address', { address: undefined }, 'no-address'],
    ['a second unit', { isLeader: false }, 'more-than-one-unit'],
  ];
  for (const [name, change, code] of statuses) {
    test(`says so: ${name}`, () => {
      const said = findings({ ...whole.world, ...change });
      assert.deepEqual(
        said.map((each) => each.code),
        [code],
      );
    });
  }
});
