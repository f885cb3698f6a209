/**
 * What `wait` waits for: which of the chosen units and applications are not there yet, and why.
 *
 * Pure: decides from one status document.
 */
import type { StatusDocument, UnitStatus } from '../controller/api/documents.ts';

export type Goal = 'active' | 'blocked' | 'waiting' | 'maintenance' | 'error' | 'idle' | 'removed';

export const GOALS: readonly Goal[] = [
  'active',
  'blocked',
  'waiting',
  'maintenance',
  'error',
  'idle',
  'removed',
];

export interface Line {
  /** Unit, or application where it has no units or its own status is the reason. */
  readonly name: string;
  readonly status: string;
  readonly agent: string;
  readonly message: string;
  readonly reached: boolean;
}

/** Targets that the document does not have. */
export function unknownTargets(document: StatusDocument, targets: readonly string[]): string[] {
  const units = allUnits(document).map(([name]) => name);
  return targets.filter((target) => !(target in document.applications) && !units.includes(target));
}

/**
 * One line for each unit that matters, and for applications whose own status differs from the goal
 * though their units have it.
 *
 * @param targets applications and units; none means all applications
 */
export function progress(document: StatusDocument, targets: readonly string[], goal: Goal): Line[] {
  const applications = targets.length === 0 ? Object.keys(document.applications) : targets;
  return applications.flatMap((target) => {
    if (target.includes('/')) {
      const unit = allUnits(document).find(([name]) => name === target)?.[1];
      return unit === undefined ? [] : [unitLine(target, unit, goal)];
    }
    return applicationLines(document, target, goal);
  });
}

/** Units that cannot go on, each with what it says and when that was first seen. */
export type Failures = ReadonlyMap<string, { readonly message: string; readonly since: number }>;

/** A retry in between ends no failure: only a unit at rest without it, or another one, does. */
export function failures(before: Failures, lines: readonly Line[], now: number): Failures {
  return new Map(
    lines.flatMap((line) => {
      const earlier = before.get(line.name);
      if (line.status === 'error') {
        const same = earlier?.message === line.message;
        const failure = { message: line.message, since: same ? earlier.since : now };
        return [[line.name, failure] as const];
      }
      return earlier === undefined || line.agent === 'idle' ? [] : [[line.name, earlier] as const];
    }),
  );
}

/** The units that fail now and have been failing for so long. */
export function lasting(found: Failures, lines: readonly Line[], before: number): Line[] {
  return lines.filter((line) => {
    const since = found.get(line.name)?.since;
    return line.status === 'error' && since !== undefined && since <= before;
  });
}

/** Units that are blocked, each with its message and since when it has said the same. */
export function blocks(before: Failures, lines: readonly Line[], now: number): Failures {
  return new Map(
    lines.filter(isBlocked).map(({ name, message }) => {
      const earlier = before.get(name);
      return [
        name,
        { message, since: earlier?.message === message ? earlier.since : now },
      ] as const;
    }),
  );
}

/**
 * The units that are blocked for so long while nothing else is on its way: as long as something is,
 * it may be what they need.
 */
export function stuck(found: Failures, lines: readonly Line[], before: number): Line[] {
  const missing = lines.filter((line) => !line.reached);
  const settled = missing.every(({ name }) => (found.get(name)?.since ?? before + 1) <= before);
  return settled ? missing : [];
}

function isBlocked({ status, reached }: Line): boolean {
  return status === 'blocked' && !reached;
}

function applicationLines(document: StatusDocument, name: string, goal: Goal): Line[] {
  const application = document.applications[name];
  if (application === undefined) return [];
  const units = Object.entries(application.units ?? {});
  const lines = units.map(([unit, status]) => unitLine(unit, status, goal));
  const { current = 'unknown', message = '' } = application['application-status'];
  const own = { name, status: current, agent: '', message };
  if (goal === 'removed') return [...lines, { ...own, reached: false }];
  const wants = goal !== 'idle' && units.length > 0 && current !== goal;
  return wants && lines.every((line) => line.reached)
    ? [...lines, { ...own, reached: false }]
    : lines;
}

function unitLine(name: string, unit: UnitStatus, goal: Goal): Line {
  const { 'workload-status': workload, 'juju-status': agent } = unit;
  const { current = '', message = '' } = workload;
  const idle = agent.current === 'idle';
  const reached = goal === 'removed' ? false : goal === 'idle' ? idle : current === goal && idle;
  const agentText = agent.current ?? '';
  return { name, status: current, agent: agentText, message, reached };
}

function allUnits(document: StatusDocument): [string, UnitStatus][] {
  return Object.values(document.applications).flatMap((application) =>
    Object.entries(application.units ?? {}).flatMap(([name, unit]) => [
      [name, unit] as [string, UnitStatus],
      ...Object.entries(unit.subordinates ?? {}),
    ]),
  );
}
