/** The charm's own programs: which agent it carries, which copies the unit has, how it is woken. */
import { accessSync, constants, realpathSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HookContext } from '../../../lib/contract/context.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { systemCode } from '../../../lib/std/errors.ts';
import { AGENT_ENTRY, type Layout } from '../model/layout.ts';
import type { MonitoringFiles, ProgramFacts } from '../model/snapshot.ts';

/** Made by the build from src/charm/monitoring. */
const MONITORING = 'monitoring.json';

/** @param watched somebody is told of metrics: what the charm carries for that is read, too */
export async function observePrograms(
  layout: Layout,
  context: HookContext,
  watched: boolean,
): Promise<ProgramFacts> {
  // The entry names its chunks by the hash of their content: it stands for all of them.
  const [entry, agentCopies, monitoring] = await Promise.all([
    readFile(join(context.charmDir, AGENT_ENTRY)),
    directoryNames(layout.agent),
    watched ? readFile(join(context.charmDir, MONITORING), 'utf8') : undefined,
  ]);
  const agentRevision = digestOf(entry);
  // Node of the charm directory is replaced with it; the agent keeps a copy that is not.
  const ownNode = process.execPath.startsWith(`${context.charmDir}/`);
  const node = ownNode ? join(layout.agent, agentRevision, 'node') : process.execPath;
  const command = `JUJU_DISPATCH_PATH=hooks/agent_notified ${context.charmDir}/dispatch`;
  return {
    agentRevision,
    agentCopies,
    node,
    wake: [jujuExec(), context.unit, command],
    ...(monitoring === undefined ? {} : { monitoring: JSON.parse(monitoring) as MonitoringFiles }),
  };
}

/** Beside the hook tools, or where their one program lies; Juju itself installs it in /usr/bin. */
function jujuExec(): string {
  const directories = (process.env['PATH'] ?? '').split(':').filter((path) => path !== '');
  const tools = directories
    .map((path) => join(path, 'is-leader'))
    .filter(isExecutable)
    .map((tool) => dirname(realpathSync(tool)));
  const found = [...directories, ...tools]
    .map((path) => join(path, 'juju-exec'))
    .find(isExecutable);
  return found ?? '/usr/bin/juju-exec';
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function directoryNames(path: string): Promise<string[]> {
  try {
    // What is still being copied has a name that begins with a dot.
    return (await readdir(path)).filter((name) => !name.startsWith('.')).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
