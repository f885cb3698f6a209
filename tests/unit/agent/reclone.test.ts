/** When a member that cannot follow is cloned anew, what prevents it, and when it is given up. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ATTEMPTS,
  type CloneRecord,
  type Condition,
  type Course,
  cloneObstacle,
  conditionOf,
  courseAfter,
  decideClone,
  diagnosis,
  FALLS,
  IDLE_MS,
  NO_CLONES,
  readCloneRecord,
  STEADY_MS,
  type Surroundings,
  TROUBLE_MS,
  withAttempt,
} from '../../../src/agent/decide/reclone.ts';
import { known, unknown, type WorkView } from '../../../src/charm/model/world.ts';
import { aMember, aWorld, clusterOf } from './cluster.ts';

const MINUTE = 60_000;
const down: Condition = { is: 'down' };
const workedOn = (...pids: number[]): Condition => ({ is: 'worked-on', pids });
const following: Condition = { is: 'following' };
const unclear: Condition = { is: 'unclear' };
const starved = (file: string): Condition => ({ is: 'starved', file });

/** Looks every five seconds; each entry is what was seen, and for how long. */
function courseOf(...seen: [Condition, number][]): { course: Course; at: number } {
  let course: Course | undefined;
  let at = 0;
  for (const [condition, forMs] of seen) {
    const until = at + forMs;
    for (; at < until; at += 5000) course = courseAfter(course, condition, at);
  }
  assert.ok(course !== undefined);
  return { course, at: at - 5000 };
}

function reasonOf(...seen: [Condition, number][]): string | undefined {
  const { course, at } = courseOf(...seen);
  return diagnosis(course, at);
}

describe('the condition of a member', () => {
  const replica = aMember('pg-1');
  const look = { self: replica, pids: [], missingWal: undefined };
  const rows: [string, Partial<Parameters<typeof conditionOf>[0]>, Condition['is']][] = [
    ['streams', { self: { ...replica, streaming: true } }, 'following'],
    [
      'streams, whatever Patroni says',
      { self: aMember('a', { streaming: true, state: 'crashed' }) },
      'following',
    ],
    ['no member', { self: undefined }, 'unclear'],
    ['the primary', { self: aMember('a', { role: 'primary', state: 'crashed' }) }, 'unclear'],
    ['start failed', { self: aMember('a', { state: 'start failed' }) }, 'down'],
    ['stopped', { self: aMember('a', { state: 'stopped' }) }, 'down'],
    ['a failed restart', { self: aMember('a', { state: 'restart failed (starting)' }) }, 'down'],
    ['stopped for a rewind', { self: aMember('a', { state: 'stopped' }), pids: [7] }, 'worked-on'],
    ['being cloned', { self: aMember('a', { state: 'creating replica' }) }, 'unclear'],
    ['starting', { self: aMember('a', { state: 'starting' }), pids: [7] }, 'worked-on'],
    ['starting, and no server', { self: aMember('a', { state: 'starting' }) }, 'down'],
    ['a new cluster', { self: aMember('a', { state: 'initializing new cluster' }) }, 'unclear'],
    ['replaying', {}, 'unclear'],
    ['without its WAL', { missingWal: '000000010000000A' }, 'starved'],
  ];
  for (const [name, change, expected] of rows) {
    test(`${name}: ${expected}`, () => {
      assert.equal(conditionOf({ ...look, ...change }).is, expected);
    });
  }
});

