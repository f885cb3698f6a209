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
import { changedKeys } from '../../../lib/relations/databag.ts';
import {
  nameProblem,
  parseResponse,
  requestData,
} from '../../../lib/relations/postgresql-client.ts';
import type { Relation, Steps, World } from './world.ts';

type Decision = AnyDecision<Steps>;
const step = stepsOf<Steps>();

export function decide(world: World): Decision[] {
  const { databaseName } = world;
  if (databaseName === undefined) {
    return [blocked('no-database-name', 'please specify the option database-name')];
  }
  const problem = nameProblem(databaseName);
  if (problem !== undefined) return [blocked('option-invalid', `option database-name: ${problem}`)];
  const related = world.relations.filter((relation) => !relation.ending);
  if (related.length === 0) {
    return [blocked('not-related', 'please integrate with a database, for example postgresql')];
  }
  return related.flatMap((relation) => ask(relation, databaseName, world));
}

function ask(relation: Relation, database: string, world: World): Decision[] {
  const extraUserRoles = world.extraUserRoles;
  const wanted = { 'extra-user-roles': undefined, ...requestData({ database, extraUserRoles }) };
  const asked = relation.localApp['database'] !== undefined;
  const change = changedKeys(wanted, relation.localApp);
  const answered = parseResponse(relation.remoteApp, relation.user, relation.tls) !== undefined;
  const changed = Object.entries(OPTIONS).filter(([key]) => key in change);
  if (asked && answered && changed.length > 0) {
    const options = changed.map(([, option]) => option).join(', ');
    const how = 'remove the relation and integrate again, or set it back';
    return [blocked('request-made', `cannot change ${options} while related: ${how}`)];
  }
  const why = `${relation.app} has not been asked for this`;
  const args = { relationId: relation.id, data: change };
  return [
    ...(world.isLeader && Object.keys(change).length > 0
      ? [step('ask-for-database', args, why)]
      : []),
    ...(answered
      ? []
      : [waiting('no-credentials', `waiting for ${relation.app} to grant ${database}`)]),
  ];
}

/** Options by the keys of a request that they set. */
const OPTIONS = { database: 'database-name', 'extra-user-roles': 'extra-user-roles' };
