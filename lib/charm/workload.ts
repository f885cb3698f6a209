/**
 * What every charm decides whose workload are services of its own machine: that they run as they
 * should, that their ports are open, and how they end with the unit. Pure; who carries the steps
 * out is workload-steps.ts.
 */
import { isDeepStrictEqual } from 'node:util';
import type { HookContext } from '../contract/context.ts';
import type { ServiceSpec } from '../machine/services.ts';
import { type Decision, stepsOf } from './decision.ts';

export interface WorkloadSteps {
  'install-packages': { packages: string[] };
  'define-service': { name: string; spec: ServiceSpec };
  'start-supervisor': Record<string, never>;
  'start-service': { name: string };
  'stop-service': { name: string };
  'remove-workload': Record<string, never>;
  /** These are open afterwards, and no others. */
  'open-ports': { ports: number[] };
}

export type Ending = 'none' | 'stop' | 'remove';

export interface ServiceFacts {
  readonly spec: ServiceSpec | undefined;
  readonly wantedUp: boolean;
  readonly running: boolean;
}

/** By name; undefined: not defined yet. */
export type ServicesFacts = Readonly<Record<string, ServiceFacts | undefined>>;

/** The part of a charm's world that these decisions are made by. */
export interface WorkloadFacts {
  readonly services: ServicesFacts;
  readonly supervised: boolean;
  readonly openPorts: readonly number[];
}

const step = stepsOf<WorkloadSteps>();

/** @param storageName storage without which the workload cannot run; left out: it has none */
export function endingOf({ name, storage }: HookContext, storageName?: string): Ending {
  if (name === 'remove') return 'remove';
  const detaching = name === `${storageName}-storage-detaching` && storage !== undefined;
  return name === 'stop' || detaching ? 'stop' : 'none';
}

/** All that is left to do on a unit that ends; undefined while it stays. */
export function farewell(
  ending: Ending,
  services: ServicesFacts,
): Decision<WorkloadSteps>[] | undefined {
  if (ending === 'none') return undefined;
  if (ending === 'remove') return [step('remove-workload', {}, 'the unit is removed')];
  return Object.entries(services)
    .filter(([, service]) => service?.wantedUp)
    .map(([name]) => step('stop-service', { name }, 'the unit stops'));
}

/** What is missing until every service runs as its specification says, and can be reached. */
export function runWorkload(
  { services, supervised, openPorts }: WorkloadFacts,
  wanted: Readonly<Record<string, ServiceSpec>>,
  ports: readonly number[],
): Decision<WorkloadSteps>[] {
  const all = Object.entries(wanted);
  const missing = all.filter(([name, spec]) => !isDeepStrictEqual(services[name]?.spec, spec));
  // What its supervisor does not run although it should has missed its word, or starts anew just
  // now: to be told again does no harm.
  const isUp = (service: ServiceFacts | undefined) =>
    service?.wantedUp === true && (service.running || !supervised);
  const down = all.filter(([name]) => !isUp(services[name]));
  const sorted = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
  return [
    ...missing.map(([name, spec]) =>
      step('define-service', { name, spec }, `${name} is to run like this`),
    ),
    ...(supervised ? [] : [step('start-supervisor', {}, 'no supervisor runs')]),
    ...down.map(([name]) => step('start-service', { name }, `${name} is to run`)),
    ...(isDeepStrictEqual(sorted(openPorts), sorted(ports))
      ? []
      : [step('open-ports', { ports: [...ports] }, 'others come from elsewhere')]),
  ];
}