describe('a member cannot follow', () => {
  test('when it is down and nobody starts it', () => {
    assert.equal(reasonOf([down, IDLE_MS]), undefined);
    assert.match(reasonOf([down, IDLE_MS + 5000]) ?? '', /does not run, nor start/);
  });

  test('when it has gone down again and again without following for long', () => {
    const crashes = (times: number, upMs: number, up: Condition = unclear) =>
      Array.from({ length: times }, (): [Condition, number][] => [
        [up, upMs],
        [down, 5000],
      ]).flat();
    assert.equal(reasonOf(...crashes(FALLS - 1, 20_000)), undefined);
    assert.match(reasonOf(...crashes(FALLS, 20_000)) ?? '', /ended 5 times/);
    assert.match(reasonOf(...crashes(FALLS, 20_000, following)) ?? '', /ended 5 times/);
    assert.equal(reasonOf(...crashes(FALLS, 5000)), undefined, 'within less than a minute');
    assert.equal(reasonOf(...crashes(20, STEADY_MS + 5000, following)), undefined, 'it recovers');
    assert.equal(reasonOf(...crashes(FALLS, 20_000), [unclear, 5000]), undefined, 'it runs');
  });

  test('when each look finds another server that starts, whatever Patroni calls it', () => {
    const starts = (times: number, forMs: number) =>
      Array.from({ length: times }, (_, n): [Condition, number] => [workedOn(n, n + 0.5), forMs]);
    assert.equal(reasonOf(...starts(FALLS, 15_000)), undefined, 'the last one is still at work');
    assert.match(reasonOf(...starts(FALLS + 1, 15_000)) ?? '', /ended 5 times/);
    assert.equal(reasonOf(...starts(FALLS + 2, 10_000).slice(1)), undefined, 'within a minute');
    const recovers: [Condition, number] = [workedOn(99), 60_000];
    assert.equal(reasonOf(...starts(FALLS + 1, 15_000), recovers), undefined, 'it recovers');
    assert.equal(reasonOf([workedOn(1, 2), 5000], [workedOn(2), 3_600_000]), undefined);
  });

  test('each end of a server counts once, with or without a look between two', () => {
    const { course } = courseOf([workedOn(1), 5000], [down, 5000], [workedOn(2), 5000]);
    assert.equal(course.falls, 1);
    assert.equal(courseOf([workedOn(1), 5000], [workedOn(2), 5000]).course.falls, 1);
  });

  test('when it waits for the same WAL that the primary has removed', () => {
    assert.equal(reasonOf([starved('A'), TROUBLE_MS]), undefined);
    assert.match(reasonOf([starved('A'), TROUBLE_MS + 5000]) ?? '', /no more the WAL .*\(A\)/);
    assert.equal(reasonOf([starved('A'), 50_000], [starved('B'), 50_000]), undefined, 'it moves');
  });

  test('never by what is unclear, however long', () => {
    assert.equal(reasonOf([unclear, 3_600_000]), undefined);
    assert.equal(reasonOf([down, 5000], [unclear, 3_600_000]), undefined);
  });
});

const primary = aMember('pg-0', { role: 'primary', timeline: 3 });
const broken = aMember('pg-1', { state: 'start failed', timeline: undefined });

function around(change: Partial<Surroundings> = {}, members = [primary, broken]): Surroundings {
  const database = {
    systemIdentifier: '7',
    serverVersion: '15',
    databases: [],
    roles: [],
    extensions: {},
    preloaded: [],
  };
  const cluster = known(clusterOf(members));
  return {
    ...aWorld({ cluster, database: known(database) }),
    member: 'pg-1',
    oldData: false,
    ...change,
  };
}

const running: WorkView = {
  id: '1',
  kind: 'restore',
  phase: 'x',
  owner: 'pg/0',
  params: {},
  deadline: 0,
  startedAt: 0,
  outcome: 'running',
  message: '',
};

describe('a clone', () => {
  test('may be while another member is a primary that serves the same database', () => {
    assert.equal(cloneObstacle(around()), undefined);
    assert.equal(cloneObstacle(around({ work: { ...running, outcome: 'done' } })), undefined);
  });

  const paused = known({ ...clusterOf([primary, broken]), paused: true });
  const job = {
    id: '1',
    kind: 'backup',
    state: 'running',
    startedAt: 0,
    endedAt: undefined,
  } as const;
  const rows: [string, Surroundings, RegExp][] = [
    ['a cluster that is not known', around({ cluster: unknown('no etcd') }), /not known: no etcd/],
    ['a lost partner of two', around({}, [broken]), /no member is primary/],
    ['a primary that does not answer', around({ database: unknown('refused') }), /does not answer/],
    [
      'a primary that starts',
      around({}, [{ ...primary, state: 'starting' }, broken]),
      /not answer/,
    ],
    ['the primary', around({ member: 'pg-0' }), /is the primary/],
    ['a unit that is no member', around({ member: 'pg-7' }), /no member/],
    ['maintenance', around({ cluster: paused }), /paused/],
    ['a restore', around({ work: running }), /restore is in progress/],
    ['a backup here', around({ jobs: [{ ...job, message: '', result: {} }] }), /backup is in/],
    ['data of before a restore', around({ oldData: true }), /before a restore/],
    ['a clone', around({}, [primary, { ...broken, state: 'creating replica' }]), /being cloned/],
    ['a newer timeline', around({}, [primary, { ...broken, timeline: 4 }]), /4 is newer .* 3/],
    [
      'another database',
      around({ cluster: known({ ...clusterOf([primary, broken]), initialized: '8' }) }),
      /another database/,
    ],
  ];
  for (const [name, given, reason] of rows) {
    test(`is kept back by ${name}`, () => assert.match(cloneObstacle(given) ?? '', reason));
  }
});

