/**
 * Certificates that a provider issues to this unit: asked for, renewed, put in force, given up.
 *
 * Nothing that serves is taken away before something better is there: while a provider is silent,
 * gone wrong or has taken a certificate back, the last good one stays in force and the status says
 * what is the matter. Each new request has a new key. Only the end of the relation ends TLS.
 */

import { transferRequest } from '../../../lib/relations/certificate-transfer.ts';
import { changedKeys } from '../../../lib/relations/databag.ts';
import { requestsData } from '../../../lib/relations/tls-certificates.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import {
  authorityFact,
  CERTIFICATE_ENDPOINTS,
  type CertificateEndpoint,
  certificateFiles,
  markerFile,
  type Offer,
  relationOf,
  restTrust,
} from '../model/certificates.ts';
import { clientTrust } from '../model/client-certificates.ts';
import { internalDigest } from '../model/internal-ca.ts';
import type { Relation, Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, type Decision, step, waiting } from '../model/steps.ts';
import { fileStep } from './file.ts';

export const certificates: Decider = (world) => [
  ...CERTIFICATE_ENDPOINTS.flatMap((endpoint) => {
    const relation = relationOf(world, endpoint);
    return relation === undefined ? withdraw(endpoint, world) : keep(endpoint, relation, world);
  }),
  ...trust(world),
  ...receive(world),
  ...authorityFacts(world),
];

/** Files of certificates that nothing names any more go when everybody has read that. */
export const certificateLeftovers: Decider = (world) => {
  const { layout, files, services, agent } = world;
  // PostgreSQL would look for them once more, if it reloads before Patroni has told it.
  if (!world.certificates.settled) return [];
  const patroni = files[layout.patroniConfig] ?? '';
  const desired = files[layout.desired] ?? '';
  if (services['patroni']?.running && services['patroni'].loaded !== digestOf(patroni)) return [];
  const generation = Number(/"generation": (\d+)/.exec(desired)?.[1] ?? 0);
  if (!agent.known || agent.value.generation < generation) return [];
  const kept = CERTIFICATE_ENDPOINTS.flatMap((endpoint) => {
    const { held, offer } = world.certificates.endpoints[endpoint];
    return [held?.id, offer?.id].filter((id) => id !== undefined);
  });
  const trusted = [restTrust(world)?.path, clientTrust(world)?.path];
  const own = internalDigest(world);
  const paths = Object.keys(files).filter((path) => {
    const id = /\/tls\/(?:client|peer|internal)-(?:ca-)?([0-9a-f]{16})\.[a-z.]+$/.exec(path)?.[1];
    if (id === undefined || [...kept, own].includes(id) || trusted.includes(path)) return false;
    return !patroni.includes(path) && !desired.includes(path);
  });
  if (paths.length === 0) return [];
  return [step('remove-files', { paths }, 'nothing uses these certificates any more')];
};

function keep(endpoint: CertificateEndpoint, relation: Relation, world: Snapshot): Decision[] {
  const names = wantedNames(endpoint, world);
  if (names === undefined) return [];
  const { request, offer } = world.certificates.endpoints[endpoint];
  const why = reasonToAsk(request, offer, JSON.stringify(names));
  if (why !== undefined) {
    const args = { endpoint, commonName: names[0] ?? '', names };
    return [step('request-certificate', args, `${endpoint}: ${why}`)];
  }
  const asked = requestsData([{ csr: request?.csr ?? '', isCa: false }]);
  const data = changedKeys(asked, relation.localUnit);
  const bag = { endpoint, relationId: relation.id, scope: 'unit', data } as const;
  return [
    ...(Object.keys(data).length === 0
      ? []
      : [step('relation-set', bag, `${relation.app} is asked for a certificate`)]),
    ...putInForce(endpoint, offer, world),
    ...findings(endpoint, relation, world),
  ];
}

/**
 * The name that clients use first; addresses stand among the names too. The pooler listens where
 * the peers come, so that address is among a client's as well.
 */
function wantedNames(endpoint: CertificateEndpoint, world: Snapshot): string[] | undefined {
  const { unit, certificates: held } = world;
  if (unit.address === undefined) return undefined;
  const first =
    endpoint === 'client-certificates' ? (unit.clientAddress ?? unit.address) : unit.address;
  const all = [first, unit.member, unit.address, held.hostName];
  return [...new Set(all.filter((name) => name !== undefined))];
}

/** Why a new key and a new request are needed; undefined when the last one stands. */
function reasonToAsk(
  request: { names: string } | undefined,
  offer: Offer | undefined,
  names: string,
): string | undefined {
  if (request === undefined) return 'this unit has no key yet';
  if (request.names !== names) return 'the names of this unit have changed';
  if (offer?.revoked) return 'the certificate was revoked';
  return offer?.due ? 'the certificate has to be renewed' : undefined;
}

