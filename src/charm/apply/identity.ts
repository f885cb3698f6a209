/** Steps on what the application and the unit are: secrets, certificates, databags, ports. */

import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { createAuthority, crossSign, issueCertificate } from '../../../lib/x509/authority.ts';
import { IDENTITY } from '../model/etcd-facts.ts';
import { ROTATION_FIELDS, TRUST_FACT } from '../model/internal-ca.ts';
import { passwordField, SYSTEM_LOGINS } from '../model/system-users.ts';
import { agentClient } from '../workload/agent.ts';
import { givenPasswords } from './passwords.ts';
import type { Families, Tools } from './tools.ts';

/** Nobody renews these: they outlive the machines. */
export const INTERNAL_DAYS = 7300;
/** When the hook that asks for it has ended. */
const SOON_MS = 500;

type IdentitySteps =
  | 'create-app-secret'
  | 'rotate-internal-ca'
  | 'retire-internal-ca'
  | 'keep-identity'
  | 'issue-certificate'
  | 'peer-set'
  | 'relation-set'
  | 'open-ports';

export const identitySteps: Families<IdentitySteps> = {
  'create-app-secret': {
    lane: 'secret',
    priority: 15,
    async apply({ fields }, { hooks, context, random, world }) {
      const content: Record<string, string> = { ...world().appSecret?.content };
      const given = givenPasswords({ world });
      for (const field of fields) {
        const user = SYSTEM_LOGINS.find((each) => passwordField(each) === field);
        const password = (user && given[user]) ?? random.password();
        if (field.endsWith('-password')) content[field] = password;
      }
      if (fields.includes('internal-ca') || fields.includes('internal-ca-key')) {
        const authority = await createAuthority(`${context.app}-${context.model.uuid}`, {
          days: INTERNAL_DAYS,
          random,
        });
        content['internal-ca'] = authority.certificate;
        content['internal-ca-key'] = authority.key;
      }
      await store(hooks, content, { label: `database-peers.${context.app}.app` });
      return undefined;
    },
  },
  'keep-identity': {
    lane: 'secret',
    priority: 16,
    // Looked at again: another step of this round may have changed the rest of the secret.
    destructive: true,
    async apply({ identifier }, { hooks, context, world }) {
      const content = world().appSecret?.content;
      if (content === undefined || content[IDENTITY] !== undefined) return undefined;
      const label = `database-peers.${context.app}.app`;
      await store(hooks, { ...content, [IDENTITY]: identifier }, { label });
      return undefined;
    },
  },
  'rotate-internal-ca': { lane: 'secret', priority: 15, apply: rotateInternalCa },
  'retire-internal-ca': {
    lane: 'secret',
    priority: 15,
    async apply(_, { hooks, context, world }) {
      const { previous, cross } = ROTATION_FIELDS;
      const { [previous]: _previous, [cross]: _cross, ...kept } = world().appSecret?.content ?? {};
      await store(hooks, kept, { label: `database-peers.${context.app}.app` });
      return undefined;
    },
  },
  'issue-certificate': {
    lane: 'certificate',
    priority: 20,
    async apply({ addresses }, { hooks, context, random, world }) {
      const { 'internal-ca': certificate, 'internal-ca-key': key } =
        world().appSecret?.content ?? {};
      if (certificate === undefined || key === undefined) {
        throw noAuthority(context.unit);
      }
      const names = { member: world().unit.member, addresses };
      const issued = await issueCertificate({ certificate, key }, names, {
        days: INTERNAL_DAYS,
        random,
      });
      const content = { 'internal-cert': issued.certificate, 'internal-key': issued.key };
      const label = `database-peers.${context.app}.unit`;
      await store(hooks, content, { label, owner: 'unit' });
      return undefined;
    },
  },
  'peer-set': {
    lane: 'peers',
    priority: 25,
    async apply({ scope, data }, { hooks, world }) {
      const id = world().peers.relationId;
      if (id === undefined) return undefined;
      await hooks.relationSet('database-peers', id, data, scope === 'app' ? 'app' : undefined);
      return undefined;
    },
  },
  'relation-set': {
    lane: ({ relationId }) => `relation ${relationId}`,
    async apply({ endpoint, relationId, scope, data }, { hooks }) {
      await hooks.relationSet(endpoint, relationId, data, scope === 'app' ? 'app' : undefined);
      return undefined;
    },
  },
  'open-ports': {
    lane: 'ports',
    async apply({ ports }, { hooks }) {
      for (const port of ports) await hooks.openPort(port);
      return undefined;
    },
  },
};

async function rotateInternalCa(_: object, tools: Tools): Promise<undefined> {
  const { hooks, context, random, world } = tools;
  const { peers, appSecret, layout } = world();
  const content = appSecret?.content ?? {};
  const { 'internal-ca': certificate, 'internal-ca-key': key } = content;
  if (certificate === undefined || key === undefined) throw noAuthority(context.app);
  const validity = { days: INTERNAL_DAYS, random };
  const number = Number(content[ROTATION_FIELDS.number] ?? '1') + 1;
  // A certificate says by name who has signed it: no two CAs may have the same.
  const name = `${number} ${context.app}-${context.model.uuid}`;
  const newer = await createAuthority(name, validity);
  const changed = {
    ...content,
    'internal-ca': newer.certificate,
    'internal-ca-key': newer.key,
    [ROTATION_FIELDS.previous]: certificate,
    [ROTATION_FIELDS.cross]: await crossSign({ certificate, key }, newer.certificate, validity),
    [ROTATION_FIELDS.number]: String(number),
  };
  await store(hooks, changed, { label: `database-peers.${context.app}.app` });
  if (peers.relationId !== undefined) {
    // Nobody is told of a change of the secret: this wakes the others, and the agent this unit.
    const data = { [TRUST_FACT]: String(number) };
    await hooks.relationSet('database-peers', peers.relationId, data, 'app');
  }
  await agentClient(layout.agentSocket)
    .wakeAfter(SOON_MS)
    .catch(() => undefined);
  return undefined;
}

export function noAuthority(subject: string): OperatorError {
  return new OperatorError({
    code: 'no-authority',
    message: `cannot issue a certificate for ${subject}: there is no internal CA yet`,
  });
}

async function store(
  hooks: Hooks,
  content: Record<string, string>,
  options: { label: string; owner?: 'unit' },
): Promise<void> {
  const existing = await hooks.secretInfo({ label: options.label });
  if (existing === undefined) await hooks.secretAdd(content, options);
  else await hooks.secretSet(existing.id, content);
}
