/** The charm's own programs: which agent it carries, which copies the unit has, how it is woken. */
import { accessSync, constants, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HookContext } from '../../../lib/contract/context.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { namesNow } from '../../../lib/std/files.ts';
import { AGENT_ENTRY, type Layout } from '../model/layout.ts';
import type { MonitoringFiles, ProgramFacts } from '../model/snapshot.ts';

/** Made by the build from src/charm/monitoring. */
const MONITORING = 'monitoring.json';

/** @param watched somebody is told of metrics: what the charm carries for that is read, too */
export function observePrograms(
  layout: Layout,
  context: HookContext,
  watched: boolean,
): ProgramFacts {
  // The entry names its chunks by the hash of their content: it stands for all of them.
  const agentRevision = digestOf(readFileSync(join(context.charmDir, AGENT_ENTRY)));
  // What is still being copied has a name that begins with a dot.
  const agentCopies = namesNow(layout.agent).filter((name) => !name.startsWith('.'));
  const monitoring = watched ? readFileSync(join(context.charmDir, MONITORING), 'utf8') : undefined;
  // Node of the charm directory is replaced with it; the agent keeps a copy that is not.
  const ownNode = process.execPath.startsWith(`${context.charmDir}/`);
  const node = ownNode ? join(layout.agent, agentRevision, 'node') : process.execPath;
  const command = `JUJU_DISPATCH_PATH=hooks/agent_notified ${context.charmDir}/dispatch`;
  return {
    agentRevision,
    agentCopies: agentCopies.sort(),
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
