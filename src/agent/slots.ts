/**
 * Makes the replication slots of the other members as soon as Patroni names this one the leader,
 * once for each time that it begins to lead; which they are is decided in decide/slots.ts. Patroni
 * wants the same slots and leaves them alone. Drops none.
 */
import { messageOf } from '../../lib/std/errors.ts';
import type { Log } from '../../lib/std/log.ts';
import type { Clients } from './clients.ts';
import { slotsOfReplicas } from './decide/slots.ts';
import type { Facts } from './facts.ts';
import { Loop } from './loop.ts';

const CALM_MS = 5000;
const QUICK_MS = 200;
/** Beyond this Patroni has made them itself. */
const ATTEMPTS = 10;
const TIMEOUT_MS = 2000;

/** Also on a server that is still in recovery: a replica may follow it from then on. */
const MAKE = `SELECT pg_catalog.pg_create_physical_replication_slot(name, true)
  FROM pg_catalog.unnest($1::text[]) name WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = name)`;

export function keepSlots(facts: Facts, clients: Clients, log: Log): Loop {
  let attempts = 0;
  let made = false;
  return new Loop({
    name: 'slots of the replicas',
    log,
    everyMs: () => (made || attempts === 0 ? CALM_MS : QUICK_MS),
    async run() {
      const names = slotsOfReplicas(facts.now.patroni, clients.desired.unit.member);
      if (names === undefined) {
        attempts = 0;
        made = false;
        return;
      }
      if (made) return;
      attempts += 1;
      made = await make(clients, names).catch((error: unknown) => {
        // A server that is being promoted may refuse for a moment.
        log.debug(`no slots for replicas yet: ${messageOf(error)}`);
        return attempts >= ATTEMPTS;
      });
    },
  });
}

/** @returns true */
async function make(clients: Clients, names: readonly string[]): Promise<true> {
  const sql = await clients.localSql(TIMEOUT_MS);
  try {
    await sql.query(MAKE, [names]);
    return true;
  } finally {
    await sql.close().catch(() => undefined);
  }
}
