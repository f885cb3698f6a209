/** Steps on what the application and the unit are: secrets, certificates, databags, ports. */

import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { createAuthority, issueCertificate } from '../../../lib/x509/authority.ts';
import { passwordField, SYSTEM_LOGINS } from '../model/system-users.ts';
import { givenPasswords } from './passwords.ts';
import type { Families } from './tools.ts';

/** Nobody renews these: they outlive the machines. */
const INTERNAL_DAYS = 7300;

type IdentitySteps =
  | 'create-app-secret'
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
  'issue-certificate': {
    lane: 'certificate',
    priority: 20,
    async apply({ addresses }, { hooks, context, random, world }) {
      const { 'internal-ca': certificate, 'internal-ca-key': key } =
        world().appSecret?.content ?? {};
      if (certificate === undefined || key === undefined) {
        throw new OperatorError({
          code: 'no-authority',
          message: `cannot issue a certificate for ${context.unit}: there is no internal CA yet`,
        });
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

async function store(
  hooks: Hooks,
  content: Record<string, string>,
  options: { label: string; owner?: 'unit' },
): Promise<void> {
  const existing = await hooks.secretInfo({ label: options.label });
  if (existing === undefined) await hooks.secretAdd(content, options);
  else await hooks.secretSet(existing.id, content);
}
