/** The pulse of a primary whose connection falls silent: what counts as lost, and what heals. */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { poll } from '../../../lib/std/clock.ts';
import { logTo } from '../../../lib/std/log.ts';
import { Facts } from '../../../src/agent/facts.ts';
import { PulseWatch } from '../../../src/agent/watch/pulse.ts';
import type { ClusterView } from '../../../src/charm/model/world.ts';
import type { SqlPort } from '../../../src/charm/workload/ports.ts';

const ADDRESS = '10.0.0.11';
const NO_LEADER: ClusterView = {
  initialized: '7',
  members: [],
  dynamic: {},
  paused: false,
  failsafe: true,
};

/** A server, and a network that loses what is sent over the connections of before. */
class Network {
  logins = 0;
  isCut = false;
  #dead = new Set<number>();

  async sqlAt(): Promise<SqlPort> {
    this.logins += 1;
    const number = this.logins;
    if (this.isCut) throw new Error('connect ETIMEDOUT');
    const closed = Promise.withResolvers<void>();
    return {
      query: <Row>() =>
        this.isCut || this.#dead.has(number)
          ? new Promise<Row[]>((_, reject) =>
              closed.promise.then(() => reject(new Error('closed'))),
            )
          : Promise.resolve([{ replica: false }] as Row[]),
      queryAll: async () => [],
      close: async () => closed.resolve(),
      closed: closed.promise,
    };
  }

  /** What is open now is never heard again, as after a change of this unit's address. */
  cut(): void {
    this.isCut = true;
    for (let number = 1; number <= this.logins; number++) this.#dead.add(number);
  }
}

describe('the pulse of a primary', () => {
  let watch: PulseWatch | undefined;
  afterEach(() => watch?.stop());

  test('a connection that is never heard again is replaced by one that gets through', async () => {
    const facts = new Facts();
    const network = new Network();
    // Patroni names no primary: less silence is enough.
    facts.set('patroni', { known: true, value: NO_LEADER });
    watch = new PulseWatch(
      facts,
      network,
      logTo(() => undefined),
      () => ADDRESS,
    );
    const becomes = async (state: string) => {
      const probe = async () => (facts.now.pulse?.state === state ? true : undefined);
      assert.ok(await poll(probe, { timeoutMs: 60_000, everyMs: 20 }), state);
    };
    watch.loop.start();
    await becomes('beating');
    network.cut();
    await becomes('lost');
    network.isCut = false;
    await becomes('beating');
  });
});
