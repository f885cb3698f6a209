/**
 * What all tools of one execution share: whose hook it is, what it has asked for and not yet
 * committed, and what it has read and must keep seeing the same.
 *
 * Reads the store; writes nothing itself.
 */
import type { ConfigOptions, ConfigValue } from '../../../lib/contract/config.ts';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import type { RelationChoice } from '../../../lib/contract/tools/schema.ts';
import type { Store } from '../state/store.ts';
import { emptyPending, type Pending } from './pending.ts';
import type { RemoteBags } from './remote-bags.ts';
import type { SessionSinks, SessionSpec } from './session.ts';

/** A tool that could not do what was asked: exit code 1. */
export class ToolFailure extends Error {
  override readonly name = 'ToolFailure';
}

export interface RelationView {
  id: number;
  peer: boolean;
  /** The own side's endpoint. */
  endpoint: string;
  /** For a peer relation the own application. */
  remoteApp: string;
}

export interface Machine {
  id: string;
  kind: string;
  address: string;
}

export class Execution {
  readonly store: Store;
  readonly spec: SessionSpec;
  readonly sinks: SessionSinks;
  readonly unit: string;
  readonly application: string;
  readonly machine: Machine;
  readonly pending: Pending = emptyPending();
  /** Databags that this hook has read and sees unchanged until it ends. */
  readonly bagsRead = new Map<string, Record<string, string>>();
  readonly remoteBags: RemoteBags | undefined;
  /** As the first config-get found it; a later change is the next hook's. */
  config: { options: ConfigOptions; set: Record<string, ConfigValue> } | undefined;
  /** Once not the leader, never the leader again within one hook. */
  #minion = false;
  #reboot: 'none' | 'after' | 'now' = 'none';

  constructor(store: Store, spec: SessionSpec, sinks: SessionSinks) {
    const row = store.get<{ application: string; id: string; kind: string; address: string }>(
      `SELECT u.application, m.id, m.kind, m.address FROM unit u
       JOIN machine m ON m.id = u.machine_id WHERE u.name = ?`,
      spec.unit,
    );
    if (row === undefined) throw new Error(`no unit ${spec.unit} in the store`);
    this.store = store;
    this.spec = spec;
    this.sinks = sinks;
    this.unit = spec.unit;
    this.application = row.application;
    this.machine = { id: row.id, kind: row.kind, address: row.address };
    this.remoteBags = spec.remoteBags;
    if (spec.hook !== undefined) this.remoteBags?.prepare(spec.hook);
  }

  now(): number {
    return this.sinks.now?.() ?? Date.now();
  }

  isLeader(): boolean {
    if (this.#minion) return false;
    const lease = this.store.get<{ unit: string; expires: number }>(
      'SELECT unit, expires FROM lease WHERE application = ?',
      this.application,
    );
    const leads = lease?.unit === this.unit && lease.expires > this.now();
    this.#minion = !leads;
    return leads;
  }

  requireLeader(): void {
    if (!this.isLeader()) throw new ToolFailure('this unit is not the leader');
  }

  askForReboot(when: 'after' | 'now'): void {
    this.#reboot = when;
  }

  get reboot(): 'none' | 'after' | 'now' {
    return this.#reboot;
  }

  /** Relations whose scope the unit is in, by number. */
  relations(): RelationView[] {
    return this.store
      .all<{ id: number; kind: string; endpoint: string; remote: string | null }>(
        `SELECT r.id, r.kind, own.endpoint, other.application AS remote
         FROM relation_unit ru JOIN relation r ON r.id = ru.relation_id
         JOIN relation_endpoint own ON own.relation_id = r.id AND own.application = ?2
         LEFT JOIN relation_endpoint other
           ON other.relation_id = r.id AND NOT (other.application = own.application
              AND other.endpoint = own.endpoint)
         WHERE ru.unit = ?1 AND ru.in_scope = 1 AND r.life <> 'dead' ORDER BY r.id`,
        this.unit,
        this.application,
      )
      .map((row) => ({
        id: row.id,
        peer: row.kind === 'peer',
        endpoint: row.endpoint,
        remoteApp: row.remote ?? this.application,
      }));
  }

  relation(id: number): RelationView | undefined {
    return this.relations().find((candidate) => candidate.id === id);
  }

  /** Why a value of `-r` cannot be taken, in Juju's words. */
  relationProblem(text: string): string | undefined {
    const id = relationNumber(text);
    if (id === undefined) return 'invalid relation id';
    return this.relation(id) === undefined ? 'relation not found' : undefined;
  }

  /** @throws UsageError when neither the words nor the hook name one */
  relationOf({ relation }: RelationChoice): RelationView {
    const id = relation === undefined ? this.spec.hook?.relationId : relationNumber(relation);
    if (id === undefined) throw new UsageError('no relation id specified');
    const view = this.relation(id);
    if (view === undefined) throw new ToolFailure('relation not found');
    return view;
  }
}

/** Only what follows the last colon counts. */
function relationNumber(text: string): number | undefined {
  const digits = text.slice(text.lastIndexOf(':') + 1);
  return /^\d{1,15}$/.test(digits) ? Number(digits) : undefined;
}
