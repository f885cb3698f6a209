/** Every hook tool of Juju 4.0 by its name. */
import { actionFail, actionGet, actionLog, actionSet } from './actions.ts';
import {
  networkGet,
  relationGet,
  relationIds,
  relationList,
  relationModelGet,
  relationSet,
} from './relations.ts';
import type { ToolSchema } from './schema.ts';
import {
  secretAdd,
  secretGet,
  secretGrant,
  secretIds,
  secretInfoGet,
  secretRemove,
  secretRevoke,
  secretSet,
} from './secrets.ts';
import * as unit from './unit.ts';

export const TOOLS = {
  'action-fail': actionFail,
  'action-get': actionGet,
  'action-log': actionLog,
  'action-set': actionSet,
  'application-version-set': unit.applicationVersionSet,
  'close-port': unit.closePort,
  'config-get': unit.configGet,
  'credential-get': unit.credentialGet,
  'goal-state': unit.goalState,
  'is-leader': unit.isLeader,
  'juju-log': unit.jujuLog,
  'juju-reboot': unit.jujuReboot,
  'network-get': networkGet,
  'open-port': unit.openPort,
  'opened-ports': unit.openedPorts,
  'relation-get': relationGet,
  'relation-ids': relationIds,
  'relation-list': relationList,
  'relation-model-get': relationModelGet,
  'relation-set': relationSet,
  'resource-get': unit.resourceGet,
  'secret-add': secretAdd,
  'secret-get': secretGet,
  'secret-grant': secretGrant,
  'secret-ids': secretIds,
  'secret-info-get': secretInfoGet,
  'secret-remove': secretRemove,
  'secret-revoke': secretRevoke,
  'secret-set': secretSet,
  'state-delete': unit.stateDelete,
  'state-get': unit.stateGet,
  'state-set': unit.stateSet,
  'status-get': unit.statusGet,
  'status-set': unit.statusSet,
  'storage-add': unit.storageAdd,
  'storage-get': unit.storageGet,
  'storage-list': unit.storageList,
  'unit-get': unit.unitGet,
} as const;

export type ToolName = keyof typeof TOOLS;
type CallOf<Schema> = Schema extends ToolSchema<infer Call> ? Call : never;
/** The typed call of each tool. */
export type ToolCalls = { [Name in ToolName]: CallOf<(typeof TOOLS)[Name]> };

export function isToolName(name: string): name is ToolName {
  return Object.hasOwn(TOOLS, name);
}

/** The words for one call of a tool. */
export function buildWords<Name extends ToolName>(tool: Name, call: ToolCalls[Name]): string[] {
  const { build } = TOOLS[tool] as unknown as ToolSchema<ToolCalls[Name]>;
  return build(call);
}
