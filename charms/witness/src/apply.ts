/** Carries out the steps of this charm. Each is safe to repeat; none decides anything. */
import { chmod, chown, mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { StepTable } from '../../../lib/charm/reconcile.ts';
import { workloadSteps } from '../../../lib/charm/workload-steps.ts';
import { run } from '../../../lib/machine/run.ts';
import { poll } from '../../../lib/std/clock.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { readIfExists, writeAtomic } from '../../../lib/std/files.ts';
import { createRequest } from '../../../lib/x509/request.ts';
import { counts, observe, placesOf, readByEtcd, type Tools } from './observe.ts';
import { SERVICE, type Steps } from './world.ts';

const STOP_MS = 20_000;
/** The leader of the cluster hears of the departure, and changes one voter at a time. */
const REMOVAL_MS = 60_000;
const ID_MS = 10_000;

export const steps: StepTable<Steps, Tools> = {
  ...workloadSteps('etcd', STOP_MS),
  'make-request': {
    lane: 'certificate',
    priority: 20,
    async apply({ names }, { context, root }) {
      const places = placesOf(root);
      const commonName = context.unit.replace('/', '-');
      const { key, csr } = await createRequest({ commonName, names });
      // The request last: it says that there is a key.
      await writeAtomic(places.requestKey, key);
      await writeAtomic(places.request, JSON.stringify({ csr, names }));
      return undefined;
    },
  },
  'write-certificate': {
    lane: 'certificate',
    priority: 20,
    async apply({ answer }, tools) {
      const { requestKey, tls } = placesOf(tools.root);
      const key = await readIfExists(requestKey);
      if (key === undefined) {
        throw new OperatorError({
          code: 'no-request',
          message: `cannot use the certificate of ${tools.context.unit}: its key is gone`,
        });
      }
      const owner = await ownerOf(tools);
      await ownDirectory(dirname(tls.key), owner);
      await writeAtomic(tls.key, key, { mode: 0o600, ...owner });
      await writeAtomic(tls.cert, answer.certificate, { mode: 0o644, ...owner });
      await writeAtomic(tls.ca, answer.authority, { mode: 0o644, ...owner });
      return undefined;
    },
  },
  'write-config': {
    lane: 'etcd',
    priority: 40,
    async apply({ config }, tools) {
      const places = placesOf(tools.root);
      const owner = await ownerOf(tools);
      await ownDirectory(places.data, owner);
      await writeAtomic(places.config, config.reveal(), { mode: 0o600, ...owner });
      return undefined;
    },
  },
  'let-end': {
    lane: 'etcd',
    async apply(_, { services }) {
      await services.once(SERVICE);
      return undefined;
    },
  },
  'restart-etcd': {
    lane: 'etcd',
    priority: 70,
    async apply(_, { services, root }) {
      await services.down(SERVICE);
      await services.stopped(SERVICE, STOP_MS);
      // Whatever starts from now on reads what is there now, and nobody tells a hook when.
      await rm(readByEtcd(root), { force: true });
      await services.up(SERVICE);
      return undefined;
    },
  },
  'await-removal': {
    lane: 'etcd',
    priority: 10,
    async apply(_, tools) {
      const { address, places } = await observe(tools);
      const isOut = async () => ((await counts(places, address)) ? undefined : true);
      await poll(isOut, { timeoutMs: REMOVAL_MS, everyMs: 1000 });
      return undefined;
    },
  },
  'remove-data': {
    lane: 'etcd',
    priority: 60,
    async apply(_, { root }) {
      const { config, data } = placesOf(root);
      await rm(data, { recursive: true, force: true });
      // Last: it says that there is something to remove.
      await rm(config, { force: true });
      return undefined;
    },
  },
  'remove-certificate': {
    lane: 'certificate',
    priority: 70,
    async apply(_, { root }) {
      const { request, tls } = placesOf(root);
      for (const path of [request, tls.key]) {
        await rm(dirname(path), { recursive: true, force: true });
      }
      return undefined;
    },
  },
  tell: {
    lane: ({ relationId }) => `relation ${relationId}`,
    priority: 80,
    async apply({ endpoint, relationId, data }, { hooks }) {
      await hooks.relationSet(endpoint, relationId, data);
      return undefined;
    },
  },
};

type Owner = { uid?: number; gid?: number };

async function ownerOf(tools: Tools): Promise<Owner> {
  const { user } = await observe(tools);
  if (user === undefined) return {};
  const id = async (flag: string) =>
    Number((await run('id', [flag, user], { timeoutMs: ID_MS })).stdout.trim());
  return { uid: await id('-u'), gid: await id('-g') };
}

/** Whatever the umask of the unit agent is. */
async function ownDirectory(path: string, { uid, gid }: Owner): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(dirname(path), 0o711);
  await chmod(path, 0o700);
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}
