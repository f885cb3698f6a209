/**
 * What to ask of the database, and what to tell the operator until there is an answer. Pure. A
 * request that was granted is never changed: its provider would have to take something away.
 */
import {
  type Decision as AnyDecision,
  blocked,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
import { changedKeys, type DatabagChange } from '../../../lib/relations/databag.ts';
import {
  nameProblem,
  prefixProblem,
  userProblem,
} from '../../../lib/relations/postgresql-client-names.ts';
import { answerTo, askedFor, REQUEST_KEYS, wantedData } from './request.ts';
import type { Options, Relation, Steps, World } from './world.ts';

type Decision = AnyDecision<Steps>;
const step = stepsOf<Steps>();

export function decide(world: World): Decision[] {
  const why = 'nobody reads it any more';
  const forgotten = world.relations.flatMap(({ ending, named, offered }) => [
    ...(ending && named !== undefined ? [step('forget-name', { uri: named.uri }, why)] : []),
    ...(ending && offered !== undefined
      ? [step('withdraw-certificate', { uri: offered.uri }, why)]
      : []),
  ]);
  return [...forgotten, ...askAll(world)];
}

/** Unlike a name it is no part of what was granted: it may come, change and go at any time. */
function certificate({ id, app, offered }: Relation, { certificate: pem }: Options): Decision[] {
  if (pem === '' && offered !== undefined) {
    const why = 'no certificate is to be shown any more';
    return [step('withdraw-certificate', { uri: offered.uri }, why)];
  }
  if (pem === '' || pem === offered?.pem) return [];
  const args = { relationId: id, uri: offered?.uri, pem };
  return [step('offer-certificate', args, `${app} is to ask for this certificate`)];
}

function askAll({ options, relations, ...world }: World): Decision[] {
  if (options.databaseName === '') {
    return [blocked('no-database-name', 'please specify the option database-name')];
  }
  const problem = optionProblem(options);
  if (problem !== undefined) return [blocked('option-invalid', problem)];
  const related = relations.filter((relation) => !relation.ending);
  if (related.length === 0) {
    return [blocked('not-related', 'please integrate with a database, for example postgresql')];
  }
  return related.flatMap((relation) => ask(relation, { options, relations, ...world }));
}

/** What can be known to be wrong before a database has to say so. */
function optionProblem(options: Options): string | undefined {
  const { databaseName: name, entityName, entityType, protocol } = options;
  const problem = name.endsWith('*') ? prefixProblem(name.slice(0, -1)) : nameProblem(name);
  if (problem !== undefined) return `option database-name: ${problem}`;
  if (protocol === undefined) return 'option protocol: allowed are v0 and v1';
  if (!['', 'USER', 'GROUP'].includes(entityType)) {
    return 'option entity-type: allowed are USER and GROUP, or nothing';
  }
  if (entityName === '') return undefined;
  if (protocol === 'v1') return 'option requested-entity-name: only protocol v0 has such requests';
  const user = userProblem(entityName);
  return user === undefined ? undefined : `option requested-entity-name: ${user}`;
}

function ask(relation: Relation, world: World): Decision[] {
  const { options, isLeader } = world;
  const answered = answerTo(relation, options) !== undefined || granted(relation);
  if (answered && isLeader) {
    const changed = changedOptions(relation, options);
    if (changed.length > 0) {
      const how = 'remove the relation and integrate again, or set it back';
      const message = `cannot change ${changed.join(', ')} while related: ${how}`;
      return [blocked('request-made', message)];
    }
  }
  return [
    ...(isLeader
      ? [
          ...nameUser(relation, options, answered),
          ...certificate(relation, options),
          ...request(relation, options),
        ]
      : []),
    ...(answered
      ? []
      : [
          waiting('no-credentials', `waiting for ${relation.app} to grant ${options.databaseName}`),
        ]),
  ];
}

/** Something has been granted, if not to the request that the options now make. */
function granted({ user, entity }: Relation): boolean {
  return user !== undefined || entity !== undefined;
}

function request(relation: Relation, options: Options): Decision[] {
  const named = relation.named !== undefined || 'requested-entity-secret' in relation.localApp;
  if (options.entityName !== '' && !named) return []; // The secret comes first.
  if (options.certificate !== '' && relation.offered === undefined) return []; // This one, too.
  const change = changedKeys(changeable(relation, options), relation.localApp);
  if (Object.keys(change).length === 0) return [];
  const args = { relationId: relation.id, data: change };
  return [step('ask-for-database', args, `${relation.app} has not been asked for this`)];
}

/** Every key that a request may have, so that what is not wanted any more goes. */
function changeable(relation: Relation, options: Options): DatabagChange {
  const absent = REQUEST_KEYS.map((key) => [key, undefined] as const);
  return { ...Object.fromEntries(absent), ...wantedData(relation, options) };
}

/** The secret with the name lives from before the request until the answer is there. */
function nameUser({ id, named, app }: Relation, options: Options, answered: boolean): Decision[] {
  const { entityName: name } = options;
  if (named !== undefined && (answered || named.name !== name)) {
    return [step('forget-name', { uri: named.uri }, 'it has done its work')];
  }
  if (name === '' || answered || named !== undefined) return [];
  return [step('name-user', { relationId: id, name }, `${app} is to make a user of this name`)];
}

/** Options that ask for something else than what was asked for, and may not any more. */
function changedOptions(relation: Relation, options: Options): string[] {
  const before = askedFor(relation.localApp);
  const now = askedFor(wantedData(relation, options));
  return Object.keys(now).filter((option) => before[option] !== now[option]);
}
