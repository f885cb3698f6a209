/** Carries out the steps of this charm. Each is safe to repeat; none decides anything. */
import type { StepTable } from '../../../lib/charm/reconcile.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import { transferData } from '../../../lib/relations/certificate-transfer.ts';
import { onePem } from '../../../lib/relations/pem.ts';
import {
  certificatesData,
  type IssuedCertificate,
  refusalsData,
} from '../../../lib/relations/tls-certificates.ts';
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { systemRandom } from '../../../lib/std/random.ts';
import type { Issued } from '../../../lib/x509/authority.ts';
import { answersTo, chainOf, trusted } from './answers.ts';
import { authorityOf, requirer, secretLabel, type Tools } from './observe.ts';
import { type Authority, ENDPOINT, FIELDS, type Steps, TRANSFER_ENDPOINT } from './world.ts';

type Content = Record<string, string>;

export const steps: StepTable<Steps, Tools> = {
  'create-authority': {
    lane: 'authority',
    priority: 10,
    async apply({ days }, tools) {
      const root = await makeRoot(tools, 1, days);
      const content = { [FIELDS.certificate]: root.certificate, [FIELDS.key]: root.key };
      await tools.hooks.secretAdd(
        { ...content, [FIELDS.number]: '1' },
        { label: secretLabel(tools.context.app), description: 'the root and its key' },
      );
      return undefined;
    },
  },
  'rotate-authority': {
    lane: 'authority',
    priority: 10,
    async apply({ days }, tools) {
      const { crossSign } = await import('../../../lib/x509/authority.ts');
      const { id, content } = await secretOf(tools);
      const older = rootOf(content);
      const number = Number(content[FIELDS.number] ?? '1') + 1;
      const newer = await makeRoot(tools, number, days);
      const cross = await crossSign(older, newer.certificate, { days, random: systemRandom });
      await tools.hooks.secretSet(id, {
        [FIELDS.certificate]: newer.certificate,
        [FIELDS.key]: newer.key,
        [FIELDS.previous]: older.certificate,
        [FIELDS.cross]: canonical(cross),
        [FIELDS.number]: String(number),
      });
      return undefined;
    },
  },
  'retire-previous': {
    lane: 'authority',
    priority: 10,
    async apply(_, tools) {
      const { id, content } = await secretOf(tools);
      const { [FIELDS.previous]: _previous, [FIELDS.cross]: _cross, ...rest } = content;
      await tools.hooks.secretSet(id, rest);
      return undefined;
    },
  },
  answer: {
    lane: ({ relationId }) => `relation ${relationId}`,
    apply: answer,
  },
  'tell-authorities': {
    lane: ({ relationId }) => `transfer ${relationId}`,
    async apply({ relationId }, tools) {
      const { content } = await secretOf(tools);
      const { unit, app } = transferData(trusted(present(content)));
      await tools.hooks.relationSet(TRANSFER_ENDPOINT, relationId, unit);
      if (await tools.hooks.isLeader()) {
        await tools.hooks.relationSet(TRANSFER_ENDPOINT, relationId, app, 'app');
      }
      return undefined;
    },
  },
};

async function answer(
  { relationId, days, revoke }: Steps['answer'],
  tools: Tools,
): Promise<undefined> {
  const { content } = await secretOf(tools);
  const authority = present(content);
  const asking = await requirer(relationId, tools, true);
  const { keep, sign, refused } = answersTo(asking, authority, revoke);
  const signed: IssuedCertificate[] = [];
  const refusals = [...refused];
  for (const csr of sign) {
    try {
      signed.push(await issue(csr, content, days));
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      refusals.push({ csr, message: messageOf(error) });
      await tools.hooks.log('WARNING', `${asking.app}: ${error.message}`);
    }
  }
  const data = { ...certificatesData([...keep, ...signed]), ...refusalsData(refusals) };
  await tools.hooks.relationSet(ENDPOINT, relationId, data, 'app');
  return undefined;
}

async function issue(csr: string, content: Content, days: number): Promise<IssuedCertificate> {
  const { signRequest } = await import('../../../lib/x509/authority.ts');
  const authority = present(content);
  const root = rootOf(content);
  const certificate = canonical(await signRequest(root, csr, { days, random: systemRandom }));
  const chain = chainOf(certificate, authority);
  return { csr, certificate, ca: authority.certificate, chain, revoked: false };
}

async function makeRoot({ context }: Tools, number: number, days: number): Promise<Issued> {
  const { createAuthority } = await import('../../../lib/x509/authority.ts');
  // Each root has a name of its own: a certificate says by name who has signed it.
  const name = `${context.app} ${number} ${context.model.uuid}`;
  const root = await createAuthority(name, { days, random: systemRandom });
  return { certificate: canonical(root.certificate), key: root.key.trim() };
}

async function secretOf({ hooks, context }: Tools): Promise<{ id: string; content: Content }> {
  const label = secretLabel(context.app);
  const [content, id] = await Promise.all([
    hooks.secretGet({ label }, 'peek'),
    ownId(hooks, label),
  ]);
  if (content?.[FIELDS.certificate] !== undefined) return { id, content };
  throw new OperatorError({
    code: 'no-root',
    message: 'cannot sign anything: the root has not been made yet',
  });
}

async function ownId(hooks: Hooks, label: string): Promise<string> {
  return (await hooks.secretInfo({ label }))?.id ?? '';
}

function present(content: Content): Authority {
  const authority = authorityOf(content);
  if (authority === undefined) throw new Error('the secret holds no root');
  return authority;
}

function rootOf(content: Content): Issued {
  return { certificate: content[FIELDS.certificate] ?? '', key: content[FIELDS.key] ?? '' };
}

/** As it comes back from a databag: equal certificates are equal texts. */
function canonical(pem: string): string {
  return onePem(pem, 'CERTIFICATE') ?? pem;
}
