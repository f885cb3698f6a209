/**
 * `cut` and `mend`: links between netns machines, and to the host, that carry nothing. Writes down
 * what is cut; machines/networks.ts makes it so.
 */
import { type Model, refusal, unitNamed } from './model.ts';

/** The host, with all clients and servers on it, as a peer of machines. */
const HOST = 'host';

export interface LinkCut {
  /** A machine's id or a unit. */
  target: string;
  /** Machines, units or `host`; default all of them, also those that come later. */
  from?: readonly string[] | undefined;
  /** `in`: it hears nothing of them; `out`: they hear nothing of it. Default both. */
  direction?: 'both' | 'in' | 'out' | undefined;
}

/** @throws OperatorError `machine-has-no-link`, `not-found` */
export function cutLinks(
  model: Model,
  { target, from = [], direction = 'both' }: LinkCut,
): string[] {
  const { store } = model;
  return store.tx(() => {
    const machine = machineNamed(model, target);
    const peers = from.map((name) => (name === HOST ? HOST : machineNamed(model, name)));
    if (peers.includes(machine)) {
      throw refusal('cut-itself', `cannot cut machine ${machine} off from itself`);
    }
    for (const peer of peers.length === 0 ? ['*'] : peers) {
      for (const way of direction === 'both' ? ['in', 'out'] : [direction]) {
        store.run('INSERT OR IGNORE INTO link_cut VALUES (?, ?, ?)', machine, peer, way);
      }
    }
    const whom = peers.map((peer) => (peer === HOST ? 'the host' : `machine ${peer}`)).join(', ');
    const how = { both: 'is cut off from', in: 'hears nothing of', out: 'is not heard by' };
    return [`machine ${machine} ${how[direction]} ${whom || 'all others and the host'}`];
  });
}

/** @param targets machines or units; default every one */
export function mendLinks(model: Model, targets: readonly string[] = []): string[] {
  const { store } = model;
  return store.tx(() => {
    if (targets.length === 0) {
      store.run('DELETE FROM link_cut');
      return ['every link is mended'];
    }
    return targets.map((target) => {
      const machine = machineNamed(model, target);
      store.run('DELETE FROM link_cut WHERE machine_id = ? OR peer = ?', machine, machine);
      return `links of machine ${machine} are mended`;
    });
  });
}

function machineNamed({ store }: Model, target: string): string {
  const id = target.includes('/') ? unitNamed(store, target).machineId : target;
  const row = store.get<{ kind: string }>('SELECT kind FROM machine WHERE id = ?', id);
  if (row === undefined) throw refusal('not-found', `machine ${target} not found`);
  if (row.kind === 'netns') return id;
  throw refusal(
    'machine-has-no-link',
    `cannot cut or mend links of machine ${id}: it shares the network of this host`,
    'machines that are made with `--machine netns` have links of their own',
  );
}