/** Its files first; the marker makes them count once they are all there. */
function putInForce(
  endpoint: CertificateEndpoint,
  offer: Offer | undefined,
  world: Snapshot,
): Decision[] {
  const { held } = world.certificates.endpoints[endpoint];
  if (offer === undefined || offer.fault !== undefined || offer.revoked) return [];
  if (held?.id === offer.id) return [];
  const { cert, key } = certificateFiles(world.layout, endpoint, offer.id);
  const why = `${endpoint}: another certificate was issued`;
  const owner = 'servers' as const;
  const files = [
    ...fileStep(world, { path: key, text: offer.key.reveal(), owner }, why),
    ...fileStep(world, { path: cert, text: offer.chain, owner, mode: 0o644 }, why),
  ];
  if (files.length > 0) return files;
  const text = `${JSON.stringify({ id: offer.id, authority: offer.authority })}\n`;
  return fileStep(
    world,
    { path: markerFile(world.layout, endpoint), text, owner: 'charm', mode: 0o644 },
    why,
  );
}

function findings(endpoint: CertificateEndpoint, { app }: Relation, world: Snapshot): Decision[] {
  const { offer, held } = world.certificates.endpoints[endpoint];
  if (offer?.fault === 'other-key' || offer?.fault === 'other-authority') {
    const what = offer.fault === 'other-key' ? 'another key' : 'another CA than it names';
    return [
      blocked(
        'certificate-mismatch',
        `${endpoint}: the certificate that ${app} gave is for ${what}`,
      ),
    ];
  }
  if (held?.expired) {
    const cure = `${app} has to issue another, or remove the relation`;
    return [blocked('certificate-expired', `${endpoint}: the certificate has expired; ${cure}`)];
  }
  // One that is in force goes on serving while the provider takes its time, or is gone.
  if (held !== undefined) return [];
  return [waiting('certificate-missing', `waiting for ${app} to issue a certificate`)];
}

/** The relation has ended: first nothing counts any more, then nothing names it. */
function withdraw(endpoint: CertificateEndpoint, world: Snapshot): Decision[] {
  const { request } = world.certificates.endpoints[endpoint];
  const why = `nobody issues ${endpoint} any more`;
  const marker = markerFile(world.layout, endpoint);
  return [
    ...(request === undefined ? [] : [step('forget-request', { endpoint }, why)]),
    // Last: the secret of a unit without relation and marker is not looked for.
    ...(request === undefined && world.files[marker] !== undefined
      ? [step('remove-files', { paths: [marker] }, why)]
      : []),
  ];
}

/** Whom members trust at Patroni's REST interface, and who vouches for clients. */
function trust(world: Snapshot): Decision[] {
  const members = restTrust(world);
  const clients = clientTrust(world);
  const file = (bundle: { path: string; text: string }, why: string) =>
    fileStep(world, { ...bundle, owner: 'servers', mode: 0o644 }, why);
  return [
    ...(members === undefined ? [] : file(members, 'the CAs of the members have changed')),
    ...(clients === undefined ? [] : file(clients, 'clients offer other certificates')),
  ];
}

/** `receive-ca-cert`: its providers are told that both versions of the interface are read here. */
function receive(world: Snapshot): Decision[] {
  if (!world.unit.isLeader) return [];
  const related = world.relations.filter((each) => each.endpoint === 'receive-ca-cert');
  return related.flatMap(({ endpoint, id, app, ending, localApp }) => {
    const data = ending ? {} : changedKeys(transferRequest(), localApp);
    if (Object.keys(data).length === 0) return [];
    const args = { endpoint, relationId: id, scope: 'app', data } as const;
    return [step('relation-set', args, `${app} may name all of its CAs`)];
  });
}

/** The others and their clients trust whom a unit shows, also while it is the only one. */
function authorityFacts(world: Snapshot): Decision[] {
  if (world.peers.relationId === undefined) return [];
  const wanted = CERTIFICATE_ENDPOINTS.map((endpoint) => {
    const related = relationOf(world, endpoint) !== undefined;
    const { held } = world.certificates.endpoints[endpoint];
    return [authorityFact(endpoint), related ? held?.authority : undefined] as const;
  });
  const data = changedKeys(Object.fromEntries(wanted), world.peers.own);
  if (Object.keys(data).length === 0) return [];
  return [step('peer-set', { scope: 'unit', data }, 'others trust whom this unit shows')];
}
