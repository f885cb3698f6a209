/**
 * What this unit's agent shall bring about: the content of desired.json, numbered by generation.
 */

import { clientFiles, lookAgainAt, relationOf, restFiles } from '../model/certificates.ts';
import { DESIRED_VERSION, type Desired } from '../model/desired.ts';
import { render } from '../model/etcd-config.ts';
import { etcdFacts } from '../model/etcd-facts.ts';
import type { Options } from '../model/options.ts';
import { sizesOf } from '../model/parameters.ts';
import { PORTS } from '../model/patroni-config.ts';
import { addresses, type Snapshot } from '../model/snapshot.ts';
import { type Decider, step } from '../model/steps.ts';
import { accessRules, poolerEntries } from './access.ts';
import { backupWish } from './backup.ts';
import { fileStep } from './file.ts';
import { hasCertificate } from './identity.ts';
import { directoryWish } from './ldap.ts';
import { validOptions } from './options.ts';
import { tracingWish } from './tracing.ts';

export const desired: Decider = (world) => {
  const content = wantedContent(world);
  if (content === undefined) return [];
  const { generation, ...written } = parse(world.files[world.layout.desired]);
  const same = JSON.stringify(written) === JSON.stringify(content);
  if (!same) {
    const next = { generation: generation + 1, ...content };
    const file = { path: world.layout.desired, text: render(next), owner: 'charm' as const };
    return fileStep(world, file, 'what the agent shall bring about has changed');
  }
  if (!world.agent.known || world.agent.value.generation >= generation) return [];
  return [step('apply-desired', { generation }, 'the agent has not reached it yet')];
};

function wantedContent(world: Snapshot): Omit<Desired, 'generation'> | undefined {
  const { unit, layout, machine } = world;
  const options = validOptions(world);
  const facts = etcdFacts(world);
  const secret = world.appSecret?.content;
  const { postgres } = machine.packages;
  if (options === undefined || facts === undefined || secret === undefined) return undefined;
  if (unit.address === undefined || postgres === undefined || layout.data === undefined) {
    return undefined;
  }
  if (!hasCertificate(world)) return undefined;
  return {
    version: DESIRED_VERSION,
    unit: {
      name: unit.name,
      member: unit.member,
      app: world.app,
      address: unit.address,
      model: world.model.name,
      modelUuid: world.model.uuid,
    },
    members: addresses(world),
    paths: {
      base: layout.base,
      etc: layout.etc,
      run: layout.run,
      log: layout.log,
      tls: { ...layout.tls },
      dataDir: layout.data,
      service: layout.service,
    },
    serverUser: machine.serverUser,
    etcd: { endpoints: facts.endpoints },
    patroni: {
      scope: world.app,
      namespace: '/db/',
      port: PORTS.patroni,
      username: 'patroni',
      password: secret['patroni-password'] ?? '',
      ca: restFiles(world).ca,
    },
    postgres: {
      port: PORTS.postgres,
      major: postgres.major,
      binDir: postgres.binDir,
      superuser: 'operator',
      password: secret['operator-password'] ?? '',
      replicationUser: 'replication',
      tls: relationOf(world, 'client-certificates') !== undefined,
    },
    pooler: {
      port: PORTS.pooler,
      mode: options.poolerMode,
      ...sizesOf(machine, options).pooler,
      maxPreparedStatements: machine.capabilities.pooledPreparedStatements ? 200 : 0,
      ...poolerTls(world),
      failoverWait: options.failoverWait,
      readerLagBytes: options.readonlyMaximumLagMib * 1024 * 1024,
      access: accessRules(world),
      ...entries(world),
    },
    metrics: { port: PORTS.metrics, backupPort: PORTS.backupMetrics },
    tracing: tracingWish(world),
    wake: { command: [...world.program.wake], at: lookAgainAt(world) },
    backup: backupWish(world),
    ...fence(options),
    ...directory(world),
  };
}

function poolerTls(world: Snapshot): Pick<Desired['pooler'], 'tls'> {
  const files = clientFiles(world);
  return files === undefined ? {} : { tls: { ...files } };
}

function entries(world: Snapshot): Pick<Desired['pooler'], 'entries'> {
  const lines = poolerEntries(world);
  return lines.length === 0 ? {} : { entries: lines };
}

function fence({ fenceCommand }: Options): Pick<Desired, 'fence'> {
  return fenceCommand === undefined ? {} : { fence: { command: fenceCommand } };
}

/** Left out without one, so that nothing changes for clusters without a directory. */
function directory(world: Snapshot): Pick<Desired, 'directory'> {
  const wish = directoryWish(world);
  return wish === undefined ? {} : { directory: wish };
}

function parse(text: string | undefined): { generation: number } & Record<string, unknown> {
  try {
    return { generation: 0, ...JSON.parse(text ?? '{}') };
  } catch {
    return { generation: 0 };
  }
}
