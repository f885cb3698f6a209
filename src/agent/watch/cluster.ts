/**
 * Watches Patroni: who is in the cluster and in which role, its dynamic configuration, and whether
 * it was ever initialised. Asks its own Patroni first, then others; quickly while things change.
 */
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { Desired } from '../../charm/model/desired.ts';
import { type ClusterView, known, type Observed, unknown } from '../../charm/model/world.ts';
import type { Clients } from '../clients.ts';
import { memberOf } from '../decide/cluster.ts';
import type { Facts } from '../facts.ts';
import { Loop } from '../loop.ts';
import { Steady } from './steady.ts';

const QUICK_MS = 200;
/** While nobody answers. */
const SEARCH_MS = 1000;
/** Each look costs both sides a TLS handshake, and the watch on the keys tells what is urgent. */
const CALM_MS = 2000;
/** How long after a change the quick pace is kept. */
const QUICK_FOR_MS = 5000;
/** The configuration changes only by us or an operator, and the watch on its key tells. */
const CONFIG_EVERY_MS = 10_000;

export interface ClusterWatch {
  loop: Loop;
  /** The key of the configuration or of the initialisation has changed: read them again. */
  configChanged(): void;
}

export function watchCluster(facts: Facts, clients: Clients, log: Log): ClusterWatch {
  let changedAt = Date.now();
  let configAt = 0;
  const steady = new Steady();
  let slow: (Initialization & { dynamic: Record<string, unknown> }) | undefined;

  const observe = async (): Promise<Observed<ClusterView>> => {
    const desired = clients.desired;
    const cluster = await clients
      .patroni()
      .cluster()
      .catch((error: unknown) => messageOf(error));
    if (typeof cluster === 'string') return beforePatroni(clients, desired, cluster);
    if (slow === undefined || Date.now() - configAt > CONFIG_EVERY_MS) {
      slow = {
        dynamic: await clients
          .patroni()
          .config()
          .catch(() => slow?.dynamic ?? {}),
        ...(await initialization(clients, desired).catch(() => ({
          initialized: slow?.initialized,
        }))),
      };
      configAt = Date.now();
    }
    const members = cluster.members.map(memberOf);
    // A new cluster gets its key and its first members at nearly the same time.
    if (slow.initialized === undefined || !('ttl' in slow.dynamic)) configAt = 0;
    return known({
      ...slow,
      members,
      paused: cluster.pause ?? false,
      failsafe: slow.dynamic['failsafe_mode'] === true,
    });
  };
  const loop = new Loop({
    name: 'watch of the cluster',
    log,
    everyMs() {
      const lost = leaderless(facts) || facts.now.pulse?.state === 'lost';
      if (lost || Date.now() - changedAt < QUICK_FOR_MS) return QUICK_MS;
      return facts.now.patroni.known ? CALM_MS : SEARCH_MS;
    },
    async run() {
      const before = shape(facts.now.patroni);
      const answer = await observe().catch((error: unknown) => unknown(messageOf(error)));
      const seen = steady.settle(facts.now.patroni, answer);
      facts.set('patroni', seen);
      if (shape(seen) !== before) changedAt = Date.now();
    },
  });
  return {
    loop,
    configChanged() {
      configAt = 0;
      loop.nudge();
    },
  };
}

function leaderless({ now }: Facts): boolean {
  if (!now.patroni.known || now.patroni.value.members.length === 0) return false;
  return !now.patroni.value.members.some(({ role }) => role === 'primary');
}

/** What makes a change worth a closer look: not the lag, which never rests. */
function shape(observed: Observed<ClusterView>): string {
  if (!observed.known) return 'unknown';
  return JSON.stringify(observed.value.members.map((m) => [m.name, m.role, m.state, m.timeline]));
}

/**
 * While no Patroni answers, its keys in etcd still say whether there is a cluster: a unit that is
 * about to start the first Patroni needs to know that there is none.
 */
async function beforePatroni(
  clients: Clients,
  desired: Desired,
  reason: string,
): Promise<Observed<ClusterView>> {
  const prefix = dcsPrefix(desired);
  const keys = await clients
    .etcd()
    .range(prefix)
    .catch(() => undefined);
  if (keys === undefined) return unknown(reason);
  const alive = keys.some(({ key }) => key.startsWith(`${prefix}members/`));
  if (alive) return unknown(reason);
  const value = keys.find(({ key }) => key === `${prefix}initialize`)?.value;
  return known({
    ...readInitialization(value),
    members: [],
    dynamic: {},
    paused: false,
    failsafe: false,
  });
}

type Initialization = Pick<ClusterView, 'initialized' | 'founding'>;

async function initialization(clients: Clients, desired: Desired): Promise<Initialization> {
  const entry = await clients.etcd().get(`${dcsPrefix(desired)}initialize`);
  return readInitialization(entry?.value);
}

/** Patroni writes an empty value before it runs initdb, and the identifier when all is done. */
function readInitialization(value: string | undefined): Initialization {
  if (value === '') return { initialized: undefined, founding: true };
  return { initialized: value };
}

/** Where Patroni keeps its keys: `/db/postgresql/`. */
export function dcsPrefix({ patroni }: Desired): string {
  return `/${patroni.namespace.replace(/^\/+|\/+$/g, '')}/${patroni.scope}/`;
}
