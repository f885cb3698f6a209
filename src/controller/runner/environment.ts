/**
 * The environment of one execution, exactly as Juju's agent hands it over: nothing of the
 * controller's own environment but its PATH. `PGCHARM_HOOK_SOCKET` is the one name of ours.
 */

import { CONTRACT_VERSION } from '../../../lib/contract/version.ts';
import type { HookInfo } from '../uniter/hook-info.ts';

export interface EnvironmentFacts {
  unit: string;
  machineId: string;
  model: { name: string; uuid: string };
  charmDir: string;
  socket: string;
  toolsDir: string;
  /** Directory of the pinned Node, after the tools in PATH. */
  binDir: string;
  /** `127.x.y.1:17070` */
  apiAddress: string;
  /** PATH of the controller. */
  path: string;
  /** Ubuntu hosts get three values that others do not. */
  ubuntu: boolean;
  /** Whether programs may speak the hook tools' protocol themselves; under Juju they cannot. */
  offersSocket: boolean;
  /** Values of the model's *-proxy options. */
  proxies: Readonly<Record<string, string>>;
}

export interface Execution {
  contextId: string;
  hook?: HookInfo;
  action?: { name: string; taskId: number };
  /** Absent for commands of juju-exec. */
  dispatchPath?: string;
  storage?: { location: string; kind: string };
}

/** What does not depend on the execution. */
function unitEnvironment(facts: EnvironmentFacts): Record<string, string> {
  const { proxies } = facts;
  return {
    CHARM_DIR: facts.charmDir,
    JUJU_CHARM_DIR: facts.charmDir,
    JUJU_AGENT_SOCKET_ADDRESS: facts.socket,
    JUJU_AGENT_SOCKET_NETWORK: 'unix',
    ...(facts.offersSocket ? { PGCHARM_HOOK_SOCKET: facts.socket } : {}),
    JUJU_UNIT_NAME: facts.unit,
    JUJU_MODEL_UUID: facts.model.uuid,
    JUJU_MODEL_NAME: facts.model.name,
    JUJU_API_ADDRESSES: facts.apiAddress,
    JUJU_MACHINE_ID: facts.machineId,
    JUJU_PRINCIPAL_UNIT: '',
    JUJU_AVAILABILITY_ZONE: '',
    JUJU_VERSION: CONTRACT_VERSION,
    CLOUD_API_VERSION: '',
    JUJU_CHARM_HTTP_PROXY: proxies['juju-http-proxy'] ?? '',
    JUJU_CHARM_HTTPS_PROXY: proxies['juju-https-proxy'] ?? '',
    JUJU_CHARM_FTP_PROXY: proxies['juju-ftp-proxy'] ?? '',
    JUJU_CHARM_NO_PROXY: proxies['juju-no-proxy'] ?? '',
    ...legacyProxies(proxies),
    PATH: [facts.toolsDir, facts.binDir, facts.path].filter((part) => part !== '').join(':'),
    LANG: 'C.UTF-8',
    TERM: facts.ubuntu ? 'tmux-256color' : 'screen',
    ...(facts.ubuntu
      ? { DEBIAN_FRONTEND: 'noninteractive', APT_LISTCHANGES_FRONTEND: 'none' }
      : {}),
  };
}

export function executionEnvironment(
  facts: EnvironmentFacts,
  execution: Execution,
): Record<string, string> {
  const { hook, action, dispatchPath, storage } = execution;
  return {
    ...unitEnvironment(facts),
    JUJU_CONTEXT_ID: execution.contextId,
    JUJU_HOOK_NAME: hook?.name ?? '',
    ...(dispatchPath === undefined ? {} : { JUJU_DISPATCH_PATH: dispatchPath }),
    ...(hook === undefined ? {} : { ...relationVariables(hook), ...secretVariables(hook) }),
    ...(hook?.storageId === undefined || storage === undefined
      ? {}
      : {
          JUJU_STORAGE_ID: hook.storageId,
          JUJU_STORAGE_LOCATION: storage.location,
          JUJU_STORAGE_KIND: storage.kind,
        }),
    ...(action === undefined
      ? {}
      : {
          JUJU_ACTION_NAME: action.name,
          JUJU_ACTION_UUID: String(action.taskId),
          JUJU_ACTION_TAG: `action-${action.taskId}`,
        }),
  };
}

function relationVariables(hook: HookInfo): Record<string, string> {
  if (hook.relationId === undefined) return {};
  const endpoint = hook.endpoint ?? '';
  return {
    JUJU_RELATION: endpoint,
    JUJU_RELATION_ID: `${endpoint}:${hook.relationId}`,
    JUJU_REMOTE_UNIT: hook.remoteUnit ?? '',
    JUJU_REMOTE_APP: hook.remoteApp ?? '',
    ...(hook.departingUnit === undefined ? {} : { JUJU_DEPARTING_UNIT: hook.departingUnit }),
  };
}

function secretVariables(hook: HookInfo): Record<string, string> {
  if (hook.secretId === undefined) return {};
  return {
    JUJU_SECRET_ID: `secret:${hook.secretId}`,
    JUJU_SECRET_LABEL: hook.secretLabel ?? '',
    ...(hook.secretRevision === undefined
      ? {}
      : { JUJU_SECRET_REVISION: String(hook.secretRevision) }),
  };
}

/** The model's old-style proxies appear in both spellings, and only when they are set. */
function legacyProxies(proxies: Readonly<Record<string, string>>): Record<string, string> {
  const names = { http: 'http-proxy', https: 'https-proxy', ftp: 'ftp-proxy' };
  const result: Record<string, string> = {};
  for (const [scheme, option] of Object.entries(names)) {
    const value = proxies[option];
    if (value === undefined || value === '') continue;
    result[`${scheme}_proxy`] = value;
    result[`${scheme.toUpperCase()}_PROXY`] = value;
  }
  const none = proxies['no-proxy'];
  if (Object.keys(result).length > 0 && none !== undefined && none !== '') {
    result['no_proxy'] = none;
    result['NO_PROXY'] = none;
  }
  return result;
}
