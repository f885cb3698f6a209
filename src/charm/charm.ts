/**
 * The postgresql charm as a table. READ THIS FIRST.
 *
 * Every event observes the world, asks the deciders in this order what it still lacks, and carries
 * out their steps. A decider is one file of decide/, a step one entry of apply/, an action one file
 * of actions/; nothing else happens in an event.
 */
import type { Charm } from '../../lib/charm/dispatch.ts';
import { systemRandom } from '../../lib/std/random.ts';
import { createBackup } from './actions/create-backup.ts';
import { getPrimary } from './actions/get-primary.ts';
import { cancelJob, showJob } from './actions/jobs.ts';
import { listBackups } from './actions/list-backups.ts';
import { promoteToPrimary } from './actions/promote-to-primary.ts';
import { reclone } from './actions/reclone.ts';
import { restore } from './actions/restore.ts';
import { rotateInternalCa } from './actions/rotate-internal-ca.ts';
import { backupSteps } from './apply/backup.ts';
import { certificateSteps } from './apply/certificates.ts';
import { clientSteps } from './apply/clients.ts';
import { clusterSteps } from './apply/cluster.ts';
import { etcdSteps } from './apply/etcd.ts';
import { identitySteps } from './apply/identity.ts';
import { machineSteps } from './apply/machine.ts';
import { monitoringSteps } from './apply/monitoring.ts';
import { passwordSteps } from './apply/passwords.ts';
import { pluginSteps } from './apply/plugins.ts';
import { reformSteps } from './apply/reform.ts';
import { serviceSteps } from './apply/services.ts';
import { temporarySteps } from './apply/temporary-files.ts';
import type { Tools } from './apply/tools.ts';
import { witnessSteps } from './apply/witness.ts';
import { access } from './decide/access.ts';
import { backup } from './decide/backup.ts';
import { certificateLeftovers, certificates } from './decide/certificates.ts';
import { clientNames } from './decide/client-names.ts';
import { clients } from './decide/clients.ts';
import { departure, whileStaying } from './decide/departure.ts';
import { desired } from './decide/desired.ts';
import { dynamic, rollingRestart } from './decide/dynamic.ts';
import { etcd, etcdEndpoints } from './decide/etcd.ts';
import { addresses, certificate, passwords, ports } from './decide/identity.ts';
import { internalCa } from './decide/internal-ca.ts';
import { ldap } from './decide/ldap.ts';
import { agentCopy, commands, directories, packages, storage } from './decide/machine.ts';
import { exporter, observability } from './decide/observability.ts';
import { options } from './decide/options.ts';
import { patroni, systemIdentity } from './decide/patroni.ts';
import { plugins } from './decide/plugins.ts';
import { roles } from './decide/roles.ts';
import { secretRevisions } from './decide/secrets.ts';
import { agentRevision, residents, services } from './decide/services.ts';
import { status } from './decide/status.ts';
import { systemUsers } from './decide/system-users.ts';
import { temporaryFiles } from './decide/temporary-files.ts';
import { tracing } from './decide/tracing.ts';
import { voters } from './decide/voters.ts';
import { witness } from './decide/witness.ts';
import { tracesOf } from './model/layout.ts';
import type { Databag, Snapshot } from './model/snapshot.ts';
import type { Decider, Steps } from './model/steps.ts';
import { baseOf } from './observe/machine.ts';
import { observe } from './observe/snapshot.ts';

/** In the order in which their findings matter for the status. */
const DECIDERS: readonly Decider[] = [
  // The unit's machine
  packages,
  storage,
  directories,
  temporaryFiles,
  agentCopy,
  options,
  // Who it is
  addresses,
  passwords,
  certificate,
  internalCa,
  certificates,
  ports,
  // Where the cluster's state is kept
  etcdEndpoints,
  etcd,
  voters,
  witness,
  // What runs
  access,
  ldap,
  services,
  agentRevision,
  patroni,
  systemIdentity,
  backup,
  desired,
  certificateLeftovers,
  residents,
  commands,
  // How it is: whatever hangs on that (a client without a primary) says less than this
  status,
  // The cluster as a whole, and those it serves
  dynamic,
  rollingRestart,
  systemUsers,
  roles,
  clientNames,
  clients,
  plugins,
  observability,
  exporter,
  tracing,
  secretRevisions,
];

export const postgresql: Charm<Snapshot, Steps, Tools> = {
  traces: (context) => tracesOf(baseOf(context)),
  tools({ hooks, context }) {
    const held: { snapshot?: Snapshot; keptApp?: Databag } = {};
    return {
      hooks,
      context,
      random: systemRandom,
      world() {
        if (held.snapshot === undefined) throw new Error('nothing has been observed yet');
        return held.snapshot;
      },
      observed(seen) {
        held.keptApp ??= seen.peers.app;
        held.snapshot = { ...seen, peers: { ...seen.peers, keptApp: held.keptApp } };
        return held.snapshot;
      },
    };
  },
  async observe(tools) {
    return tools.observed(await observe(tools.hooks, tools.context));
  },
  deciders: [departure, ...DECIDERS.map(whileStaying)],
  steps: {
    ...machineSteps,
    ...temporarySteps,
    ...identitySteps,
    ...certificateSteps,
    ...serviceSteps,
    ...etcdSteps,
    ...clusterSteps,
    ...reformSteps,
    ...witnessSteps,
    ...clientSteps,
    ...pluginSteps,
    ...passwordSteps,
    ...backupSteps,
    ...monitoringSteps,
  },
  actions: [
    getPrimary,
    promoteToPrimary,
    reclone,
    createBackup,
    listBackups,
    restore,
    showJob,
    cancelJob,
    rotateInternalCa,
  ],
  async settled({ failed, findings, world }, { hooks, context }) {
    const { postgres } = world.machine.packages;
    if (world.unit.isLeader && context.name === 'start' && postgres !== undefined) {
      await hooks.applicationVersionSet(postgres.version);
    }
    const unheard = findings.some(({ code }) => UNHEARD.includes(code));
    if ((failed.length === 0 && !unheard) || !world.agent.known) return;
    const { agentClient } = await import('./workload/agent.ts');
    await agentClient(world.layout.agentSocket)
      .wakeAfter(RETRY_MS)
      .catch(() => undefined);
  },
};

/** Nobody is told of a grant, nor of a table that a client makes. */
const UNHEARD = ['system-users-unreadable', 'client-objects-missing'];
/** A step that failed is tried again after this, or when the agent sees something change. */
const RETRY_MS = 10_000;
