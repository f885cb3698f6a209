/** The decider of backups against a small model of its steps: any history converges. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type Finding, isStep, type Step } from '../../lib/charm/decision.ts';
import { encodeS3Parameters } from '../../lib/relations/s3.ts';
import { archiver, backup, backupWish } from '../../src/charm/decide/backup.ts';
import type { Relation, Snapshot } from '../../src/charm/model/snapshot.ts';
import type { Steps } from '../../src/charm/model/steps.ts';
import {
  type AgentWorld,
  known,
  type RepositoryView,
  unknown,
} from '../../src/charm/model/world.ts';
import { UnitWorld } from '../support/world.ts';

const SECRET = 'very-secret-key';
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----';

function store(change: Record<string, string> = {}): Relation {
  const remoteApp = {
    ...encodeS3Parameters({
      bucket: 'backups',
      accessKey: 'ACCESS',
      secretKey: SECRET,
      endpoint: 'https://127.0.0.9:9000',
      region: '',
      path: '/postgresql',
      uriStyle: 'path',
      deleteOlderThanDays: undefined,
      tlsCaChain: [PEM],
    }),
    ...change,
  };
  const bags = { localApp: {}, localUnit: {}, units: [] };
  return { endpoint: 's3-parameters', id: 9, app: 'store', ending: false, remoteApp, ...bags };
}

const view = (stanza: RepositoryView['stanza'], message = ''): RepositoryView => ({
  stanza,
  message,
  backups: [],
  archiving: true,
});

const another = {
  name: 'postgresql/1',
  data: { ip: '10.0.0.11', 'data-path': '/other/main', 'socket-path': '/other/run' },
  dying: false,
};

const unit = new UnitWorld();
await unit.settle();
const settled = unit.snapshot();

interface Given {
  relations?: Relation[];
  view?: RepositoryView | undefined;
  others?: Snapshot['peers']['others'];
}

/** The settled unit in other circumstances. */
function given(from: Snapshot, { relations = [], view: seen, others = [] }: Given): Snapshot {
  assert.ok(from.agent.known);
  const repository = seen === undefined ? unknown('being checked') : known(seen);
  const agent: AgentWorld = { ...from.agent.value, backup: repository };
  return { ...from, relations, agent: known(agent), peers: { ...from.peers, others } };
}

function after(world: Snapshot, step: Step<Steps>): Snapshot {
  switch (step.kind) {
    case 'write-file': {
      const { path, content } = step.args as Steps['write-file'];
      return { ...world, files: { ...world.files, [path]: content.reveal() } };
    }
    case 'remove-files': {
      const { paths } = step.args as Steps['remove-files'];
      const kept = Object.entries(world.files).filter(([path]) => !paths.includes(path));
      return { ...world, files: Object.fromEntries(kept) };
    }
    case 'peer-set': {
      const { data } = step.args as Steps['peer-set'];
      const own = { ...world.peers.own, ...data } as Record<string, string>;
      return { ...world, peers: { ...world.peers, own } };
    }
    case 'start-service':
    case 'stop-service':
    case 'reload-service': {
      const { name, digest } = step.args as Steps['reload-service'];
      const up = step.kind !== 'stop-service';
      const service = world.services[name];
      assert.ok(service);
      const change = { running: up, wantedUp: up, loaded: digest ?? service.loaded };
      return { ...world, services: { ...world.services, [name]: { ...service, ...change } } };
    }
    default:
      throw new Error(`backup does not ask for ${step.kind}`);
  }
}

function settle(start: Snapshot, dieAfter = Number.POSITIVE_INFINITY): Snapshot {
  let world = start;
  let done = 0;
  for (let round = 0; round < 5; round++) {
    for (const step of backup(world).filter(isStep)) {
      if (done++ >= dieAfter) return world;
      world = after(world, step);
    }
  }
  return world;
}

const steps = (world: Snapshot) => backup(world).filter(isStep);
const findings = (world: Snapshot) =>
  backup(world).filter((decision): decision is Finding => !isStep(decision));

