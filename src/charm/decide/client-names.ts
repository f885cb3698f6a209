/**
 * Under which name a client gets its role when it has chosen one itself, what a prefix stands for,
 * and who vouches for a client's certificate: facts that the leader publishes for the units that
 * cannot read them from a relation.
 */
import { loginOf, secretGroup, secretLabel } from '../../../lib/relations/postgresql-client.ts';
import { nameProblem, shown, userProblem } from '../../../lib/relations/postgresql-client-names.ts';
import {
  CLIENT_FACTS,
  type Client,
  type ClientFact,
  clientFacts,
  clientsOf,
} from '../model/clients.ts';
import { probe, type Snapshot } from '../model/snapshot.ts';
import { type Decider, step } from '../model/steps.ts';
import type { DatabaseView } from '../model/world.ts';
import { permissionsFact } from './client-permissions.ts';

export const clientNames: Decider = (world) => {
  if (!world.unit.isLeader || world.unit.dying) return [];
  const facts = clientsOf(world).flatMap((client) => {
    const fact = factOf(client, world);
    return fact === undefined ? [] : [[client.mark, fact] as const];
  });
  const text = facts.length === 0 ? undefined : JSON.stringify(Object.fromEntries(facts));
  if (world.peers.app[CLIENT_FACTS] === text) return [];
  const data = { [CLIENT_FACTS]: text };
  return [step('peer-set', { scope: 'app', data }, 'every unit must let in who has chosen a name')];
};

function factOf(client: Client, world: Snapshot): ClientFact | undefined {
  const chosen = chosenName(client, world);
  const user = chosen !== undefined && 'user' in chosen ? { user: chosen.user } : {};
  const { resource } = client.request;
  const databases =
    'prefix' in resource ? { databases: meant(resource.prefix, client, world) } : {};
  const fact = {
    ...user,
    ...databases,
    ...certificateFact(client, world),
    ...permissionsFact(client, world),
  };
  return Object.keys(fact).length === 0 ? undefined : fact;
}

/** A certificate that cannot be used takes away nobody's access who had a good one before. */
function certificateFact({ request, mark }: Client, world: Snapshot): ClientFact {
  if (request.certificate === undefined) return {};
  const offered = world.offered?.[mark];
  const before = clientFacts(world)[mark]?.certificate;
  const certificate = offered !== undefined && 'trust' in offered ? offered.trust : before;
  return certificate === undefined ? {} : { certificate };
}

/** What the prefix was last known to mean holds while the primary is away. */
function meant(prefix: string, client: Client, world: Snapshot): string[] {
  const view = probe(world, 'database');
  if (view.known) return databasesWith(prefix, view.value);
  return clientFacts(world)[client.mark]?.databases ?? [];
}

/** Databases whose names begin with a prefix and may be a client's, ascending. */
export function databasesWith(prefix: string, { databases }: DatabaseView): string[] {
  return databases
    .filter((name) => name.startsWith(prefix) && nameProblem(name) === undefined)
    .toSorted();
}

/** @returns undefined when the client leaves the name to the charm */
export function chosenName(
  client: Client,
  world: Snapshot,
): { user: string } | { problem: string } | undefined {
  const { relation, request, mark } = client;
  const uri = request.entitySecret;
  if (uri === undefined) return undefined;
  // The client takes its secret away when it has the answer; then ours says the name.
  const label = secretLabel(relation.id, request.id, secretGroup(request));
  const issued = loginOf(world.relationSecrets[label]?.content);
  if (issued !== undefined) return { user: issued.username };
  const granted = world.grantedSecrets[uri];
  const fact = clientFacts(world)[mark]?.user;
  if (granted === undefined) {
    return fact === undefined
      ? { problem: 'has not granted the secret that requested-entity-secret names' }
      : { user: fact };
  }
  const user = granted['entity-name'] ?? '';
  const problem = userProblem(user) ?? takenBy(user, client, world);
  if (problem !== undefined) return { problem: `asks for user ${shown(user)}: ${problem}` };
  return { user };
}

function takenBy(user: string, { mark }: Client, world: Snapshot): string | undefined {
  const view = probe(world, 'database');
  const role = view.known ? view.value.roles.find(({ name }) => name === user) : undefined;
  if (role !== undefined && role.comment !== mark) return 'a user of this name exists';
  const other = Object.entries(clientFacts(world)).some(
    ([owner, fact]) => owner !== mark && fact.user === user,
  );
  return other ? 'another client has asked for it' : undefined;
}
