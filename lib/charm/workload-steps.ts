/**
 * Carries out what workload.ts decides, for any charm: packages, services under their supervisor,
 * ports, and the end of it all. Each step is safe to repeat; none decides anything.
 */
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { HookContext } from '../contract/context.ts';
import type { Hooks } from '../hooks/hooks.ts';
import { runitServices, type Services } from '../machine/services.ts';
import type { StepTable } from './reconcile.ts';
import type { WorkloadSteps } from './workload.ts';

export interface WorkloadTools {
  readonly hooks: Hooks;
  readonly context: HookContext;
  readonly services: Services;
  /** Where everything of this unit lies but what is on its storages. */
  readonly root: string;
}

type ToolsOf = (base: { hooks: Hooks; context: HookContext }) => WorkloadTools;

/** @param name of the directory beside the charm's, and first part of its services' label */
export function workloadTools(name: string): ToolsOf {
  return ({ hooks, context }) => {
    const root = join(dirname(context.charmDir), name);
    const services = runitServices({
      directory: join(root, 'service'),
      logs: join(root, 'log'),
      label: `${name}-${context.unit.replace('/', '-')}`,
    });
    return { hooks, context, services, root };
  };
}

/**
 * @param lane of everything but the ports, in which one failure holds up what comes after it
 * @param stopMs for a service to end by itself
 */
export function workloadSteps(
  lane: string,
  stopMs: number,
): StepTable<WorkloadSteps, WorkloadTools> {
  return {
    'install-packages': {
      lane,
      priority: 10,
      async apply({ packages }) {
        const { installPackages } = await import('../machine/packages.ts');
        await installPackages(packages);
        return undefined;
      },
    },
    'define-service': {
      lane,
      priority: 50,
      async apply({ name, spec }, { services }) {
        await services.define(name, spec);
        await services.restart(name);
        return undefined;
      },
    },
    'start-supervisor': {
      lane,
      priority: 55,
      async apply(_, { services }) {
        await services.ensureSupervisor();
        return undefined;
      },
    },
    'start-service': {
      lane,
      priority: 60,
      async apply({ name }, { services }) {
        await services.up(name);
        return undefined;
      },
    },
    'stop-service': {
      lane,
      async apply({ name }, { services }) {
        await services.down(name);
        await services.stopped(name, stopMs);
        return undefined;
      },
    },
    'remove-workload': {
      lane,
      async apply(_, { services, root }) {
        await services.shutdown(stopMs);
        // A supervisor that is ending writes its last state.
        await rm(root, { recursive: true, force: true, maxRetries: 5 });
        return undefined;
      },
    },
    'open-ports': { lane: 'ports', apply: openPorts },
  };
}

async function openPorts(
  { ports }: WorkloadSteps['open-ports'],
  { hooks }: WorkloadTools,
): Promise<undefined> {
  for (const opened of await hooks.openedPorts()) {
    const port = Number.parseInt(opened, 10);
    if (!ports.includes(port)) await hooks.closePort(port);
  }
  for (const port of ports) await hooks.openPort(port);
  return undefined;
}
