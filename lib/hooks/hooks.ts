/**
 * The hook tools as a typed port. One method per tool; what each tool prints, when its writes are
 * committed and who may call it: docs/reference of Juju's hook commands, and lib/contract/tools.
 *
 * Every method throws OperatorError `hook-tool-failed` with the tool's own message when it exits
 * non-zero, except where undefined is said to stand for "none".
 */
export type Databag = Record<string, string>;
export type StatusName = 'active' | 'waiting' | 'maintenance' | 'blocked';
export type ConfigValue = string | number | boolean;

export interface NetworkInfo {
  bindAddresses: { interfaceName: string; addresses: { value: string; cidr: string }[] }[];
  ingressAddresses: string[];
  egressSubnets: string[];
}

export interface SecretOptions {
  label?: string;
  description?: string;
  /** Default 'application' (leader only). */
  owner?: 'application' | 'unit';
  rotate?: 'never' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'quarterly' | 'yearly';
  /** RFC 3339, or a Go duration. */
  expire?: string;
}

export interface SecretInfo {
  id: string;
  revision: number;
  label: string | undefined;
  owner: string;
  rotation: string;
}

export interface Hooks {
  isLeader(): Promise<boolean>;
  configGet(): Promise<Record<string, ConfigValue>>;
  /** Numbers of the relations of an endpoint, ascending. */
  relationIds(endpoint: string): Promise<number[]>;
  /** Remote units, ascending by name; empty when the relation is gone. */
  relationList(endpoint: string, id: number): Promise<string[]>;
  /** The remote application (for a peer relation the own one); undefined: no such relation. */
  relationApp(endpoint: string, id: number): Promise<string | undefined>;
  /** A unit's or (with `app`) an application's databag; empty when it cannot be read. */
  relationGet(endpoint: string, id: number, who: string, app?: 'app'): Promise<Databag>;
  /** Sets keys; undefined or '' deletes one. Committed when the hook succeeds. */
  relationSet(
    endpoint: string,
    id: number,
    data: Record<string, string | undefined>,
    app?: 'app',
  ): Promise<void>;
  networkGet(binding: string, relation?: { endpoint: string; id: number }): Promise<NetworkInfo>;
  openPort(port: number): Promise<void>;
  closePort(port: number): Promise<void>;
  openedPorts(): Promise<string[]>;
  statusGet(): Promise<{ status: string; message: string }>;
  statusSet(status: StatusName, message: string): Promise<void>;
  applicationVersionSet(version: string): Promise<void>;
  log(level: 'DEBUG' | 'INFO' | 'WARNING' | 'ERROR', message: string): Promise<void>;
  /** Unit names of goal-state, with their status. */
  goalUnits(): Promise<Record<string, string>>;
  /** Instances attached to this unit, for example `['data/0']`. */
  storageList(name?: string): Promise<string[]>;
  storageLocation(id: string): Promise<string>;
  /** Undefined when there is no such secret or this unit may not read it. */
  secretGet(
    secret: { id: string } | { label: string } | { id: string; label: string },
    mode?: 'peek' | 'refresh',
  ): Promise<Record<string, string> | undefined>;
  /** Undefined when this unit or application owns no such secret. */
  secretInfo(secret: { id: string } | { label: string }): Promise<SecretInfo | undefined>;
  /** @returns the URI, `secret:<id>` */
  secretAdd(content: Record<string, string>, options?: SecretOptions): Promise<string>;
  secretSet(id: string, content: Record<string, string>, options?: SecretOptions): Promise<void>;
  secretGrant(id: string, relation: { endpoint: string; id: number }): Promise<void>;
  secretRevoke(id: string, relation: { endpoint: string; id: number }): Promise<void>;
  secretRemove(id: string, revision?: number): Promise<void>;
  secretIds(): Promise<string[]>;
  stateGet(): Promise<Record<string, string>>;
  stateSet(values: Record<string, string | undefined>): Promise<void>;
  actionGet(): Promise<Record<string, unknown>>;
  /** Keys may nest by dots; values are strings. */
  actionSet(results: Record<string, string>): Promise<void>;
  actionFail(message: string): Promise<void>;
  actionLog(message: string): Promise<void>;
  /** Ends the connection, if the transport holds one. */
  close(): Promise<void>;
}
