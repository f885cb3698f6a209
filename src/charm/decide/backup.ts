/**
 * Backups: pgBackRest's configuration for the related object store, the server through which the
 * other units reach this one's database, and what the repository's state means for the unit. The
 * bucket and the stanza are the agent's work; the archive command follows when they are there.
 */
import { changedKeys } from '../../../lib/relations/databag.ts';
import { readS3Parameters, type S3Parameters, type S3Reading } from '../../../lib/relations/s3.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import type { BackupWish, S3Target } from '../model/desired.ts';
import { internalDigest } from '../model/internal-ca.ts';
import {
  archiveCommand,
  PGBACKREST,
  PGBACKREST_PORT,
  pgbackrestConfig,
} from '../model/pgbackrest-config.ts';
import { memberOfUnit, primaryOf, probe, type Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, type Decision, maintenance, step } from '../model/steps.ts';
import { fileStep } from './file.ts';
import { hasCertificate } from './identity.ts';
import { validOptions } from './options.ts';

const ENDPOINT = 's3-parameters';

export const backup: Decider = (world) => {
  const reading = s3Reading(world);
  if (reading.state === 'invalid') {
    return [blocked('s3-invalid', `the S3 settings cannot be used: ${reading.reason}`)];
  }
  if (reading.state !== 'complete') return withdraw(world);
  const config = wantedConfig(world, reading.value);
  if (config === undefined) return [];
  const { layout } = world;
  const chain = storeAuthorities(world, reading.value);
  const why = 'the object store or the units have changed';
  const ca =
    chain.length === 0
      ? []
      : fileStep(
          world,
          { path: layout.s3Ca, text: `${chain.join('\n')}\n`, owner: 'servers', mode: 0o644 },
          why,
        );
  const file = { path: layout.pgbackrestConfig, text: config, owner: 'servers' as const };
  return [
    ...places(world),
    ...ca,
    ...fileStep(world, file, why),
    ...server(world, config),
    ...findings(world),
  ];
};

/** The related store's parameters; `absent` also when the relation is ending. */
function s3Reading(world: Snapshot): S3Reading {
  const related = world.relations.find(({ endpoint, ending }) => endpoint === ENDPOINT && !ending);
  const reading = readS3Parameters(related?.remoteApp ?? {});
  if (reading.state !== 'complete' || reading.value.endpoint.startsWith('https:')) return reading;
  return { state: 'invalid', reason: 'endpoint is not https, and pgBackRest speaks nothing else' };
}

/** The store's own word, and whom `receive-ca-cert` tells to trust. */
function storeAuthorities({ certificates }: Snapshot, { tlsCaChain }: S3Parameters): string[] {
  return [...new Set([...tlsCaChain, ...certificates.received])];
}

/** A store that names no CA of its own may be one that the whole world knows. */
function storeTrust(world: Snapshot, s3: S3Parameters): Pick<S3Target, 'caFile' | 'systemToo'> {
  if (storeAuthorities(world, s3).length === 0) return { caFile: undefined };
  const caFile = world.layout.s3Ca;
  return s3.tlsCaChain.length === 0 ? { caFile, systemToo: true } : { caFile };
}

export function stanzaOf(world: Snapshot): string {
  return `${world.model.name}.${world.app}`;
}

/** What the agent's jobs need; undefined until pgBackRest's configuration lies there. */
export function backupWish(world: Snapshot): BackupWish | undefined {
  const reading = s3Reading(world);
  const { layout } = world;
  if (reading.state !== 'complete') return undefined;
  if (world.files[layout.pgbackrestConfig] === undefined) return undefined;
  const { endpoint, region, bucket, path, accessKey, secretKey, uriStyle } = reading.value;
  return {
    stanza: stanzaOf(world),
    config: layout.pgbackrestConfig,
    s3: {
      ...{ endpoint, region, bucket, path, accessKey, secretKey, uriStyle },
      ...storeTrust(world, reading.value),
    },
  };
}

/**
 * What archives WAL, or undefined for nothing. Once it does, a store that is away or a view that is
 * not known changes nothing: segments then wait, whereas those not asked for would be lost.
 */
export function archiver(world: Snapshot): string | undefined {
  const reading = s3Reading(world);
  if (reading.state !== 'complete') return undefined;
  const { layout } = world;
  const view = probe(world, 'backup');
  const command = archiveCommand(PGBACKREST, layout.pgbackrestConfig, stanzaOf(world));
  if (view.known && view.value.stanza === 'ok') return command;
  if (view.known && view.value.stanza === 'foreign') return undefined;
  const before = world.files[layout.patroniConfig] ?? '';
  return before.includes('archive-push') ? command : undefined;
}

