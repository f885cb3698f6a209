/** Every command by name, each loaded only when it is called. */
import { UsageError } from '../../lib/contract/gnuflag.ts';
import type { Command } from './command.ts';

export interface CommandEntry {
  /** The name, then aliases. */
  readonly names: readonly [string, ...string[]];
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

export const catalogue: readonly CommandEntry[] = [
  {
    names: ['status'],
    summary: 'Report the status of the model, its machines, applications and units',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    names: ['wait'],
    summary: 'Wait until applications or units have a status',
    load: async () => (await import('./commands/wait.ts')).wait,
  },
  {
    names: ['deploy'],
    summary: 'Deploy a charm file as a new application, or a bundle',
    load: async () => (await import('./commands/deploy.ts')).deploy,
  },
  {
    names: ['add-unit'],
    summary: 'Add units to a deployed application, each on a machine of its own',
    load: async () => (await import('./commands/add-unit.ts')).addUnit,
  },
  {
    names: ['remove-unit'],
    summary: 'Remove units; storage is kept unless --destroy-storage',
    load: async () => (await import('./commands/remove-unit.ts')).removeUnit,
  },
  {
    names: ['remove-application'],
    summary: 'Remove applications with all their units and relations',
    load: async () => (await import('./commands/remove-application.ts')).removeApplication,
  },
  {
    names: ['integrate', 'relate'],
    summary: 'Integrate two applications',
    load: async () => (await import('./commands/integrate.ts')).integrate,
  },
  {
    names: ['remove-relation'],
    summary: 'Remove the relation between two applications',
    load: async () => (await import('./commands/remove-relation.ts')).removeRelation,
  },
  {
    names: ['config'],
    summary: 'Get, set, or reset configuration of an application',
    load: async () => (await import('./commands/config.ts')).config,
  },
  {
    names: ['model-config'],
    summary: 'Get, set, or reset configuration of the model',
    load: async () => (await import('./commands/model-config.ts')).modelConfig,
  },
  {
    names: ['actions'],
    summary: 'List actions defined for an application',
    load: async () => (await import('./commands/actions.ts')).actions,
  },
  {
    names: ['show-action'],
    summary: 'Show the parameters of an action',
    load: async () => (await import('./commands/actions.ts')).showAction,
  },
  {
    names: ['run'],
    summary: 'Run an action on the given units',
    load: async () => (await import('./commands/run.ts')).run,
  },
  {
    names: ['exec'],
    summary: 'Run a command on units, with the hook tools on its PATH',
    load: async () => (await import('./commands/exec.ts')).exec,
  },
  {
    names: ['ssh'],
    summary: "Start a shell in a unit's directory, or run one command there",
    load: async () => (await import('./commands/ssh.ts')).ssh,
  },
  {
    names: ['scp'],
    summary: "Copy files to and from a unit's directory",
    load: async () => (await import('./commands/scp.ts')).scp,
  },
  {
    names: ['debug-log'],
    summary: 'Display log messages of the model',
    load: async () => (await import('./commands/debug-log.ts')).debugLog,
  },
  {
    names: ['show-task'],
    summary: 'Show results of a task by its id',
    load: async () => (await import('./commands/show-task.ts')).showTask,
  },
  {
    names: ['cancel-task'],
    summary: 'Cancel pending or running tasks',
    load: async () => (await import('./commands/cancel-task.ts')).cancelTask,
  },
  {
    names: ['operations'],
    summary: 'List pending, running, or completed operations, the newest last',
    load: async () => (await import('./commands/operations.ts')).operations,
  },
  {
    names: ['show-operation'],
    summary: 'Show the tasks of an operation',
    load: async () => (await import('./commands/operations.ts')).showOperation,
  },
  {
    names: ['show-unit'],
    summary: 'Display information about units, with the data of their relations',
    load: async () => (await import('./commands/show-unit.ts')).showUnit,
  },
  {
    names: ['show-application'],
    summary: 'Display information about applications',
    load: async () => (await import('./commands/show-application.ts')).showApplication,
  },
  {
    names: ['show-status-log'],
    summary: 'Show past statuses of a unit or application',
    load: async () => (await import('./commands/show-status-log.ts')).showStatusLog,
  },
  {
    names: ['resolved', 'resolve'],
    summary: 'Mark unit errors resolved and run the failed hook again',
    load: async () => (await import('./commands/resolved.ts')).resolved,
  },
  {
    names: ['refresh'],
    summary: "Replace an application's charm; every unit gets upgrade-charm",
    load: async () => (await import('./commands/refresh.ts')).refresh,
  },
  {
    names: ['trust'],
    summary: 'Allow an application to use cloud credentials',
    load: async () => (await import('./commands/trust.ts')).trust,
  },
  {
    names: ['expose'],
    summary: 'Mark an application as reachable',
    load: async () => (await import('./commands/trust.ts')).expose,
  },
  {
    names: ['unexpose'],
    summary: 'Take that mark away',
    load: async () => (await import('./commands/trust.ts')).unexpose,
  },
  {
    names: ['storage', 'list-storage'],
    summary: 'List storage instances',
    load: async () => (await import('./commands/storage.ts')).storage,
  },
  {
    names: ['attach-storage'],
    summary: 'Attach storage that is detached to a unit',
    load: async () => (await import('./commands/storage.ts')).attachStorage,
  },
  {
    names: ['secrets', 'list-secrets'],
    summary: 'List secrets of the model',
    load: async () => (await import('./commands/secrets.ts')).secrets,
  },
  {
    names: ['show-secret'],
    summary: 'Show details of a secret; with --reveal its content too',
    load: async () => (await import('./commands/secrets.ts')).showSecret,
  },
  {
    names: ['add-secret'],
    summary: 'Add a secret of the model; print its URI',
    load: async () => (await import('./commands/user-secrets.ts')).addSecret,
  },
  {
    names: ['update-secret'],
    summary: 'Update a secret of the model; new content makes a new revision',
    load: async () => (await import('./commands/user-secrets.ts')).updateSecret,
  },
  {
    names: ['remove-secret'],
    summary: 'Remove a secret of the model, or one of its revisions',
    load: async () => (await import('./commands/user-secrets.ts')).removeSecret,
  },
  {
    names: ['grant-secret'],
    summary: 'Let applications read a secret',
    load: async () => (await import('./commands/user-secrets.ts')).grantSecret,
  },
  {
    names: ['revoke-secret'],
    summary: 'Take that access back',
    load: async () => (await import('./commands/user-secrets.ts')).revokeSecret,
  },
  {
    names: ['power-off'],
    summary: 'Kill every process of a machine at once, as a power cut would',
    load: async () => (await import('./commands/power.ts')).powerOff,
  },
  {
    names: ['power-on'],
    summary: 'Boot a machine that was powered off',
    load: async () => (await import('./commands/power.ts')).powerOn,
  },
  {
    names: ['change-address'],
    summary: 'Give a machine another address, as a new lease of DHCP does',
    load: async () => (await import('./commands/change-address.ts')).changeAddress,
  },
  {
    names: ['cut'],
    summary: 'Cut a machine off from others: what is sent is lost without a word',
    load: async () => (await import('./commands/links.ts')).cut,
  },
  {
    names: ['mend'],
    summary: 'Mend what `cut` has cut: of the machines named, or of all',
    load: async () => (await import('./commands/links.ts')).mend,
  },
  {
    names: ['chaos'],
    summary: 'Break a cluster on purpose while clients write, and report what they felt',
    load: async () => (await import('./commands/chaos.ts')).chaos,
  },
  {
    names: ['models', 'list-models'],
    summary: 'List models: there is one',
    load: async () => (await import('./commands/models.ts')).models,
  },
  {
    names: ['show-model'],
    summary: 'Show information about the model',
    load: async () => (await import('./commands/models.ts')).showModel,
  },
  {
    names: ['switch'],
    summary: 'Show the current model; there is no other one to switch to',
    load: async () => (await import('./commands/models.ts')).switchModel,
  },
  {
    names: ['controllers', 'list-controllers'],
    summary: 'List controllers: the one of this user on this machine',
    load: async () => (await import('./commands/models.ts')).controllers,
  },
  {
    names: ['whoami'],
    summary: 'Show the current controller, model and user',
    load: async () => (await import('./commands/models.ts')).whoami,
  },
  {
    names: ['version'],
    summary: 'Print the current version',
    load: async () => (await import('./commands/version.ts')).version,
  },
  {
    names: ['help'],
    summary: 'Show help on a command, or the list of commands',
    load: async () => (await import('./commands/help.ts')).help,
  },
];

/** Words of Juju that ask for a second controller or model. */
const ONLY_ONE = [
  'add-model',
  'destroy-model',
  'bootstrap',
  'add-cloud',
  'add-credential',
  'consume',
  'offer',
];

/** @throws UsageError for a word that is no command, naming those that look like it */
export async function findCommand(word: string): Promise<Command> {
  const name = ['--help', '-h'].includes(word) ? 'help' : word === '--version' ? 'version' : word;
  const entry = catalogue.find(({ names }) => names.includes(name));
  if (entry !== undefined) return entry.load();
  if (ONLY_ONE.includes(name)) return (await import('./commands/models.ts')).onlyOne(name);
  const like = catalogue.map(({ names }) => names[0]).filter((known) => resembles(known, name));
  const hint = like.length === 0 ? 'See "pgcharm help".' : `Did you mean:\n\t${like.join('\n\t')}`;
  throw new UsageError(`"${name}" is not a pgcharm command. ${hint}`);
}

/** One letter wrong, missing or too many, or the beginning of a name. */
function resembles(known: string, typed: string): boolean {
  if (typed.length > 2 && known.startsWith(typed)) return true;
  const [long, short] = known.length >= typed.length ? [known, typed] : [typed, known];
  if (long.length - short.length > 1 || short.length < 3) return false;
  let at = 0;
  while (at < short.length && short[at] === long[at]) at += 1;
  const rest = long.length === short.length ? at + 1 : at;
  return short.slice(rest) === long.slice(at + 1);
}
