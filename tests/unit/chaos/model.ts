/** A model in memory: units of one application whose shell answers as a healthy cluster's does. */
import type { Model, Process, UnitView } from '../../../src/chaos/model.ts';

export interface ModelOptions {
  units: number;
  /** Number of the unit that is primary, and of the one whose etcd leads. */
  primary?: number;
  etcdLeader?: number;
  processes?: (target: string) => Process[];
  /** What was switched and cut, in order: `off pg/1`. */
  switched?: string[];
  /** What a cut is refused with. */
  uncut?: Error;
}

export function aModel(options: ModelOptions): Model {
  const { units, primary = 1, etcdLeader = 2, switched = [] } = options;
  const names = Array.from({ length: units }, (_, n) => `pg/${n}`);
  const views: UnitView[] = names.map((name, n) => ({
    name,
    machine: String(n),
    address: `127.0.1.${n}`,
    leader: n === 0,
    settled: true,
    says: 'active',
    storage: {},
  }));
  const voters = views.map(({ address }, n) =>
    [`https://${address}:2379`, 'id', '3.4', '1 MB', String(n === etcdLeader)].join(', '),
  );
  return {
    units: async () => views,
    related: async () => [],
    actions: async () => [],
    act: async () => ({}),
    async shell(unit, command) {
      if (command.includes('etcdctl')) return { ok: true, output: voters.join('\n') };
      const leads = unit === names[primary];
      return { ok: true, output: leads ? String(units - 1) : '' };
    },
    directory: async (unit) => `/d/agents/${unit.replace('/', '-')}`,
    processes: async (target) => options.processes?.(target) ?? [],
    async power(unit, on) {
      switched.push(`${on ? 'on' : 'off'} ${unit}`);
    },
    async cut(unit, { from, direction }) {
      if (options.uncut !== undefined) throw options.uncut;
      switched.push(`cut ${unit} ${direction} ${from.join()}`.trim());
    },
    async mend(unit) {
      if (options.uncut !== undefined) throw options.uncut;
      switched.push(`mend ${unit}`);
    },
  };
}
