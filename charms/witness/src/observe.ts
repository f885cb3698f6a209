/** Reads what this charm decides by: the contract, its files, its etcd. Changes nothing. */
import { join } from 'node:path';
import { endingOf } from '../../../lib/charm/workload.ts';
import type { WorkloadTools } from '../../../lib/charm/workload-steps.ts';
import { run } from '../../../lib/machine/run.ts';
import { clientUrl } from '../../../lib/relations/etcd-member.ts';
import {
  AUTHORITY_FIELD,
  certificateField,
  readOffer,
} from '../../../lib/relations/postgresql-watcher.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { readNow, statNow } from '../../../lib/std/files.ts';
import { keyFits } from '../../../lib/x509/inspect.ts';
import { METRICS, WATCHER } from './decide.ts';
import { type Answer, type Places, type Relation, SERVICE, type World } from './world.ts';

export type Tools = WorkloadTools;

/** Made by Debian's package. */
const USER = 'etcd';
const PROGRAMS = {
  'etcd-server': '/usr/bin/etcd',
  'etcd-client': '/usr/bin/etcdctl',
  runit: '/usr/bin/runsvdir',
};
const ASK_MS = 10_000;

export async function observe(tools: Tools): Promise<World> {
  const { hooks, context, services, root } = tools;
  const places = placesOf(root);
  const [network, relation, metrics, service, supervised] = await Promise.all([
    hooks.networkGet(WATCHER).catch(() => undefined),
    relationOf(tools),
    metricsOf(tools),
    services.state(SERVICE),
    services.supervised(),
  ]);
  const address = network?.bindAddresses[0]?.addresses[0]?.value;
  const ending = endingOf(context);
  const isToEnd = ending !== 'none' || relation === undefined || relation.ending;
  const request = requestOf(places);
  const sources = (network?.egressSubnets ?? []).flatMap(
    (subnet) => /^([^/]+)\/(?:32|128)$/.exec(subnet)?.[1] ?? [],
  );
  return {
    model: context.model,
    app: context.app,
    unit: context.unit,
    address,
    zone: context.availabilityZone === '' ? undefined : context.availabilityZone,
    sources,
    missingPackages: Object.entries(PROGRAMS)
      .filter(([, path]) => statNow(path) === undefined)
      .map(([name]) => name),
    user: process.getuid?.() === 0 ? USER : undefined,
    places,
    relation,
    metrics,
    request,
    answer: request === undefined ? undefined : await answerOf(tools, relation, request.csr),
    held: heldOf(places),
    loadedAuthority: readNow(readByEtcd(root)),
    config: readNow(places.config),
    hasData: statNow(join(places.data, 'member')) !== undefined,
    services: { [SERVICE]: service },
    supervised,
    openPorts: [],
    counts: isToEnd && service?.running === true && (await counts(places, address)),
    ending,
  };
}

export function placesOf(root: string): Places {
  return {
    config: join(root, 'etcd.yaml'),
    data: join(root, 'data'),
    requestKey: join(root, 'request', 'key.pem'),
    request: join(root, 'request', 'request.json'),
    tls: {
      ca: join(root, 'tls', 'ca.pem'),
      cert: join(root, 'tls', 'cert.pem'),
      key: join(root, 'tls', 'key.pem'),
    },
  };
}

/** What lay at `tls.ca` when the running etcd was started; see ServiceSpec.reads. */
export function readByEtcd(root: string): string {
  return join(root, 'service', SERVICE, 'read');
}

async function relationOf({ hooks, context }: Tools): Promise<Relation | undefined> {
  const [id] = await hooks.relationIds(WATCHER);
  if (id === undefined) return undefined;
  const ending = context.name === `${WATCHER}-relation-broken`;
  const [app = '', local] = await Promise.all([
    hooks.relationApp(WATCHER, id),
    hooks.relationGet(WATCHER, id, context.unit),
  ]);
  const said = app === '' ? {} : await hooks.relationGet(WATCHER, id, app, 'app');
  return { id, app, ending, local, offer: readOffer(said) };
}

async function metricsOf({ hooks, context }: Tools): Promise<World['metrics']> {
  const broken = context.name === `${METRICS}-relation-broken` ? context.relation?.id : undefined;
  const ids = (await hooks.relationIds(METRICS)).filter((id) => id !== broken);
  return Promise.all(
    ids.map(async (id) => ({ id, local: await hooks.relationGet(METRICS, id, context.unit) })),
  );
}

function requestOf({ request, requestKey }: Places): World['request'] {
  const text = readNow(request);
  if (text === undefined || statNow(requestKey) === undefined) return undefined;
  return JSON.parse(text) as World['request'];
}

async function answerOf(
  { hooks }: Tools,
  relation: Relation | undefined,
  csr: string,
): Promise<Answer | undefined> {
  const uri = relation?.ending ? undefined : relation?.offer?.certificates;
  if (uri === undefined) return undefined;
  // The newest revision, and with it the wish to hear of the next one.
  const content = await hooks.secretGet({ id: uri }, 'refresh');
  const certificate = content?.[certificateField(digestOf(csr))];
  const authority = content?.[AUTHORITY_FIELD];
  return certificate && authority ? { authority, certificate } : undefined;
}

function heldOf({ tls }: Places): Answer | undefined {
  const [authority, certificate, key] = [tls.ca, tls.cert, tls.key].map(readNow);
  if (authority === undefined || certificate === undefined || key === undefined) return undefined;
  return keyFits(certificate, key) ? { authority, certificate } : undefined;
}

/** It answers what only a majority can: not when it was taken out, or its cluster is gone. */
export async function counts(places: Places, address: string | undefined): Promise<boolean> {
  if (address === undefined) return false;
  const { ca, cert, key } = places.tls;
  const who = ['--endpoints', clientUrl(address), '--cacert', ca, '--cert', cert, '--key', key];
  const options = { timeoutMs: ASK_MS, env: { ETCDCTL_API: '3' }, accept: [0, 1, 124, 128] };
  const { exitCode } = await run('etcdctl', [...who, 'endpoint', 'health'], options);
  return exitCode === 0;
}
