/** Carries out the steps of this charm. Each is safe to repeat; none decides anything. */
import { cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createOwnAuthority, issueServerCertificate } from '../../../lib/charm/own-authority.ts';
import type { StepTable } from '../../../lib/charm/reconcile.ts';
import { workloadSteps } from '../../../lib/charm/workload-steps.ts';
import { run } from '../../../lib/machine/run.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { writeAtomic } from '../../../lib/std/files.ts';
import { systemRandom } from '../../../lib/std/random.ts';
import { observe, secretLabel, type Tools } from './observe.ts';
import type { ServerConfig } from './server.ts';
import type { Places, Steps, World } from './world.ts';

const ACCESS_KEY_LENGTH = 20;
const SECRET_KEY_LENGTH = 40;
const STOP_MS = 20_000;

export const steps: StepTable<Steps, Tools> = {
  ...workloadSteps('server', STOP_MS),
  'create-user': {
    lane: 'server',
    priority: 10,
    async apply({ name }) {
      const plain = ['--system', '--no-create-home', '--home-dir', '/nonexistent'];
      // 9: somebody else has made it meanwhile.
      const options = { timeoutMs: 20_000, accept: [0, 9] };
      await run('useradd', [...plain, '--shell', '/usr/sbin/nologin', name], options);
      return undefined;
    },
  },
  'create-secret': {
    lane: 'secret',
    priority: 20,
    async apply(_, tools) {
      const label = secretLabel(tools.context.app);
      await createOwnAuthority(tools, { label, description: 'the store’s CA and clients’ keys' });
      return undefined;
    },
  },
  'create-key': {
    lane: 'secret',
    priority: 30,
    apply: ({ relationId }, tools) =>
      changeSecret(tools, (content) => {
        content[`access-${relationId}`] = systemRandom.password(ACCESS_KEY_LENGTH).toUpperCase();
        content[`key-${relationId}`] = systemRandom.password(SECRET_KEY_LENGTH);
      }),
  },
  'remove-key': {
    lane: 'secret',
    priority: 30,
    apply: ({ relationId }, tools) =>
      changeSecret(tools, (content) => {
        delete content[`access-${relationId}`];
        delete content[`key-${relationId}`];
      }),
  },
  'prepare-places': {
    lane: 'server',
    priority: 30,
    async apply(_, tools) {
      const { world, places } = await observed(tools);
      await mkdir(places.root, { recursive: true, mode: 0o711 });
      await mkdir(places.objects, { recursive: true, mode: 0o700 });
      await own(places.objects, world.user?.name);
      return undefined;
    },
  },
  'install-program': {
    lane: 'server',
    priority: 30,
    async apply({ revision }, { context, root }) {
      const place = join(root, 'program', revision);
      const aside = `${place}~`;
      await rm(aside, { recursive: true, force: true });
      await mkdir(aside, { recursive: true, mode: 0o755 });
      const names = await readdir(context.charmDir);
      for (const name of ['src', 'chunks', 'package.json', 'bin']) {
        if (!names.includes(name)) continue;
        await cp(join(context.charmDir, name), join(aside, name), { recursive: true });
      }
      await rm(place, { recursive: true, force: true });
      await rename(aside, place);
      return undefined;
    },
  },
  'write-server': {
    lane: 'server',
    priority: 40,
    async apply({ address, port, keys }, tools) {
      const { world, places } = await observed(tools);
      const issued = await issueServerCertificate(world.secret?.content ?? {}, address);
      const config: ServerConfig = {
        address,
        port,
        directory: places.objects,
        certificate: issued.certificate,
        privateKey: issued.key,
        keys: JSON.parse(keys.reveal()),
      };
      await writeAtomic(places.configFile, JSON.stringify(config), {
        mode: 0o600,
        ...(await idsOf(world.user?.name)),
      });
      return undefined;
    },
  },
  publish: {
    lane: 'relations',
    priority: 70,
    async apply({ relationId, data }, { hooks }) {
      await hooks.relationSet('s3', relationId, JSON.parse(data.reveal()), 'app');
      return undefined;
    },
  },
};

async function observed(tools: Tools): Promise<{ world: World; places: Places }> {
  const world = await observe(tools);
  if (world.places !== undefined) return { world, places: world.places };
  throw new OperatorError({ code: 'no-storage', message: 'cannot write: storage data is gone' });
}

async function changeSecret(
  { hooks, context }: Tools,
  change: (content: Record<string, string>) => void,
): Promise<undefined> {
  const label = secretLabel(context.app);
  const content = { ...(await hooks.secretGet({ label }, 'peek')) };
  const id = (await hooks.secretInfo({ label }))?.id;
  if (id === undefined) return undefined;
  change(content);
  await hooks.secretSet(id, content);
  return undefined;
}

async function own(path: string, user: string | undefined): Promise<void> {
  const { uid, gid } = await idsOf(user);
  if (uid === undefined) return;
  await run('chown', ['-R', `${uid}:${gid}`, path], { timeoutMs: 600_000 });
}

async function idsOf(user: string | undefined): Promise<{ uid?: number; gid?: number }> {
  if (user === undefined) return {};
  const id = async (flag: string) =>
    Number((await run('id', [flag, user], { timeoutMs: 10_000 })).stdout.trim());
  return { uid: await id('-u'), gid: await id('-g') };
}