/** The store is gone, or has not said yet where it is. */
function withdraw(world: Snapshot): Decision[] {
  const { layout, services } = world;
  const why = 'no object store is related';
  const paths = [layout.pgbackrestConfig, layout.s3Ca].filter(
    (path) => world.files[path] !== undefined,
  );
  return [
    ...(services['pgbackrest']?.wantedUp
      ? [step('stop-service', { name: 'pgbackrest' }, why)]
      : []),
    ...(paths.length > 0 ? [step('remove-files', { paths }, why)] : []),
  ];
}

/** Where the others find this unit's database, from their own configuration. */
function places(world: Snapshot): Decision[] {
  const { layout, peers } = world;
  if (layout.data === undefined || peers.relationId === undefined) return [];
  const facts = { 'data-path': layout.data, 'socket-path': layout.run };
  const data = changedKeys(facts, peers.own);
  if (Object.keys(data).length === 0) return [];
  return [step('peer-set', { scope: 'unit', data }, 'a backup may be made from another unit')];
}

function wantedConfig(world: Snapshot, s3: S3Parameters): string | undefined {
  const { layout, unit, machine } = world;
  const options = validOptions(world);
  // While an option is refused, what is in force stays.
  if (options === undefined) return world.files[layout.pgbackrestConfig];
  if (unit.address === undefined || layout.data === undefined || !hasCertificate(world)) {
    return undefined;
  }
  const others = world.peers.others.flatMap(({ name, data, dying }) => {
    const { ip, 'data-path': path, 'socket-path': socket } = data;
    if (dying || !ip || !path || !socket) return [];
    return [{ address: ip, member: memberOfUnit(name), data: path, socket }];
  });
  const own = `${layout.run}/pgbackrest`;
  const tlsDigest = internalDigest(world);
  return pgbackrestConfig({
    stanza: stanzaOf(world),
    s3,
    ...storeTrust(world, s3),
    processes: options.backupProcesses ?? Math.max(1, Math.min(8, Math.floor(machine.cpus))),
    blockIncrement: machine.capabilities.blockIncrement,
    lock: `${own}/lock`,
    spool: `${own}/spool`,
    log: `${own}/log`,
    own: { address: unit.address, data: layout.data, socket: layout.run },
    tls: layout.tls,
    ...(tlsDigest === undefined ? {} : { tlsDigest }),
    port: PGBACKREST_PORT,
    others,
  });
}

/** Only where there is somebody to serve; it reads its file again when that changes. */
function server(world: Snapshot, config: string): Decision[] {
  const service = world.services['pgbackrest'];
  if (service === undefined || world.files[world.layout.pgbackrestConfig] !== config) return [];
  const wanted = world.peers.others.some(({ dying }) => !dying);
  if (!wanted) {
    return service.wantedUp
      ? [step('stop-service', { name: 'pgbackrest' }, 'no other unit is left to serve')]
      : [];
  }
  if (!service.wantedUp) {
    return [step('start-service', { name: 'pgbackrest' }, 'others may back up from here')];
  }
  const digest = digestOf(config);
  if (!service.running || service.loaded === digest) return [];
  return [step('reload-service', { name: 'pgbackrest', digest }, 'it has read an older file')];
}

/** In the reference's words, with the reason behind them. */
function findings(world: Snapshot): Decision[] {
  const view = probe(world, 'backup');
  const here = primaryOf(world)?.member === world.unit.member;
  if (!view.known) return here ? [maintenance('stanza-unknown', 'checking stanza')] : [];
  const { stanza, message } = view.value;
  switch (stanza) {
    case 'foreign':
      return [
        blocked('s3-foreign', `the S3 repository has backups from another cluster: ${message}`),
      ];
    case 'unreachable':
      return [
        blocked(
          's3-unreachable',
          `failed to access/create the bucket, check your S3 settings: ${message}`,
        ),
      ];
    case 'mismatch':
      return [
        blocked('stanza-failed', `failed to initialize stanza, check your S3 settings: ${message}`),
      ];
    case 'missing':
      return here ? [maintenance('stanza-missing', 'initialising stanza')] : [];
    case 'ok':
      return message === '' ? [] : [blocked('archiving-fails', message)];
  }
}
