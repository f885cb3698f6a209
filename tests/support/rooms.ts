/**
 * What each room of the project may import, as data, with the reason for each row.
 *
 * The first row whose place matches a file decides. `lib/std` may be imported everywhere, and a
 * room may always import itself. Changing a row is a decision about the architecture.
 */
export interface Room {
  /** Path prefixes of the files that this row is about. */
  place: readonly string[];
  /** Prefixes of project paths, package names, or `node:*`. */
  may: readonly string[];
  /** Project paths of which only types may be imported. */
  typesOf?: readonly string[];
  /** Packages that only `await import()` may load. */
  lazily?: readonly string[];
  why: string;
}

/** Modules of Node that touch nothing outside the process. */
const pureNode = ['node:buffer', 'node:path', 'node:querystring', 'node:url', 'node:util'];

export const rooms: readonly Room[] = [
  {
    place: ['lib/std/'],
    may: ['node:*'],
    why: 'it is the ground that everything stands on, so it stands on nothing of ours',
  },
  {
    place: ['lib/contract/', 'lib/relations/'],
    may: ['zod', 'yaml', 'yauzl', 'lib/contract/', ...pureNode],
    why: 'formats are arithmetic on text: both ends of a wire must be able to share them',
  },
  {
    place: ['lib/hooks/'],
    may: ['lib/contract/', 'node:*'],
    why: 'the client of the contract must serve any charm under any controller',
  },
  {
    place: ['lib/machine/'],
    may: ['execa', 'node:*'],
    why: 'handling processes, packages and files needs to know nothing about charms',
  },
  {
    place: ['lib/x509/'],
    may: ['node:*'],
    lazily: ['node-forge'],
    why: 'issuing and judging certificates is the same for every charm, on whichever side',
  },
  {
    place: ['lib/charm/workload', 'lib/charm/own-authority.ts'],
    may: ['lib/charm/', 'lib/contract/', 'lib/hooks/', 'lib/machine/', 'lib/x509/', 'node:*'],
    why: 'how a service of the unit’s own machine runs and ends is the same for every charm',
  },
  {
    place: ['lib/charm/'],
    may: ['lib/contract/', 'lib/hooks/', 'zod', 'node:*'],
    why: 'the driver of a reconcile is the same for every charm',
  },
  {
    place: ['lib/testing/'],
    may: ['lib/', 'yaml', 'node:*'],
    why: 'a charm of any kind can be tested with it',
  },
  {
    place: ['src/charm/model/', 'src/charm/decide/', 'src/agent/decide/'],
    may: ['lib/relations/', 'lib/charm/decision.ts', 'lib/charm/action.ts', 'src/charm/model/'],
    typesOf: ['src/charm/decide/', 'src/agent/decide/', 'lib/contract/context.ts'],
    why: 'decisions are pure, so that every one can be tested as a table and printed as a plan',
  },
  {
    place: ['src/charm/actions/'],
    may: ['src/charm/model/', 'lib/relations/', 'lib/charm/', 'zod', ...pureNode],
    why: 'an action plans steps as a decider does; carrying them out is for apply/',
  },
  {
    place: ['src/charm/observe/'],
    may: [
      'src/charm/model/',
      'lib/charm/',
      'lib/hooks/',
      'lib/contract/',
      'lib/relations/',
      'lib/machine/',
      'lib/x509/',
      'src/charm/workload/',
      'node:*',
    ],
    why: 'observing reads the world; what to think of it is for decide/',
  },
  {
    place: ['src/charm/apply/confirm.ts'],
    may: ['src/charm/', 'lib/', 'node:*'],
    why: 'a destructive step is decided again just before it is carried out',
  },
  {
    place: ['src/charm/apply/'],
    may: [
      'src/charm/model/',
      'lib/charm/',
      'lib/hooks/',
      'lib/contract/',
      'lib/relations/',
      'lib/machine/',
      'lib/x509/',
      'src/charm/workload/',
      'node:*',
    ],
    why: 'applying carries out what was decided and decides nothing itself',
  },
  {
    place: ['src/charm/workload/'],
    may: ['lib/machine/', 'lib/relations/', 'src/charm/model/', 'execa', 'yaml', 'zod', 'node:*'],
    // The unit's name is in it, and every adapter's log line wants that.
    typesOf: ['lib/contract/context.ts'],
    lazily: ['pg', 'ldapjs', '@aws-sdk/client-s3', 'prom-client'],
    why: 'one file per program or library, so that each can be replaced; libraries load on use',
  },
  {
    place: ['src/charm/'],
    may: ['src/charm/', 'lib/', 'zod', 'yaml', 'node:*'],
    why: 'the entry wires the rooms together and nothing else does',
  },
  {
    place: ['src/agent/'],
    may: [
      'lib/machine/',
      'lib/relations/',
      'src/charm/model/',
      'src/charm/workload/',
      'zod',
      'node:*',
    ],
    lazily: ['prom-client', 'pg', '@aws-sdk/client-s3', 'ldapjs', 'yaml'],
    why: 'the agent outlives hooks and controllers, so it speaks to neither',
  },
  {
    place: ['src/controller/'],
    may: ['lib/contract/', 'execa', 'zod', 'yaml', 'yauzl', 'node:*'],
    why: 'the controller drives any charm, so it knows none and shares only the contract',
  },
  {
    place: ['src/cli/'],
    may: ['lib/contract/', 'yaml', 'node:*'],
    typesOf: ['src/controller/api.ts', 'src/controller/api/', 'src/chaos/'],
    lazily: ['src/chaos/campaign.ts', 'src/chaos/faults.ts', 'src/chaos/report.ts'],
    why: 'the command line knows the controller by its API alone, and Juju’s flags by the contract',
  },
  {
    place: ['src/chaos/'],
    may: ['lib/machine/', 'node:*'],
    lazily: ['pg'],
    why: 'faults strike from outside: they know of charm and controller what an operator can see',
  },
  {
    place: ['charms/'],
    may: ['lib/', 'zod', 'yaml', 'execa', '@20minutes/s3rver', 'node:*'],
    lazily: ['pg', 'prom-client', '@aws-sdk/client-s3', 'ldapjs'],
    why: 'companion charms show that the library serves charms other than ours',
  },
];

/** The row for a file; tests, bench and scripts have none and may import anything. */
export function roomOf(path: string): Room | undefined {
  return rooms.find((room) => room.place.some((prefix) => path.startsWith(prefix)));
}
