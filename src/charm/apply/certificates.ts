/** Steps on certificates of others: a key with its request, kept in the unit's own secret. */
import { createRequest } from '../../../lib/x509/request.ts';
import { type CertificateEndpoint, requestLabel } from '../model/certificates.ts';
import type { Families } from './tools.ts';

export const certificateSteps: Families<'request-certificate' | 'forget-request'> = {
  'request-certificate': {
    lane: ({ endpoint }) => lane(endpoint),
    priority: 20,
    async apply({ endpoint, commonName, names }, { hooks, context }) {
      const { key, csr } = await createRequest({ commonName, names });
      const content = {
        'private-key': key,
        csr,
        names: JSON.stringify(names),
        'asked-at': String(Date.now()),
      };
      const label = requestLabel(context.unitNumber, endpoint);
      const existing = await hooks.secretInfo({ label });
      if (existing === undefined) await hooks.secretAdd(content, { label, owner: 'unit' });
      else await hooks.secretSet(existing.id, content);
      return undefined;
    },
  },
  'forget-request': {
    lane: ({ endpoint }) => lane(endpoint),
    priority: 20,
    async apply({ endpoint }, { hooks, context }) {
      const existing = await hooks.secretInfo({
        label: requestLabel(context.unitNumber, endpoint),
      });
      if (existing !== undefined) await hooks.secretRemove(existing.id);
      return undefined;
    },
  },
};

function lane(endpoint: CertificateEndpoint): string {
  return `certificate ${endpoint}`;
}
