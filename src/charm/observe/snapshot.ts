/**
 * Reads everything an event decides by, once, into a Snapshot. Writes nothing.
 *
 * Questions to the controller, to the unit's agent and to the file system are asked at the same
 * time.
 */
import type { HookContext } from '../../../lib/contract/context.ts';
import type { ConfigValue, Hooks } from '../../../lib/hooks/hooks.ts';
import { layoutOf } from '../model/layout.ts';
import { limitsOf, readOptions } from '../model/option-rules.ts';
import { memberOfUnit, type Relation, type Snapshot, type UnitFacts } from '../model/snapshot.ts';
import { unknown } from '../model/world.ts';
import { agentClient } from '../workload/agent.ts';
import { observeCertificates } from './certificates.ts';
import { observeOffered } from './client-certificates.ts';
import { observeCertificate, observeData, observeDirectories, observeFiles } from './files.ts';
import { baseOf, observeMachine } from './machine.ts';
import { observeNamed } from './named.ts';
import { observePeers } from './peers.ts';
import { observePermissions } from './permissions.ts';
import { observePrograms } from './programs.ts';
import { observeGrantedSecrets, observeRelationSecrets, observeRelations } from './relations.ts';
import { observeServices } from './services.ts';

export async function observe(hooks: Hooks, context: HookContext): Promise<Snapshot> {
  const base = baseOf(context);
  // Where the agent listens depends on nothing observed: it is asked together with the controller.
  const asked = agentClient(layoutOf(base, {}, undefined).agentSocket).world();
  const [controller, machine] = await Promise.all([
    observeController(hooks, context),
    observeMachine(base),
  ]);
  const { config, peers, storages, ...said } = controller;
  const layout = layoutOf(base, storages, machine.packages.postgres?.major);
  const [named, services, agent, certificates] = await Promise.all([
    observeNamed(config, machine.packages.postgres),
    observeServices(layout, context),
    asked,
    observeCertificates(hooks, context, { layout, relations: said.relations }),
  ]);
  const world: Snapshot = {
    event: eventFacts(context),
    model: context.model,
    app: context.app,
    machine,
    peers,
    storages,
    ...said,
    named,
    options: readOptions(config, limitsOf(machine, named)),
    certificate: observeCertificate(said.appSecret, said.unitSecret),
    certificates,
    directories: observeDirectories(layout),
    files: observeFiles(layout),
    data: observeData(layout),
    ...services,
    program: observePrograms(layout, context, said.relations.some(isWatched)),
    // Without an address it has not been started.
    agent: said.unit.address === undefined ? unknown('the unit has no address yet') : agent,
    layout,
  };
  return { ...world, ...(await observePermissions(world)) };
}

function isWatched({ endpoint, ending }: Relation): boolean {
  return endpoint === 'cos-agent' && !ending;
}

async function observeController(hooks: Hooks, context: HookContext) {
  const leading = hooks.isLeader();
  const [isLeader, config, peerNetwork, clientNetwork, peers, relations, storages] =
    await Promise.all([
      leading,
      hooks.configGet(),
      network(hooks, 'database-peers'),
      network(hooks, 'database'),
      observePeers(hooks, context),
      observeRelations(hooks, context, leading),
      observeStorages(hooks, context),
    ]);
  const [systemUsers, appSecret, unitSecret, openedPorts, ...secrets] = await Promise.all([
    isLeader ? operatorSecret(hooks, config['system-users']) : undefined,
    secret(hooks, `database-peers.${context.app}.app`),
    secret(hooks, `database-peers.${context.app}.unit`),
    hooks.openedPorts(),
    observeGrantedSecrets(hooks, relations, isLeader),
    observeRelationSecrets(hooks, isLeader ? relations : []),
  ]);
  const [grantedSecrets, relationSecrets] = secrets;
  const unit: UnitFacts = {
    name: context.unit,
    number: context.unitNumber,
    member: memberOfUnit(context.unit),
    isLeader,
    address: peerNetwork.address,
    ...(context.availabilityZone === '' ? {} : { zone: context.availabilityZone }),
    clientAddress: clientNetwork.address,
    egress: peerNetwork.egress,
    dying: peers.dying,
  };
  return {
    unit,
    config,
    ...(isLeader ? observeOffered(relations, grantedSecrets, Date.now()) : {}),
    peers: peers.facts,
    relations,
    storages,
    systemUsers,
    appSecret,
    unitSecret,
    openedPorts,
    grantedSecrets,
    relationSecrets,
  };
}

/** An address may come later than the first event; then it is absent and not an error. */
async function network(hooks: Hooks, binding: string) {
  try {
    const { bindAddresses, egressSubnets } = await hooks.networkGet(binding);
    const address = bindAddresses.flatMap((each) => each.addresses)[0]?.value;
    return { address, egress: egressSubnets };
  } catch {
    return { address: undefined, egress: [] };
  }
}

async function secret(hooks: Hooks, label: string) {
  // Peek: also what this very hook has written, and nothing is tracked by looking.
  const content = await hooks.secretGet({ label }, 'peek');
  return content === undefined ? undefined : { id: undefined, content };
}

/** Refreshed: whoever does not follow a secret of the operator hears of no later revision. */
async function operatorSecret(hooks: Hooks, uri: ConfigValue | undefined) {
  if (typeof uri !== 'string' || !uri.startsWith('secret:')) return undefined;
  return hooks.secretGet({ id: uri }, 'refresh');
}

async function observeStorages(hooks: Hooks, context: HookContext) {
  const ids = await hooks.storageList();
  const detaching = context.name.endsWith('-storage-detaching') ? context.storage?.id : undefined;
  const found = await Promise.all(
    [...new Set([...ids, ...(detaching === undefined ? [] : [detaching])])].map(async (id) => {
      const location =
        id === context.storage?.id && context.storage.location !== ''
          ? context.storage.location
          : await hooks.storageLocation(id);
      return [id.slice(0, id.lastIndexOf('/')), location] as const;
    }),
  );
  return Object.fromEntries(found.filter(([, location]) => location !== ''));
}

function eventFacts(context: HookContext): Snapshot['event'] {
  const { name, relation, storage, secret } = context;
  const { id, revision } = secret ?? {};
  const obsolete = name === 'secret-remove' && id !== undefined && revision !== undefined;
  return {
    name,
    endingRelation: name.endsWith('-relation-broken') ? relation?.id : undefined,
    departingUnit: relation?.departingUnit,
    detachingStorage: name.endsWith('-storage-detaching') ? storage?.id : undefined,
    obsoleteSecret: obsolete ? { id, revision } : undefined,
    stopping: context.kind === 'hook' && (name === 'stop' || name === 'remove'),
  };
}
