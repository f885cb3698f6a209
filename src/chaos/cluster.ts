/**
 * The cluster that faults strike, as an operator can see it: who is primary, which process is
 * which, and what is missing for full redundancy. Looks only.
 */
import { OperatorError } from '../../lib/std/errors.ts';
import { type Census, censusOf, countsOf } from './census.ts';
import type { Model, UnitView } from './model.ts';

/** A server that is stopped accepts connections and answers nothing. */
const PATIENCE_SECONDS = 10;

/** As `endpoint status` prints it, a line for each voter. */
const ETCD_FIELDS = { endpoint: 0, leads: 4 };

export class Cluster {
  readonly model: Model;
  readonly application: string;

  constructor(model: Model, application: string) {
    this.model = model;
    this.application = application;
  }

  units(): Promise<UnitView[]> {
    return this.model.units(this.application);
  }

  async names(): Promise<string[]> {
    return (await this.units()).map(({ name }) => name);
  }

  async unit(name: string): Promise<UnitView> {
    const found = (await this.units()).find((unit) => unit.name === name);
    if (found !== undefined) return found;
    throw new OperatorError({
      code: 'not-found',
      message: `unit ${name} not found`,
      retry: 'never',
    });
  }

  /** The unit whose server accepts writes. @throws OperatorError `no-primary`, also for two */
  async primary(): Promise<string> {
    const primaries = (await this.#serving()).filter(({ replicas }) => replicas !== undefined);
    const [first, second] = primaries;
    if (first !== undefined && second === undefined) return first.unit;
    throw new OperatorError({
      code: 'no-primary',
      message: `cannot tell the primary of ${this.application}: ${primaries.length} units say so`,
      hint: 'see `pgcharm status`',
      retry: 'now',
    });
  }

  async replicas(): Promise<string[]> {
    const primary = await this.primary();
    return (await this.names()).filter((name) => name !== primary);
  }

  /** The unit whose etcd leads. @throws OperatorError `no-etcd-leader` */
  async etcdLeader(): Promise<string> {
    const units = await this.units();
    for (const { name } of units) {
      const { output } = await this.shell(name, 'etcdctl endpoint status --cluster');
      const voters = output.split('\n').map((line) => line.split(', '));
      const endpoint = voters.find((fields) => fields[ETCD_FIELDS.leads] === 'true')?.[
        ETCD_FIELDS.endpoint
      ];
      const host = endpoint === undefined ? undefined : new URL(endpoint).hostname;
      const leader = units.find(({ address }) => address === host);
      if (leader !== undefined) return leader.name;
    }
    throw new OperatorError({
      code: 'no-etcd-leader',
      message: `cannot tell where the etcd of ${this.application} leads: none answers`,
      retry: 'now',
    });
  }

  async census(unit: string): Promise<Census> {
    const [{ address }, directory, all] = await Promise.all([
      this.unit(unit),
      this.model.directory(unit),
      this.model.processes(unit),
    ]);
    return censusOf({ directory, address }, all);
  }

  /** In the unit's environment, within ten seconds. */
  shell(unit: string, command: string): Promise<{ ok: boolean; output: string }> {
    return this.model.shell(unit, `timeout -s KILL ${PATIENCE_SECONDS} ${command}`);
  }

  /** What is missing for full redundancy, a line each; empty: nothing. */
  async missing(): Promise<string[]> {
    const units = await this.units();
    const unsettled = units.filter(({ settled }) => !settled);
    if (unsettled.length > 0) return unsettled.map(({ name, says }) => `${name}: ${says}`);
    const counts = (await this.#serving()).flatMap(({ replicas }) => replicas ?? []);
    const [streaming, second] = counts;
    if (streaming === undefined) return ['no primary answers'];
    if (second !== undefined) return [`${counts.length} units say that they are primary`];
    if (streaming !== units.length - 1) {
      return [`${streaming} of ${units.length - 1} replicas stream`];
    }
    const absent = await Promise.all(units.map(({ name }) => this.#absent(name)));
    return absent.flat();
  }

  async #absent(unit: string): Promise<string[]> {
    const counts = Object.entries(countsOf(await this.census(unit)));
    return counts
      .filter(([, count]) => count !== 1)
      .map(([kind, count]) => `${unit}: ${count} of ${kind}`);
  }

  async #serving(): Promise<{ unit: string; replicas: number | undefined }[]> {
    // No row at all comes from one that is a replica itself.
    const query = `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'
      AND application_name LIKE '${this.application}-%' HAVING NOT pg_is_in_recovery()`;
    return Promise.all(
      (await this.names()).map(async (unit) => {
        const { ok, output } = await this.shell(
          unit,
          `psql -At -c "${query.replaceAll(/\s+/g, ' ')}"`,
        );
        return { unit, replicas: ok && output !== '' ? Number(output) : undefined };
      }),
    );
  }
}
