/** Which applications, units and machines `status <pattern> ...` shows. */
import type { Application } from '../operations/model.ts';
import type { UnitRecord } from './unit-status.ts';

export interface Everything {
  applications: readonly Application[];
  units: readonly UnitRecord[];
}

export interface Chosen extends Everything {
  /** Undefined: all. */
  machines: ReadonlySet<string> | undefined;
}

/** A unit brings its application and machine along; an application all of its units. */
export function chosenParts(all: Everything, patterns: readonly string[]): Chosen {
  if (patterns.length === 0) return { ...all, machines: undefined };
  const tests = patterns.map(matcher);
  const wanted = (name: string) => tests.some((test) => test(name));
  const units = all.units.filter(
    (unit) => wanted(unit.name) || wanted(unit.application) || wanted(unit.machine_id),
  );
  const owners = new Set(units.map((unit) => unit.application));
  const applications = all.applications.filter(({ name }) => wanted(name) || owners.has(name));
  return { applications, units, machines: new Set(units.map((unit) => unit.machine_id)) };
}

/** Shell patterns: `*` is any text, `?` any character. */
function matcher(pattern: string): (name: string) => boolean {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const expression = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  return (name) => expression.test(name);
}
