/**
 * Carries out the steps of decide/clients.ts: databases, login roles and the secrets about them.
 *
 * Every step may be repeated at any point of itself. SQL takes effect at once, the writes of hook
 * tools only when the hook succeeds: a role is therefore made before its secret, and a secret that
 * was never kept leaves a role that the next event gives a new password.
 */
import {
  type Login,
  secretUri,
  tlsSecret,
  tlsSecretLabel,
  userSecret,
  userSecretLabel,
} from '../../../lib/relations/postgresql-client.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { systemRandom } from '../../../lib/std/random.ts';
import { clientAuthorities } from '../model/certificates.ts';
import type { OwnedSecret } from '../model/snapshot.ts';
import type { ClientLogin } from '../model/steps.ts';
import { scramVerifier } from '../workload/scram.ts';
import { dropClientRole, ensureClientDatabase, ensureClientRole } from './client-roles.ts';
import { toPrimary } from './primary.ts';
import type { Families, Tools } from './tools.ts';

const ENDPOINT = 'database';

type ClientSteps =
  | 'ensure-database'
  | 'issue-credentials'
  | 'update-credentials'
  | 'issue-tls-secret'
  | 'publish-secret'
  | 'drop-client'
  | 'remove-secret'
  | 'remove-secret-revision';

export const clientSteps: Families<ClientSteps> = {
  'ensure-database': {
    lane: ({ database }) => `database ${database}`,
    async apply({ database }, tools) {
      await ensureClientDatabase(toPrimary(tools), database);
      return undefined;
    },
  },
  'issue-credentials': {
    lane: ({ facts }) => `database ${facts.database}`,
    apply: issueCredentials,
  },
  'update-credentials': {
    lane: ({ facts }) => `database ${facts.database}`,
    async apply(wish, { hooks, world }) {
      const secret = owned(world().relationSecrets, userSecretLabel(wish.relationId));
      const login = { username: wish.role, password: secret.content['password'] ?? '' };
      await hooks.secretSet(secret.id, userSecret(login, wish.facts, wish.wants));
      return undefined;
    },
  },
  'issue-tls-secret': {
    lane: ({ relationId }) => `relation ${relationId}`,
    async apply({ relationId }, { hooks, world }) {
      const label = tlsSecretLabel(relationId);
      const existing = world().relationSecrets[label]?.id;
      if (existing === undefined)
        await hooks.secretAdd(tlsSecret(clientAuthorities(world())?.join('\n')), { label });
      else await hooks.secretSet(existing, tlsSecret(clientAuthorities(world())?.join('\n')));
      return undefined;
    },
  },
  'publish-secret': {
    lane: ({ relationId }) => `relation ${relationId}`,
    async apply({ relationId, key, label }, { hooks, world }) {
      const { id } = owned(world().relationSecrets, label);
      await hooks.secretGrant(id, { endpoint: ENDPOINT, id: relationId });
      await hooks.relationSet(ENDPOINT, relationId, { [key]: secretUri(id) }, 'app');
      return undefined;
    },
  },
  'drop-client': {
    lane: ({ role }) => `client ${role}`,
    destructive: true,
    async apply({ role }, tools) {
      await dropClientRole(toPrimary(tools), role);
      return undefined;
    },
  },
  'remove-secret': {
    lane: ({ label }) => `secret ${label}`,
    async apply({ label }, { hooks, world }) {
      await hooks.secretRemove(owned(world().relationSecrets, label).id);
      return undefined;
    },
  },
  'remove-secret-revision': {
    lane: ({ id }) => `secret ${id}`,
    async apply({ id, revision }, { hooks }) {
      await hooks.secretRemove(id, revision);
      return undefined;
    },
  },
};

async function issueCredentials(wish: ClientLogin, tools: Tools): Promise<undefined> {
  const label = userSecretLabel(wish.relationId);
  const kept = tools.world().relationSecrets[label];
  const login: Login = {
    username: wish.role,
    password: kept?.content['password'] ?? systemRandom.password(),
  };
  // Leadership is good for 30 s after this answer: no other leader changes the password meanwhile.
  if (!(await tools.hooks.isLeader())) {
    throw new OperatorError({
      code: 'not-leader',
      message: `cannot issue credentials to ${wish.role}: another unit leads now`,
    });
  }
  await ensureClientRole(toPrimary(tools), {
    role: wish.role,
    database: wish.facts.database,
    verifier: await scramVerifier(login.password),
  });
  const content = userSecret(login, wish.facts, wish.wants);
  if (kept?.id === undefined) await tools.hooks.secretAdd(content, { label });
  else await tools.hooks.secretSet(kept.id, content);
  return undefined;
}

function owned(
  secrets: Readonly<Record<string, OwnedSecret>>,
  label: string,
): { id: string; content: Readonly<Record<string, string>> } {
  const secret = secrets[label];
  if (secret?.id !== undefined) return { id: secret.id, content: secret.content };
  throw new OperatorError({ code: 'secret-missing', message: `cannot find secret ${label}` });
}
