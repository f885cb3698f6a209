/**
 * What clients leave behind: roles and secrets go with the relation or the request that they were
 * made for; databases stay.
 */
import { CLIENT_ENDPOINT, clientMark, relationOfMark, requestsOf } from '../model/clients.ts';
import { probe, type Relation, type Snapshot } from '../model/snapshot.ts';
import { type Decision, step } from '../model/steps.ts';
import type { DatabaseRole } from '../model/world.ts';
import { chosenName } from './client-names.ts';

/** A client that goes takes its roles and its secrets along. */
export function withdraw(relation: Relation, world: Snapshot): Decision[] {
  const why = `${relation.app === '' ? clientMark(relation.id, undefined) : relation.app} is gone`;
  const roles = clientRoles(world).filter(({ owner }) => owner === relation.id);
  return [
    ...roles.map(({ name }) => step('drop-client', { role: name }, why)),
    ...labelsOf(relation.id, world).map((label) => step('remove-secret', { label }, why)),
  ];
}

/** Of relations that ended while no leader could reach the primary, and of requests withdrawn. */
export function leftovers(world: Snapshot): Decision[] {
  const related = world.relations.filter(({ endpoint }) => endpoint === CLIENT_ENDPOINT);
  const living = new Map(related.map((relation) => [relation.id, wantedNames(relation, world)]));
  const ended = clientRoles(world).filter(({ owner, mark, name }) => {
    if (!living.has(owner)) return true;
    const names = living.get(owner);
    // A name that is not known yet takes nothing away.
    return names !== undefined && !(names.has(mark) && (names.get(mark) ?? name) === name);
  });
  return [
    ...ended.map(({ name, mark }) => {
      return step('drop-client', { role: name }, `nobody asks for ${mark} any more`);
    }),
    ...related.flatMap((relation) => withdrawnSecrets(relation, world)),
  ];
}

/** Roles of clients, with the relation that they belong to. */
function clientRoles(world: Snapshot): { name: string; mark: string; owner: number }[] {
  const database = probe(world, 'database');
  if (!database.known) return [];
  return database.value.roles.flatMap((role) => {
    const mark = markOf(role);
    const owner = mark === undefined ? undefined : relationOfMark(mark);
    return mark === undefined || owner === undefined ? [] : [{ name: role.name, mark, owner }];
  });
}

/** A role from before there were marks is known by its name. */
function markOf({ name, comment }: DatabaseRole): string | undefined {
  if (comment !== undefined && relationOfMark(comment) !== undefined) return comment;
  return relationOfMark(name) === undefined ? undefined : name;
}

/** Names by mark that a relation's requests are to have; undefined: it says nothing for now. */
function wantedNames(
  relation: Relation,
  world: Snapshot,
): Map<string, string | undefined> | undefined {
  const { granted, refused, silent } = requestsOf(relation);
  if (silent || relation.ending) return undefined;
  return new Map([
    ...refused.map(({ id }) => [clientMark(relation.id, id), undefined] as const),
    ...granted.map((client) => {
      const chosen = chosenName(client, world) ?? { user: client.mark };
      return [client.mark, 'user' in chosen ? chosen.user : undefined] as const;
    }),
  ]);
}

/** Secrets of requests that are not in the list any more. */
function withdrawnSecrets(relation: Relation, world: Snapshot): Decision[] {
  const { granted, refused, silent, protocol } = requestsOf(relation);
  if (silent || relation.ending) return [];
  const ids = [...refused.map(({ id }) => id), ...granted.map(({ request }) => request.id)];
  const asked = ids.filter((id) => id !== undefined).map((id) => `database.${relation.id}.${id}.`);
  const plain = /^database\.\d+\.(user|tls|entity)\.secret$/;
  return labelsOf(relation.id, world)
    .filter((label) => !asked.some((start) => label.startsWith(start)))
    .filter((label) => protocol === 'v1' || !plain.test(label))
    .map((label) => step('remove-secret', { label }, 'nobody asks for it any more'));
}

function labelsOf(relationId: number, world: Snapshot): string[] {
  const start = `database.${relationId}.`;
  return Object.keys(world.relationSecrets).filter((label) => label.startsWith(start));
}
