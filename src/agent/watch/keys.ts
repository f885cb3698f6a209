/**
 * A standing watch on the few keys whose change must be noticed at once: Patroni's leader, its
 * configuration, and the record of work. Only nudges; what is read is read by the other watches.
 */
import type { Log } from '../../../lib/std/log.ts';
import type { Clients } from '../clients.ts';
import { workKey } from '../work/record.ts';
import { dcsPrefix } from './cluster.ts';

const RETRY_MS = 1000;
/** After a watch that had stood: its voter is gone, perhaps with the primary; others are there. */
const AGAIN_MS = 50;
/** For one of the voters to answer. */
const FIND_MS = 5000;

export interface KeyListeners {
  /** Leader, synchronous members, or a demand for a switchover. */
  topology(): void;
  /** Dynamic configuration or initialisation. */
  config(): void;
  work(): void;
}

export class KeyWatch {
  readonly #clients: Clients;
  readonly #listeners: KeyListeners;
  readonly #log: Log;
  #stop = new AbortController();
  #ended: Promise<void> | undefined;

  constructor(clients: Clients, listeners: KeyListeners, log: Log) {
    this.#clients = clients;
    this.#listeners = listeners;
    this.#log = log;
  }

  /** Begins, or begins anew with other endpoints. */
  restart(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#ended = this.#run(signal);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const stood = { yet: false };
      try {
        await this.#watch(signal, () => {
          stood.yet = true;
        });
      } catch (error) {
        if (!signal.aborted) this.#log.debug('watch of etcd ended', { error: String(error) });
      }
      if (signal.aborted) return;
      await pause(stood.yet ? AGAIN_MS : RETRY_MS, signal);
    }
  }

  async #watch(signal: AbortSignal, stands: () => void): Promise<void> {
    const { desired } = this.#clients;
    const dcs = dcsPrefix(desired);
    const topology = ['leader', 'sync', 'failover'].map((name) => `${dcs}${name}`);
    const work = workKey(desired.unit.app);
    const keys = [...topology, `${dcs}config`, `${dcs}initialize`, work];
    const etcd = this.#clients.etcd();
    // A watch goes to the voter that answered last, and does not look for another.
    await Promise.race([etcd.get(`${dcs}leader`), pause(FIND_MS, signal)]);
    await etcd.watch(
      {
        keys,
        onReady: () => {
          stands();
          // What changed before the watch stood has to be read once.
          this.#listeners.config();
          this.#listeners.work();
        },
        onChange: (key) => {
          if (key === work) this.#listeners.work();
          else if (topology.includes(key)) this.#listeners.topology();
          else this.#listeners.config();
        },
      },
      signal,
    );
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
