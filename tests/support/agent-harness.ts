/**
 * A database cluster with an agent on every unit, and the questions that process tests ask of it.
 * Waits for conditions, never for times.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { poll } from '../../lib/std/clock.ts';
import { AGENT_PORT } from '../../src/agent/clients.ts';
import type { Desired } from '../../src/charm/model/desired.ts';
import type { AgentWorld } from '../../src/charm/model/world.ts';
import { createHttps } from '../../src/charm/workload/https.ts';
import type { AgentPort, Ending } from '../../src/charm/workload/ports.ts';
import { scramVerifier } from '../../src/charm/workload/scram.ts';
import { DatabaseCluster } from './database-cluster.ts';

const APP_PASSWORD = 'app-test-password';
/** Longer than anything takes on a machine that is busy with something else. */
const PATIENCE_MS = 180_000;
/** Of one attempt to log in and ask: clients that are held wait for a failover. */
const ANSWER_MS = 60_000;

export class AgentHarness {
  readonly cluster: DatabaseCluster;
  readonly agents: readonly AgentPort[];

  private constructor(cluster: DatabaseCluster) {
    this.cluster = cluster;
    this.agents = cluster.members.map((_, index) => cluster.agent(index));
  }

  /** Agents only; nothing else runs yet. */
  static async create(units: number): Promise<AgentHarness> {
    const harness = new AgentHarness(await DatabaseCluster.create(units));
    for (const index of harness.cluster.members.keys()) harness.startAgent(index);
    return harness;
  }

  /** Wakes are counted in a file of the unit. */
  startAgent(index: number, change: Partial<Desired> = {}): void {
    const command = ['sh', '-c', `echo woken >> ${this.file(index, 'wakes')}`];
    this.cluster.startAgent(index, { wake: { command }, ...change });
  }

  file(index: number, ...path: string[]): string {
    return join(this.cluster.base(this.cluster.at(index).member), ...path);
  }

  /** One voter, Patroni and PgBouncer everywhere, all replicas streaming. */
  async startServers(): Promise<void> {
    if (this.cluster.process('etcd-0') === undefined) this.cluster.startEtcd(1);
    for (const index of this.cluster.members.keys()) {
      this.cluster.startPatroni(index);
      const ini = this.file(index, 'etc', 'pgbouncer.ini');
      await this.until('ini', async () => existsSync(ini) || undefined);
      this.cluster.startPgbouncer(index);
    }
    await this.allStreaming();
  }

  /** Database shop with its owner app, who can log in through every pooler when this answers. */
  async createApp(): Promise<void> {
    const verifier = await scramVerifier(APP_PASSWORD);
    await this.asOperator(`CREATE ROLE app LOGIN PASSWORD '${verifier}'`);
    await this.asOperator('CREATE DATABASE shop OWNER app');
    for (const index of this.cluster.members.keys()) {
      await this.until('login', async () => (await this.serverBehind(index)) || undefined);
    }
  }

  /** Probes that throw count as not yet. */
  async until<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
    const options = { timeoutMs: PATIENCE_MS, everyMs: 50 };
    const answer = await poll(() => probe().catch(() => undefined), options);
    if (answer !== undefined) return answer;
    return assert.fail(`no ${what}: ${JSON.stringify(await this.agents[0]?.world())}`);
  }

  async world(index: number): Promise<AgentWorld> {
    const seen = await this.agents[index]?.world();
    if (!seen?.known) throw new Error('the agent does not answer');
    return seen.value;
  }

  agent(index: number): AgentPort {
    const agent = this.agents[index];
    if (agent === undefined) throw new RangeError(`no agent ${index}`);
    return agent;
  }

  /** Index of the primary, as the agent of `seenBy` sees it. */
  async primary(seenBy = 0): Promise<number> {
    return this.until('primary', async () => {
      const { cluster } = await this.world(seenBy);
      if (!cluster.known) return undefined;
      const name = cluster.value.members.find(({ role }) => role === 'primary')?.name;
      const index = this.cluster.members.findIndex(({ member }) => member === name);
      return index < 0 ? undefined : index;
    });
  }

  async allStreaming(seenBy = 0): Promise<void> {
    await this.until('streaming by all', async () => {
      const { cluster } = await this.world(seenBy);
      const members = cluster.known ? cluster.value.members : [];
      const wanted = this.cluster.members.length - 1;
      return members.filter(({ streaming }) => streaming).length === wanted || undefined;
    });
  }

  /** Every pooler leads to this unit. */
  async allRoutedTo(index: number): Promise<void> {
    const { address } = this.cluster.at(index).member;
    for (const pooler of this.cluster.members.keys()) {
      await this.until('route', async () => {
        return (await this.serverBehind(pooler)) === address || undefined;
      });
    }
  }

  /** Every agent hears the server of this unit: only who has heard it can miss it. */
  async heardByAll(index: number): Promise<void> {
    const { member, tls } = this.cluster.at(index);
    const peers = createHttps(tls);
    for (const { address } of this.cluster.members) {
      const url = `https://${address}:${AGENT_PORT}/v1/pulse`;
      await this.until(`pulse at ${address}`, async () => {
        const answer = await peers.request({ method: 'GET', url, timeoutMs: 5000 });
        return JSON.parse(answer.body).hears === member.address || undefined;
      });
    }
    peers.close();
  }

  async switchover(
    to: string | undefined,
    { startAt = 0, followAt = 0 } = {},
  ): Promise<Ending & { lines: string[] }> {
    const lines: string[] = [];
    const params: Record<string, string> = to === undefined ? {} : { to };
    const id = await this.agent(startAt).startWork('switchover', params);
    const ending = await this.agent(followAt).followWork(id, (line) => lines.push(line));
    return { ...ending, lines };
  }

  async asOperator(text: string, index?: number): Promise<Record<string, unknown>[]> {
    const at = index ?? (await this.primary());
    const { superuser: user, password, port } = this.cluster.desired(at).postgres;
    const host = this.cluster.at(at).member.address;
    return queryOnce({ host, port, user, password, database: 'postgres' }, text);
  }

  /** How user app reaches a pooler. */
  appAt(index: number, database = 'shop'): pg.ClientConfig {
    const host = this.cluster.at(index).member.address;
    return { host, port: 6432, user: 'app', password: APP_PASSWORD, database };
  }

  appUri(index: number): string {
    const { host, port, user, password, database } = this.appAt(index);
    return `postgresql://${user}:${password}@${host}:${port}/${database}`;
  }

  asApp(index: number, database: string, text: string): Promise<Record<string, unknown>[]> {
    return queryOnce(this.appAt(index, database), text);
  }

  /** Address of the server that a pooler leads to. */
  async serverBehind(pooler: number, database = 'shop'): Promise<string> {
    const rows = await this.asApp(pooler, database, 'SELECT inet_server_addr() AS address');
    return String(rows[0]?.['address']);
  }

  destroy(): Promise<void> {
    return this.cluster.destroy();
  }
}

async function queryOnce(
  config: pg.ClientConfig,
  text: string,
): Promise<Record<string, unknown>[]> {
  const limits = { connectionTimeoutMillis: ANSWER_MS, query_timeout: ANSWER_MS };
  const client = new pg.Client({ ...limits, ...config });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
