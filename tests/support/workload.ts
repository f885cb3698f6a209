/** What the steps of lib/charm/workload.ts make of a charm's world, for its transition tests. */
import type { Decision } from '../../lib/charm/decision.ts';
import type { ServiceFacts, WorkloadFacts, WorkloadSteps } from '../../lib/charm/workload.ts';

const FRESH: ServiceFacts = { spec: undefined, wantedUp: false, running: false };

/** @returns the changed facts; undefined: the step is none that all charms share */
export function afterWorkload(
  { services }: WorkloadFacts,
  step: { kind: string; args: unknown },
): Partial<WorkloadFacts & { missingPackages: string[] }> | undefined {
  const change = (name: string, facts: Partial<ServiceFacts>) => ({
    services: { ...services, [name]: { ...FRESH, ...services[name], ...facts } },
  });
  const { kind, args } = step as Exclude<Decision<WorkloadSteps>, { type: 'finding' }>;
  switch (kind) {
    case 'install-packages':
      return { missingPackages: [] };
    case 'define-service':
      return change(args.name, { spec: args.spec });
    case 'start-supervisor':
      return { supervised: true };
    case 'start-service':
      return change(args.name, { wantedUp: true, running: true });
    case 'stop-service':
      return change(args.name, { wantedUp: false, running: false });
    case 'open-ports':
      return { openPorts: args.ports };
    default:
      return undefined;
  }
}
