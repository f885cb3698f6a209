/** The step that answers requests of witnesses: no key of theirs is ever seen here. */
import { AUTHORITY_FIELD, certificateField } from '../../../lib/relations/postgresql-watcher.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { signRequest } from '../../../lib/x509/authority.ts';
import { chainFrom } from '../model/internal-ca.ts';
import { namesField, WITNESS_ENDPOINT } from '../model/witness.ts';
import { INTERNAL_DAYS, noAuthority } from './identity.ts';
import type { Families } from './tools.ts';

export const witnessSteps: Families<'certify-witnesses'> = {
  'certify-witnesses': {
    lane: ({ relationId }) => `relation ${relationId}`,
    priority: 20,
    async apply({ relationId, label, authority, requests }, { hooks, random, world }) {
      const { appSecret, relationSecrets } = world();
      const { 'internal-ca': certificate, 'internal-ca-key': key } = appSecret?.content ?? {};
      if (certificate === undefined || key === undefined) throw noAuthority('a witness');
      const held = relationSecrets[label];
      const isSame = held?.content[AUTHORITY_FIELD] === authority;
      const content: Record<string, string> = { [AUTHORITY_FIELD]: authority };
      for (const { csr, names } of requests) {
        const digest = digestOf(csr);
        const [answer, said] = [certificateField(digest), namesField(digest)];
        const kept = held?.content[said] === names.join(' ') ? held.content[answer] : undefined;
        const validity = { days: INTERNAL_DAYS, random };
        const fresh = () => signRequest({ certificate, key }, csr, validity, names);
        content[answer] = (isSame && kept) || chainFrom(appSecret, await fresh()).trim();
        content[said] = names.join(' ');
      }
      const id = held?.id ?? (await hooks.secretAdd(content, { label }));
      if (held !== undefined) await hooks.secretSet(id, content);
      await hooks.secretGrant(id, { endpoint: WITNESS_ENDPOINT, id: relationId });
      return undefined;
    },
  },
};
