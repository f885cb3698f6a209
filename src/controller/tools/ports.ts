/**
 * Opened ports of a unit: pending changes, conflicts, and what is left after a commit.
 *
 * Ranges of one protocol on one machine may not overlap unless they are equal.
 */
import { type PortRange, portsOverlap, portText, samePorts } from '../../../lib/contract/ports.ts';
import type { Store } from '../state/store.ts';
import { type Execution, ToolFailure } from './execution.ts';
import type { PendingPort } from './pending.ts';

/** No endpoints stands for all of them. */
export type OpenedPort = PortRange & { endpoints: string[] };

export function openedPorts(store: Store, unit: string): OpenedPort[] {
  const row = store.get<{ ports: string }>(
    'SELECT opened_ports AS ports FROM unit WHERE name = ?',
    unit,
  );
  return JSON.parse(row?.ports ?? '[]') as OpenedPort[];
}

/** Notes a change for the commit. @throws ToolFailure on a conflict with another range */
export function changePort(run: Execution, change: PendingPort): void {
  if (change.open) {
    const taken = [
      ...run.store
        .all<{ name: string }>('SELECT name FROM unit WHERE machine_id = ?', run.machine.id)
        .flatMap(({ name }) =>
          openedPorts(run.store, name).map((range) => ({ unit: name, range })),
        ),
      ...run.pending.ports
        .filter(({ open }) => open)
        .map(({ range }) => ({ unit: run.unit, range })),
    ];
    for (const { unit, range } of taken) {
      const same = samePorts(range, change.range) && unit === run.unit;
      if (same || !portsOverlap(range, change.range) || closes(run, unit, range)) continue;
      const wanted = `${portText(change.range)} (unit "${run.unit}")`;
      const other = `${portText(range)} (unit "${unit}")`;
      throw new ToolFailure(`cannot open ${wanted}: port range conflicts with ${other}`);
    }
  }
  run.pending.ports.push(change);
}

function closes(run: Execution, unit: string, range: PortRange): boolean {
  if (unit !== run.unit) return false;
  const last = run.pending.ports.findLast((pending) => samePorts(pending.range, range));
  return last !== undefined && !last.open;
}

/** The ports after the changes. Closing for all endpoints closes those of single ones too. */
export function applyPorts(
  before: readonly OpenedPort[],
  changes: readonly PendingPort[],
): OpenedPort[] {
  let ports = [...before];
  for (const { range, endpoint, open } of changes) {
    const current = ports.find((port) => samePorts(port, range));
    const others = ports.filter((port) => port !== current);
    const endpoints = open
      ? opened(current?.endpoints, endpoint)
      : closed(current?.endpoints, endpoint);
    ports = endpoints === undefined ? others : [...others, { ...range, endpoints }];
  }
  return ports;
}

function opened(current: string[] | undefined, endpoint: string): string[] {
  if (endpoint === '' || current?.length === 0) return [];
  return [...new Set([...(current ?? []), endpoint])];
}

/** undefined: nothing is left open. */
function closed(current: string[] | undefined, endpoint: string): string[] | undefined {
  if (current === undefined || endpoint === '') return undefined;
  if (current.length === 0) return []; // Open for all: one endpoint alone cannot be taken out.
  const left = current.filter((name) => name !== endpoint);
  return left.length === 0 ? undefined : left;
}
