/**
 * Leadership: one lease per application, 60 s, renewed once half of it is over while the holder's
 * agent can run. Never two leaders; there may be none until a dead leader's lease has run out.
 */
import type { Store } from '../state/store.ts';

export const LEASE_MS = 60_000;
const RENEW_AT_MS = 30_000;

interface Candidate {
  name: string;
  started: number;
  installed: number;
}

/** Renews, takes away and grants leases. Call it inside a transaction. */
export function keepLeases(store: Store, now: number): void {
  const applications = store.all<{ name: string; unit: string | null; expires: number | null }>(
    `SELECT a.name, l.unit, l.expires FROM application a
     LEFT JOIN lease l ON l.application = a.name`,
  );
  for (const { name, unit, expires } of applications) {
    const held = unit === null || expires === null ? undefined : { unit, expires };
    keepLease(store, name, held, now);
  }
  store.run('DELETE FROM lease WHERE application NOT IN (SELECT name FROM application)');
}

function keepLease(
  store: Store,
  application: string,
  held: { unit: string; expires: number } | undefined,
  now: number,
): void {
  if (held !== undefined) {
    const state = holderState(store, held.unit);
    if (state === 'gone') release(store, application);
    else {
      if (state === 'able') {
        if (held.expires - now <= RENEW_AT_MS) grant(store, application, held.unit, now);
        return;
      }
      if (held.expires > now) return; // It may still believe that it leads.
    }
  }
  const next = candidates(store, application)[0];
  if (next !== undefined) grant(store, application, next.name, now);
}

/** Gives a lease up; the next keepLeases grants it to another unit. */
export function release(store: Store, application: string): void {
  store.run('DELETE FROM lease WHERE application = ?', application);
}

/**
 * able: renews its lease. silent: may believe that it leads but cannot say so. gone: cannot lead,
 * and knows it.
 */
function holderState(store: Store, unit: string): 'able' | 'silent' | 'gone' {
  const row = store.get<{ life: string; accepted: number; power: string }>(
    `SELECT u.life, u.leader_accepted AS accepted, m.power FROM unit u
     JOIN machine m ON m.id = u.machine_id WHERE u.name = ?`,
    unit,
  );
  if (row === undefined) return 'gone';
  if (row.life !== 'alive') return row.accepted === 0 ? 'gone' : 'silent';
  return row.power === 'on' ? 'able' : 'silent';
}

/** Units that run come before units that do not yet; then the lowest number. */
function candidates(store: Store, application: string): Candidate[] {
  return store.all<Candidate>(
    `SELECT u.name, u.started, u.installed FROM unit u JOIN machine m ON m.id = u.machine_id
     WHERE u.application = ? AND u.life = 'alive' AND m.power = 'on'
     ORDER BY u.started DESC, u.installed DESC, u.number`,
    application,
  );
}

function grant(store: Store, application: string, unit: string, now: number): void {
  store.run(
    `INSERT INTO lease VALUES (?, ?, ?)
     ON CONFLICT (application) DO UPDATE SET unit = excluded.unit, expires = excluded.expires`,
    application,
    unit,
    now + LEASE_MS,
  );
}
