/**
 * The controller's memory: one SQLite file, WAL, one transaction per mutation.
 *
 * Refuses a file of a newer schema. Whoever wants to react to changes listens with onChange: it is
 * called once after each outermost transaction that wrote.
 */
import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { OperatorError } from '../../../lib/std/errors.ts';
import { migrations } from './migrations.ts';

export type Row = Record<string, SQLInputValue>;

export class Store {
  readonly db: DatabaseSync;
  #depth = 0;
  #dirty = false;
  readonly #statements = new Map<string, StatementSync>();
  readonly #listeners = new Set<() => void>();

  /** @param path file, created (0600, directory 0700) when missing; ':memory:' in tests */
  constructor(path: string) {
    if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    this.db = new DatabaseSync(path);
    if (path !== ':memory:') chmodSync(path, 0o600);
    this.db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    this.db.exec('PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;');
    this.#migrate(path);
  }

  all<T = Row>(sql: string, ...params: SQLInputValue[]): T[] {
    return this.#prepare(sql).all(...params) as T[];
  }

  get<T = Row>(sql: string, ...params: SQLInputValue[]): T | undefined {
    return this.#prepare(sql).get(...params) as T | undefined;
  }

  /** One write; in a transaction of its own unless one is open. @returns rows changed */
  run(sql: string, ...params: SQLInputValue[]): number {
    const changes = Number(this.#prepare(sql).run(...params).changes);
    if (changes > 0) this.#wrote();
    return changes;
  }

  /** All or nothing. A call within a transaction joins it. `work` must not await. */
  tx<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    this.db.exec('BEGIN IMMEDIATE');
    this.#depth += 1;
    let result: T;
    try {
      result = work();
      this.db.exec('COMMIT');
    } catch (error) {
      this.#dirty = false;
      // On a full disk SQLite has ended it already; a second end would hide why.
      if (this.db.isTransaction) this.db.exec('ROLLBACK');
      throw error;
    } finally {
      this.#depth -= 1;
    }
    this.#notify();
    return result;
  }

  /** The next number of a sequence, from 0 unless the first use names another start. */
  nextNumber(sequence: string, start = 0): number {
    const row = this.get<{ next: number }>(
      `INSERT INTO sequence (name, next) VALUES (?, ?)
       ON CONFLICT (name) DO UPDATE SET next = next + 1 RETURNING next`,
      sequence,
      start + 1,
    );
    this.#wrote();
    return (row?.next ?? start + 1) - 1;
  }

  meta(key: string): string | undefined {
    return this.get<{ value: string }>('SELECT value FROM meta WHERE key = ?', key)?.value;
  }

  setMeta(key: string, value: string): void {
    this.run(
      'INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
      key,
      value,
    );
  }

  /** @returns a function that ends the subscription */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#statements.clear();
    this.db.close();
  }

  #prepare(sql: string): StatementSync {
    const cached = this.#statements.get(sql);
    if (cached !== undefined) return cached;
    const statement = this.db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #wrote(): void {
    this.#dirty = true;
    if (this.#depth === 0) this.#notify();
  }

  #notify(): void {
    if (!this.#dirty) return;
    this.#dirty = false;
    for (const listener of this.#listeners) listener();
  }

  #migrate(path: string): void {
    const row = this.get<{ user_version: number }>('PRAGMA user_version');
    const from = row?.user_version ?? 0;
    if (from > migrations.length) {
      throw new OperatorError({
        code: 'store-too-new',
        message: `cannot open ${path}: it was written by a newer controller (schema ${from})`,
        hint: 'start the newer version, or choose another PGCHARM_DIR',
        retry: 'never',
      });
    }
    for (const [index, migration] of migrations.entries()) {
      if (index < from) continue;
      this.tx(() => {
        this.db.exec(migration);
        this.db.exec(`PRAGMA user_version = ${index + 1}`);
      });
    }
  }
}
