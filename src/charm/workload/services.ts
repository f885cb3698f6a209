/** The adapter to a unit's services, for those who observe them and those who change them. */
import type { HookContext } from '../../../lib/contract/context.ts';
import { runitServices, type Services } from '../../../lib/machine/services.ts';
import type { Layout } from '../model/layout.ts';

export function unitServices(layout: Layout, context: HookContext): Services {
  const label = `pg-${context.model.uuid.slice(0, 8)}-${context.unit.replace('/', '-')}`;
  return runitServices({ directory: layout.service, logs: layout.log, label });
}

/** Where a hook notes which configuration the running service has read. */
export function loadedFile(layout: Layout, service: string): string {
  return `${layout.service}/${service}/loaded`;
}

/** The configuration that lay there when the running service was started. */
export function readFileOf(layout: Layout, service: string): string {
  return `${layout.service}/${service}/read`;
}

/** Names the process that runs, or ran last. */
export function pidFile(layout: Layout, service: string): string {
  return `${layout.service}/${service}/pid`;
}

/** Where a hook notes the voters that Patroni has learnt of: its pid, then a client URL a line. */
export function learntFile(layout: Layout): string {
  return `${layout.service}/patroni/learnt`;
}