describe('backup', () => {
  test('without a store there is nothing to do and nothing to say', () => {
    assert.deepEqual(backup(given(settled, {})), []);
    assert.equal(backupWish(settled), undefined);
    assert.equal(archiver(settled), undefined);
  });

  test('a store is written down, served to the other units, and told to the agent', () => {
    const world = settle(given(settled, { relations: [store()], others: [another] }));
    const text = world.files[world.layout.pgbackrestConfig] ?? '';
    assert.match(text, /^\[test\.postgresql\]$/m);
    assert.match(text, /^pg2-path=\/other\/main$/m);
    assert.equal(world.files[world.layout.s3Ca], `${PEM}\n`);
    assert.equal(world.services['pgbackrest']?.wantedUp, true);
    assert.deepEqual(steps(world), []);
    const wish = backupWish(world);
    assert.equal(wish?.stanza, 'test.postgresql');
    assert.equal(wish.s3.caFile, world.layout.s3Ca);
    assert.equal(archiver(world), undefined);
  });

  test('archiving begins with the stanza and goes on when the store is away', () => {
    const world = given(settled, { relations: [store()], view: view('ok') });
    const command = archiver(world) ?? '';
    assert.match(command, /archive-push "%p"$/);
    assert.doesNotMatch(command, new RegExp(SECRET));
    const files = { ...world.files, [world.layout.patroniConfig]: `archive_command: ${command}` };
    const away = given({ ...world, files }, { relations: [store()], view: view('unreachable') });
    assert.equal(archiver(away), command);
    const unseen = given({ ...world, files }, { relations: [store()] });
    assert.equal(archiver(unseen), command);
    const foreign = given({ ...world, files }, { relations: [store()], view: view('foreign') });
    assert.equal(archiver(foreign), undefined);
    assert.equal(archiver(given({ ...world, files }, {})), undefined);
  });

  const said: [stanza: RepositoryView['stanza'], message: string, level: string, text: RegExp][] = [
    ['foreign', 'why', 'blocked', /^the S3 repository has backups from another cluster: why$/],
    [
      'unreachable',
      'why',
      'blocked',
      /^failed to access\/create the bucket, check your S3 .*: why$/,
    ],
    ['mismatch', 'why', 'blocked', /^failed to initialize stanza, check your S3 settings: why$/],
    ['ok', 'WAL is not archived: why', 'blocked', /WAL is not archived/],
  ];
  for (const [stanza, message, level, text] of said) {
    test(`says that the repository is ${stanza} (${message})`, () => {
      const world = settle(given(settled, { relations: [store()], view: view(stanza, message) }));
      const [first] = findings(world);
      assert.equal(first?.level, level);
      assert.match(first.message, text);
    });
  }

  test('settings that cannot be used block, and nothing is written', () => {
    for (const change of [{ endpoint: 'http://store' }, { path: '/../x' }, { region: 'a b' }]) {
      const world = given(settled, { relations: [store(change)] });
      assert.deepEqual(steps(world), []);
      assert.equal(findings(world)[0]?.code, 's3-invalid');
    }
  });

  test('when the store goes, its keys go and the server stops', () => {
    const related = settle(given(settled, { relations: [store()], others: [another] }));
    const ending = [{ ...store(), ending: true }];
    const world = settle(given(related, { relations: ending, others: [another] }));
    assert.equal(world.files[world.layout.pgbackrestConfig], undefined);
    assert.equal(world.services['pgbackrest']?.wantedUp, false);
    assert.doesNotMatch(JSON.stringify(world.files), new RegExp(SECRET));
  });

  test('any history converges, also when hooks die, and no plan shows a key', () => {
    const circumstances = fc.record({
      related: fc.constantFrom('none', 'whole', 'partial', 'moved'),
      view: fc.constantFrom(undefined, view('ok'), view('missing'), view('foreign', 'x')),
      others: fc.constantFrom([], [another], [{ ...another, dying: true }]),
      dieAfter: fc.integer({ min: 0, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(circumstances, { maxLength: 6 }), (history) => {
        let world = settled;
        for (const { related, view: seen, others, dieAfter } of history) {
          const relations = {
            none: [],
            whole: [store()],
            partial: [store({ 'secret-key': '' })],
            moved: [store({ endpoint: 'https://127.0.0.8:9000' })],
          }[related];
          world = given(world, { relations, view: seen, others });
          assert.doesNotMatch(JSON.stringify(backup(world)), new RegExp(SECRET));
          world = settle(settle(world, dieAfter));
          assert.deepEqual(steps(world), []);
        }
      }),
    );
  });
});

describe('a store whose CA somebody else vouches for', () => {
  const received = '-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----';
  const told = (relation: Relation): Snapshot => {
    const { certificates } = settled;
    const world = { ...settled, certificates: { ...certificates, received: [received] } };
    return settle(given(world, { relations: [relation], view: view('ok') }));
  };

  test('is trusted beside those that the system knows, when it names none itself', () => {
    const world = told(store({ 'tls-ca-chain': '[]' }));
    const { layout, files } = world;
    assert.equal(files[layout.s3Ca], `${received}\n`);
    assert.match(
      files[layout.pgbackrestConfig] ?? '',
      /^repo1-storage-ca-path=\/etc\/ssl\/certs$/m,
    );
    assert.partialDeepStrictEqual(backupWish(world)?.s3, { caFile: layout.s3Ca, systemToo: true });
  });

  test('adds to its own word', () => {
    const world = told(store());
    const { layout, files } = world;
    assert.equal(files[layout.s3Ca], `${PEM}\n${received}\n`);
    assert.doesNotMatch(files[layout.pgbackrestConfig] ?? '', /ca-path/);
    assert.equal(backupWish(world)?.s3.systemToo, undefined);
  });
});
