/**
 * The agent's adapters to etcd, Patroni and the other agents, made when first needed and made anew
 * when addresses, passwords or certificates change. Decides nothing.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { OperatorError } from '../../lib/std/errors.ts';
import { Secret } from '../../lib/std/secret.ts';
import type { Desired, Member } from '../charm/model/desired.ts';
import { createEtcd } from '../charm/workload/etcd.ts';
import type { HttpPort } from '../charm/workload/http.ts';
import { createHttps } from '../charm/workload/https.ts';
import { bracket, createPatroni } from '../charm/workload/patroni.ts';
import type { EtcdPort, PatroniPort, SqlPort } from '../charm/workload/ports.ts';
import { connectSql } from '../charm/workload/sql.ts';

export const AGENT_PORT = 8009;
const PROBE_TIMEOUT_MS = 3000;

export class Clients {
  #desired: Desired | undefined;
  #key = '';
  #made = new Map<string, { close(): void }>();

  /** @returns true when something that connections depend on has changed */
  update(desired: Desired): boolean {
    const { tls } = desired.paths;
    const key = JSON.stringify([
      desired.etcd,
      desired.patroni,
      desired.members,
      [tls.ca, tls.cert, tls.key].map(digest),
    ]);
    this.#desired = desired;
    if (key === this.#key) return false;
    this.#key = key;
    this.close();
    return true;
  }

  get desired(): Desired {
    if (this.#desired === undefined) {
      throw new OperatorError({
        code: 'not-configured',
        message: 'cannot reach anything: the charm has not written desired.json yet',
      });
    }
    return this.#desired;
  }

  etcd(): EtcdPort {
    const { etcd, paths } = this.desired;
    return this.#one('etcd', () => createEtcd({ endpoints: etcd.endpoints, tls: paths.tls }));
  }

  /** Of one member; without it, the own one first and then the others. */
  patroni(member?: Member): PatroniPort {
    const { patroni, members, unit, paths } = this.desired;
    const others = members.filter(({ unit: name }) => name !== unit.name);
    const addresses = member ? [member.address] : [unit.address, ...others.map((m) => m.address)];
    const { port, username, password, ca = paths.tls.ca } = patroni;
    const tls = { ...paths.tls, ca };
    return this.#one(`patroni ${addresses.join(' ')}`, () =>
      createPatroni({ addresses, port, username, password, tls, timeoutMs: 1500 }),
    );
  }

  peers(): HttpPort {
    return this.#one('peers', () => createHttps(this.desired.paths.tls));
  }

  peerUrl(member: Member, path: string): string {
    return `https://${bracket(member.address)}:${AGENT_PORT}${path}`;
  }

  /** Superuser connection to an address; default limit of a statement: that of a probe. */
  sqlAt(address: string, statementTimeoutMs = PROBE_TIMEOUT_MS): Promise<SqlPort> {
    return this.#sql(address, statementTimeoutMs);
  }

  /** Superuser connection to this unit's PostgreSQL over its socket. */
  localSql(statementTimeoutMs = PROBE_TIMEOUT_MS): Promise<SqlPort> {
    return this.#sql(this.desired.paths.run, statementTimeoutMs);
  }

  close(): void {
    for (const client of this.#made.values()) client.close();
    this.#made = new Map();
  }

  #sql(host: string, statementTimeoutMs: number): Promise<SqlPort> {
    const { port, superuser, password, tls = false } = this.desired.postgres;
    return connectSql({
      host,
      port,
      user: superuser,
      password: new Secret(password),
      database: 'postgres',
      connectTimeoutMs: PROBE_TIMEOUT_MS,
      statementTimeoutMs,
      applicationName: 'pgcharm-agent',
      tls,
    });
  }

  #one<T extends { close(): void }>(name: string, make: () => T): T {
    const existing = this.#made.get(name);
    if (existing !== undefined) return existing as T;
    const made = make();
    this.#made.set(name, made);
    return made;
  }
}

function digest(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('base64');
  } catch {
    return 'absent';
  }
}
