/**
 * What to ask of the database, and what to tell the operator until there is an answer. Pure. A
 * request once made is never changed: its provider would have to take something away for it.
 */
import {
  type Decision as AnyDecision,
  blocked,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
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
  const asked = relation.localApp['database'];
  const changed = [
    ...(asked !== undefined && asked !== database ? ['database-name'] : []),
    ...(asked !== undefined &&
    (relation.localApp['extra-user-roles'] ?? '') !== world.extraUserRoles
      ? ['extra-user-roles']
      : []),
  ];
  if (changed.length > 0) {
    const how = 'remove the relation and integrate again, or set it back';
    return [blocked('request-made', `cannot change ${changed.join(', ')} while related: ${how}`)];
  }
  const wanted = requestData({ database, extraUserRoles: world.extraUserRoles });
  const steps =
    world.isLeader && asked === undefined
      ? [
          step(
            'ask-for-database',
            { relationId: relation.id, data: wanted },
            `${relation.app} has not been asked for database ${database}`,
          ),
        ]
      : [];
  const answered = parseResponse(relation.remoteApp, relation.user, relation.tls) !== undefined;
  if (answered) return steps;
  return [...steps, waiting('no-credentials', `waiting for ${relation.app} to grant ${database}`)];
}
