/**
 * Carries out the steps of decide/clients.ts: databases, login roles and the secrets about them.
 *
 * Every step may be repeated at any point of itself. SQL takes effect at once, the writes of hook
 * tools only when the hook succeeds: a role is therefore made before its secret, and a secret that
 * was never kept leaves a role that the next event gives a new password.
 */
import { type Login, loginOf, loginSecret } from '../../../lib/relations/postgresql-client.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { CLIENT_ENDPOINT } from '../model/clients.ts';
import type { OwnedSecret } from '../model/snapshot.ts';
import type { ClientLogin } from '../model/steps.ts';
import { setPermissions } from '../workload/permissions.ts';
import {
  dropClientRole,
  ensureClientDatabase,
  ensureClientRole,
  setAssumedRoles,
} from './client-roles.ts';
import { ensureInstanceRoles } from './instance-roles.ts';
import { toPrimary } from './primary.ts';
import { using } from './sql-steps.ts';
import type { Families, Tools } from './tools.ts';

type ClientSteps =
  | 'ensure-instance-roles'
  | 'ensure-database'
  | 'issue-credentials'
  | 'update-credentials'
  | 'adjust-role'
  | 'set-permissions'
  | 'assume-roles'
  | 'issue-tls-secret'
  | 'grant-secret'
  | 'drop-client'
  | 'remove-secret'
  | 'remove-secret-revision';

export const clientSteps: Families<ClientSteps> = {
  'ensure-instance-roles': {
    lane: 'instance roles',
    async apply(_, tools) {
      await ensureInstanceRoles(toPrimary(tools));
      return undefined;
    },
  },
  'ensure-database': {
    lane: ({ database }) => `database ${database}`,
    async apply({ database }, tools) {
      await ensureClientDatabase(toPrimary(tools), database);
      return undefined;
    },
  },
  'issue-credentials': {
    lane: ({ relationId }) => `relation ${relationId}`,
    apply: issueCredentials,
  },
  'update-credentials': {
    lane: ({ relationId }) => `relation ${relationId}`,
    async apply({ label, facts, request }, { hooks, world }) {
      const secret = owned(world().relationSecrets, label);
      const login = loginOf(secret.content) ?? { username: '', password: '' };
      await hooks.secretSet(secret.id, loginSecret(login, facts, request));
      return undefined;
    },
  },
  'adjust-role': {
    lane: ({ role }) => `client ${role.name}`,
    async apply({ role }, tools) {
      await ensureClientRole(toPrimary(tools), role, undefined);
      return undefined;
    },
  },
  'set-permissions': {
    lane: ({ role }) => `client ${role}`,
    async apply(change, tools) {
      const sql = await toPrimary(tools)(change.database);
      await using(sql, () => setPermissions(sql, change));
      return undefined;
    },
  },
  'assume-roles': {
    lane: ({ role }) => `login ${role}`,
    async apply({ role, assumes }, tools) {
      await using(await toPrimary(tools)('postgres'), (sql) => setAssumedRoles(sql, role, assumes));
      return undefined;
    },
  },
  'issue-tls-secret': {
    lane: ({ relationId }) => `relation ${relationId}`,
    async apply({ label, content }, { hooks, world }) {
      const existing = world().relationSecrets[label]?.id;
      if (existing === undefined) await hooks.secretAdd(content, { label });
      else await hooks.secretSet(existing, content);
      return undefined;
    },
  },
  'grant-secret': {
    lane: ({ relationId }) => `relation ${relationId}`,
    async apply({ relationId, label }, { hooks, world }) {
      const { id } = owned(world().relationSecrets, label);
      await hooks.secretGrant(id, { endpoint: CLIENT_ENDPOINT, id: relationId });
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
  const { hooks, random, world } = tools;
  const { label, role, facts, request } = wish;
  const kept = world().relationSecrets[label];
  const given = world().grantedSecrets[wish.given ?? '']?.['password'];
  const login: Login = {
    username: role.name,
    password: loginOf(kept?.content)?.password || given || random.password(),
  };
  // Leadership is good for 30 s after this answer: no other leader changes the password meanwhile.
  if (!(await hooks.isLeader())) {
    throw new OperatorError({
      code: 'not-leader',
      message: `cannot issue credentials to ${role.name}: another unit leads now`,
    });
  }
  await ensureClientRole(toPrimary(tools), role, login.password);
  const content = loginSecret(login, facts, request);
  if (kept?.id === undefined) await hooks.secretAdd(content, { label });
  else await hooks.secretSet(kept.id, content);
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
