/**
 * What a campaign has found, fault by fault, and whether the cluster has passed. Pure.
 */

/** What one strike did. */
export interface Outcome {
  readonly fault: string;
  readonly round: number;
  readonly units: readonly string[];
  /** Why it was not struck; nothing else is known then. */
  readonly skipped?: string;
  /** Per writer: the longest time without an acknowledged row, until full redundancy. */
  readonly stallsMs?: readonly number[];
  readonly errors?: number;
  /** Undefined: the table could not be read. */
  readonly lost?: readonly string[] | undefined;
  readonly duplicates?: readonly string[] | undefined;
  /** From the end of the fault to full redundancy. */
  readonly recoveryMs?: number;
  /** What was still missing when the time for that was over. */
  readonly missing?: string;
}

export interface Spread {
  readonly p50: number;
  readonly max: number;
}

/** Times are milliseconds; a field that is left out is not known. */
export interface FaultReport {
  readonly fault: string;
  readonly runs: number;
  readonly struck: readonly string[];
  readonly passed: boolean;
  readonly 'no-writes-ms'?: Spread;
  readonly 'client-errors'?: number;
  readonly 'lost-rows'?: number;
  readonly 'duplicate-rows'?: number;
  readonly 'recovery-ms'?: Spread;
  /** Why it was skipped, or what has failed. */
  readonly reason?: string;
}

export interface Report {
  readonly application: string;
  readonly seed: number;
  readonly writers: number;
  readonly 'acknowledged-rows': number;
  readonly faults: readonly FaultReport[];
  /** Not struck, because the cluster did not recover. */
  readonly unstruck: readonly string[];
  readonly interrupted: boolean;
  readonly passed: boolean;
}

export interface Facts {
  readonly application: string;
  readonly seed: number;
  readonly writers: number;
  readonly acknowledged: number;
  readonly unstruck: readonly string[];
  readonly interrupted: boolean;
}

/** Strikes of the same fault become one entry, in the order in which they were struck first. */
export function reportOf(outcomes: readonly Outcome[], facts: Facts): Report {
  const names = [...new Set(outcomes.map(({ fault }) => fault))];
  const faults = names.map((name) =>
    faultReport(
      name,
      outcomes.filter(({ fault }) => fault === name),
    ),
  );
  return {
    application: facts.application,
    seed: facts.seed,
    writers: facts.writers,
    'acknowledged-rows': facts.acknowledged,
    faults,
    unstruck: [...new Set(facts.unstruck)],
    interrupted: facts.interrupted,
    // That nothing was struck proves nothing.
    passed: faults.some(({ runs }) => runs > 0) && faults.every(({ passed }) => passed),
  };
}

function faultReport(fault: string, all: readonly Outcome[]): FaultReport {
  const struck = all.filter(({ skipped }) => skipped === undefined);
  const skipped = all.find((outcome) => outcome.skipped !== undefined)?.skipped;
  if (struck.length === 0) {
    return { fault, runs: 0, struck: [], passed: true, reason: `skipped: ${skipped ?? ''}` };
  }
  const problem = struck.map(problemOf).find((found) => found !== undefined);
  const recoveries = struck.flatMap(({ recoveryMs }) => recoveryMs ?? []);
  return {
    fault,
    runs: struck.length,
    struck: [...new Set(struck.flatMap(({ units }) => units))],
    passed: problem === undefined,
    'no-writes-ms': spread(struck.flatMap(({ stallsMs = [] }) => stallsMs)),
    'client-errors': struck.reduce((sum, { errors = 0 }) => sum + errors, 0),
    ...counted('lost-rows', struck, ({ lost }) => lost),
    ...counted('duplicate-rows', struck, ({ duplicates }) => duplicates),
    ...(recoveries.length < struck.length ? {} : { 'recovery-ms': spread(recoveries) }),
    ...(problem === undefined ? {} : { reason: problem }),
  };
}

/** Unknown as soon as one of the checks could not be made. */
function counted(
  name: 'lost-rows' | 'duplicate-rows',
  struck: readonly Outcome[],
  rows: (outcome: Outcome) => readonly string[] | undefined,
): Record<string, number> {
  const lists = struck.map(rows);
  if (lists.some((list) => list === undefined)) return {};
  return { [name]: lists.flatMap((list) => list ?? []).length };
}

function problemOf({ missing, lost, duplicates }: Outcome): string | undefined {
  if (missing !== undefined) return `not redundant again: ${missing}`;
  if (lost === undefined || duplicates === undefined) return 'the rows could not be read';
  if (lost.length > 0) return `lost: ${lost.slice(0, 3).join(', ')}`;
  if (duplicates.length > 0) return `twice: ${duplicates.slice(0, 3).join(', ')}`;
  return undefined;
}

/** The median is the lower of the two in the middle: a time that was measured. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.map(Math.round).toSorted((a, b) => a - b);
  return { p50: sorted[Math.floor((sorted.length - 1) / 2)] ?? 0, max: sorted.at(-1) ?? 0 };
}
