/** Carries out the steps of this charm. Each is safe to repeat; none decides anything. */
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepTable } from '../../../lib/charm/reconcile.ts';
import { workloadSteps } from '../../../lib/charm/workload-steps.ts';
import { run } from '../../../lib/machine/run.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { writeAtomic } from '../../../lib/std/files.ts';
import { filesDigest } from './decide.ts';
import { filesOf, observe, startMark, type Tools } from './observe.ts';
import { isReady } from './prometheus-api.ts';
import type { Places, Steps, World } from './world.ts';

const STOP_MS = 30_000;
const CHECK_MS = 20_000;
/** Nothing in these files is secret, and Prometheus runs as another user. */
const READABLE = { mode: 0o644 };

export const steps: StepTable<Steps, Tools> = {
  ...workloadSteps('prometheus', STOP_MS),
  'prepare-places': { lane: 'prometheus', priority: 20, apply: (_, tools) => preparePlaces(tools) },
  'write-config': {
    lane: 'prometheus',
    priority: 30,
    async apply({ text }, tools) {
      const { config } = (await observed(tools)).places;
      const candidate = `${config}.candidate`;
      await writeAtomic(candidate, text, READABLE);
      await run('promtool', ['check', 'config', '--syntax-only', candidate], {
        timeoutMs: CHECK_MS,
      });
      await rename(candidate, config);
      return undefined;
    },
  },
  'write-rules': {
    lane: ({ name }) => `rules ${name}`,
    priority: 30,
    apply: writeRules,
  },
  'remove-rules': {
    lane: ({ name }) => `rules ${name}`,
    priority: 30,
    async apply({ name }, tools) {
      const { places } = await observed(tools);
      await rm(join(places.rules, name), { force: true });
      await rm(join(places.refused, name), { force: true });
      return undefined;
    },
  },
  'write-alertmanager': {
    lane: 'alertmanager',
    priority: 30,
    async apply({ text }, tools) {
      const { places, user } = await observed(tools);
      const owner =
        user === undefined ? {} : { uid: await idOf('-u', user), gid: await idOf('-g', user) };
      await writeAtomic(places.alertmanager, text.reveal(), { mode: 0o600, ...owner });
      return undefined;
    },
  },
  'define-service': {
    lane: ({ name }) => name,
    priority: 40,
    async apply({ name, spec }, tools) {
      await tools.services.define(name, spec);
      await tools.services.restart(name);
      if (name === 'prometheus') await aboutToStart(tools);
      return undefined;
    },
  },
  'start-supervisor': {
    lane: 'prometheus',
    priority: 50,
    async apply(_, tools) {
      await aboutToStart(tools);
      await tools.services.ensureSupervisor();
      return undefined;
    },
  },
  'start-service': {
    lane: ({ name }) => name,
    priority: 60,
    async apply({ name }, tools) {
      if (name === 'prometheus') await aboutToStart(tools);
      await tools.services.up(name);
      return undefined;
    },
  },
  reload: { lane: 'prometheus', priority: 70, apply: (_, tools) => reload(tools) },
};

async function preparePlaces(tools: Tools): Promise<undefined> {
  const { places, user } = await observed(tools);
  for (const path of [places.root, places.rules, places.refused]) {
    await mkdir(path, { recursive: true });
    // Whatever the umask of the unit agent is.
    await chmod(path, 0o755);
  }
  for (const data of [places.data, places.alertmanagerData]) {
    if (existsSync(data)) continue;
    // Made under another name: once it is there, it belongs to whom it should.
    const aside = `${data}~`;
    await rm(aside, { recursive: true, force: true });
    await mkdir(aside, { mode: 0o700 });
    if (user !== undefined) await chown(aside, await idOf('-u', user), await idOf('-g', user));
    await rename(aside, data);
  }
  return undefined;
}

async function idOf(flag: '-u' | '-g', user: string): Promise<number> {
  return Number((await run('id', [flag, user], { timeoutMs: CHECK_MS })).stdout);
}

/** Rules that promtool refuses leave those before them in force, and a note that says why. */
async function writeRules(
  { name, text, digest }: Steps['write-rules'],
  tools: Tools,
): Promise<undefined> {
  const { places } = await observed(tools);
  const candidate = join(places.rules, `${name}.candidate`);
  await writeAtomic(candidate, text, READABLE);
  const options = { timeoutMs: CHECK_MS, accept: [0, 1] };
  const { exitCode, stderr } = await run('promtool', ['check', 'rules', candidate], options);
  if (exitCode === 0) {
    await rename(candidate, join(places.rules, name));
    await rm(join(places.refused, name), { force: true });
  } else {
    await rm(candidate);
    const note = JSON.stringify({ digest, reason: reasonOf(stderr, candidate) });
    await writeAtomic(join(places.refused, name), note, READABLE);
  }
  return undefined;
}

/** The first complaint of promtool, without the place of a file that nobody will find. */
function reasonOf(stderr: string, file: string): string {
  const lines = stderr.split('\n').map((line) => line.trim());
  const complaint = lines.find((line) => line !== '' && line !== 'FAILED:') ?? 'no reason given';
  return complaint.replaceAll(`${file}: `, '').slice(0, 300);
}

/** Prometheus reads everything when it starts: note that, and that it needs a moment. */
async function aboutToStart(tools: Tools): Promise<void> {
  const { places } = await observed(tools);
  await writeAtomic(places.loaded, filesDigest(await filesOf(places)), READABLE);
  await writeAtomic(startMark(tools.root), '', READABLE);
}

async function reload(tools: Tools): Promise<undefined> {
  const { places, address } = await observed(tools);
  const digest = filesDigest(await filesOf(places));
  // A hangup before its handler is there would end it, and it might have read the old files.
  if (address !== undefined && (await isReady(address))) await tools.services.hangup('prometheus');
  else await tools.services.restart('prometheus');
  await writeAtomic(places.loaded, digest, READABLE);
  return undefined;
}

async function observed(tools: Tools): Promise<World & { places: Places }> {
  const world = await observe(tools);
  const { places } = world;
  if (places !== undefined) return { ...world, places };
  throw new OperatorError({ code: 'no-storage', message: 'cannot go on: storage data is gone' });
}
