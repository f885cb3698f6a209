/**
 * Brings the model to what the bundle says, with the commands that a person would use: deploys what
 * is missing, refreshes charms that are older than the clone's, waits, takes the first backup.
 *
 * Leaves alone what the operator changed since: a unit more or less, an option, a relation.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pgcharm, pgcharmJson } from './cli.mjs';
import { archiveOf } from './compile.mjs';
import { projectRoot } from './node.mjs';
import { Refusal, say } from './terminal.mjs';

const longestWait = '10m';
/** Hooks are tried again after 5, 10, 20 and 40 s; what fails for longer needs somebody. */
const longestError = '75s';
/**
 * Units are blocked for moments while relations and their other side come about, and look again
 * after a minute at most (as at an object store). Longer, with nothing else on its way, is for
 * somebody.
 */
const longestBlock = '90s';

/**
 * @param {{ applications: Record<string, { charm: string }> }} bundle
 * @param {string} bundlePath as `pgcharm deploy` takes it: begins with . or /
 */
export async function bringModel(bundle, bundlePath) {
  const before = await pgcharmJson('status');
  const names = Object.keys(bundle.applications);
  const missing = names.filter((name) => before.applications[name] === undefined);
  if (missing.length > 0) {
    say(`deploying ${missing.join(', ')}`, bundlePath);
    await pgcharm('deploy', bundlePath);
  }
  for (const name of names) await refreshIfOlder(name, before.applications[name]);
  const limits = ['--error-timeout', longestError, '--blocked-timeout', longestBlock];
  await pgcharm('wait', ...names, '--timeout', longestWait, ...limits);
  await firstBackup(await pgcharmJson('status'));
}

/** A charm's `version` file holds the hash of its content; status shows what runs. */
async function refreshIfOlder(name, application) {
  const charm = application?.['charm-name'];
  if (charm === undefined) return;
  const file = join(projectRoot, 'dist', 'charms', charm, 'version');
  if (!existsSync(file)) return;
  const newer = readFileSync(file, 'utf8').trim();
  if (application['charm-version'] === newer) return;
  say(`the clone's charm ${charm} is newer than what runs`, `refreshing ${name}`);
  await pgcharm('refresh', name, '--path', archiveOf(charm));
}

/** As soon as there is an object store, and until there is a backup. */
async function firstBackup({ applications }) {
  for (const [name, application] of Object.entries(applications)) {
    const related = Object.values(application.relations ?? {}).flat();
    const stored = related.some((relation) => relation.interface === 's3');
    if (application['charm-name'] !== 'postgresql' || !stored) continue;
    const leader = `${name}/leader`;
    if (await hasBackup(leader)) continue;
    say('taking a first backup', `${name} has none in its object store`);
    await pgcharm('run', leader, 'create-backup', '--wait', longestWait);
    if (await hasBackup(leader)) continue;
    throw new Refusal(
      `cannot take a first backup of ${name}: its action says why above`,
      `all else runs; mend the cause, then \`./pgcharm run ${leader} create-backup\``,
    );
  }
}

async function hasBackup(leader) {
  const listed = await pgcharmJson('run', leader, 'list-backups', '--wait', '2m');
  return /finished/.test(JSON.stringify(listed));
}