describe('what is done about it', () => {
  const { course: hopeless, at: start } = courseOf([down, 2 * IDLE_MS]);

  test('three attempts with growing pauses, then none any more', () => {
    let record: CloneRecord = NO_CLONES;
    const minutes: number[] = [];
    let at = start;
    for (; at < start + 24 * 60 * MINUTE; at += MINUTE) {
      const { move } = decideClone(hopeless, record, undefined, at);
      if (move === 'quarantine') break;
      if (move !== 'clone') continue;
      minutes.push((at - start) / MINUTE);
      record = withAttempt(record, at);
    }
    assert.deepEqual(minutes, [0, 5, 35]);
    const given = decideClone(hopeless, record, undefined, at);
    assert.ok(given.move === 'quarantine');
    assert.match(given.reason, /does not run/);
    const held = { ...record, quarantined: given.reason };
    assert.equal(decideClone(hopeless, held, undefined, at + MINUTE).move, 'none');
    // What `release` writes.
    assert.equal(decideClone(hopeless, NO_CLONES, undefined, at + MINUTE).move, 'clone');
  });

  test('an obstacle is no attempt: it waits as long as it takes', () => {
    const tried = { attempts: [start - 1, start - 1, start - 1] };
    for (const record of [NO_CLONES, tried]) {
      const given = decideClone(hopeless, record, 'a restore is in progress', start);
      assert.ok(given.move === 'wait');
      assert.equal(given.for, 'a restore is in progress');
    }
  });

  test('a quarantined member that follows again is quarantined no more', () => {
    const record = { attempts: [0], quarantined: 'x' };
    const short = courseOf([following, 9 * MINUTE]);
    assert.equal(decideClone(short.course, record, undefined, short.at).move, 'none');
    const long = courseOf([following, 11 * MINUTE]);
    assert.equal(decideClone(long.course, record, undefined, long.at).move, 'lift');
  });

  const conditions = fc.constantFrom(
    ...[down, following, unclear, workedOn(1), workedOn(2), starved('A'), starved('B')],
  );
  const obstacles = fc.constantFrom(undefined, 'an obstacle');
  const days = fc.array(fc.tuple(conditions, fc.integer({ min: 1, max: 40 }), obstacles), {
    maxLength: 60,
  });

  test('in any course: never against an obstacle, while it follows, or too often in a day', () => {
    fc.assert(
      fc.property(days, (parts) => {
        let record: CloneRecord = NO_CLONES;
        let course: Course | undefined;
        const clones: number[] = [];
        let at = 0;
        for (const [condition, looks, obstacle] of parts) {
          for (let look = 0; look < looks; look++, at += 30_000) {
            course = courseAfter(course, condition, at);
            const given = decideClone(course, record, obstacle, at);
            if (given.move === 'quarantine') record = { ...record, quarantined: given.reason };
            if (given.move !== 'clone') continue;
            assert.equal(obstacle, undefined);
            assert.ok(['down', 'worked-on', 'starved'].includes(condition.is));
            assert.equal(record.quarantined, undefined);
            clones.push(at);
            record = withAttempt(record, at);
          }
        }
        const busiest = clones.map((from) =>
          clones.filter((t) => t >= from && t < from + 86_400_000),
        );
        for (const day of busiest) assert.ok(day.length <= ATTEMPTS);
      }),
    );
  });
});

test('the record is read as it was written; anything else is none', () => {
  const record = { attempts: [1, 2], quarantined: 'why' };
  assert.deepEqual(readCloneRecord(JSON.stringify(record)), record);
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const read = readCloneRecord(text);
      assert.ok(read === undefined || Array.isArray(read.attempts));
    }),
  );
});
