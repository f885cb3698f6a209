/** What this charm decides by and what it can do; plain values and names, no behaviour. */
import type { Ending, WorkloadFacts, WorkloadSteps } from '../../../lib/charm/workload.ts';
import type { CosAgentReading } from '../../../lib/relations/cos-agent-reader.ts';
import { hostPort } from '../../../lib/relations/subnets.ts';
import type { Secret } from '../../../lib/std/secret.ts';

export const SERVICES = ['prometheus', 'alertmanager'] as const;
export type ServiceName = (typeof SERVICES)[number];
export const PORTS: Readonly<Record<ServiceName, number>> = {
  prometheus: 9090,
  alertmanager: 9093,
};
export const PROGRAMS: Readonly<Record<ServiceName, string>> = {
  prometheus: '/usr/bin/prometheus',
  alertmanager: '/usr/bin/prometheus-alertmanager',
};

export interface Model {
  readonly name: string;
  readonly uuid: string;
}

/** Where people look. */
export function urlOf(service: ServiceName, address: string): string {
  return `http://${hostPort(address, PORTS[service])}`;
}

export interface World extends WorkloadFacts {
  readonly model: Model;
  /** Bind address; undefined while the network is not known. */
  readonly address: string | undefined;
  readonly config: Config;
  /** Undefined while the storage is not attached. */
  readonly places: Places | undefined;
  readonly missingPackages: readonly string[];
  /** Whom the programs run as; undefined: as the user that runs the charm. */
  readonly user: string | undefined;
  readonly sources: readonly Source[];
  readonly files: Files;
  /** The directories for data are there and belong to whom the programs run as. */
  readonly dataReady: boolean;
  /** `starting`: told to run moments ago. */
  readonly health: 'up' | 'starting' | 'down';
  readonly ending: Ending;
  /** As Prometheus says now, or why it does not. */
  readonly targets: Listed<Target>;
  /** As Alertmanager says now, or why it does not. */
  readonly alerts: Listed<Alert>;
}

export type Listed<Entry> = readonly Entry[] | { readonly unknown: string };

export interface Config {
  readonly scrapeInterval: unknown;
  readonly retentionDays: unknown;
  readonly retentionSize: unknown;
  readonly webhookUrl: unknown;
}

/** Absolute paths. */
export interface Places {
  /** Parent of everything but the samples. */
  readonly root: string;
  readonly config: string;
  /** One file for each relation that offers rules. */
  readonly rules: string;
  /** Rule files that promtool refused: the same names, with the reason. */
  readonly refused: string;
  /** Digest of what the running Prometheus was last told to read. */
  readonly loaded: string;
  readonly data: string;
  readonly alertmanager: string;
  /** Silences, and what was told already. */
  readonly alertmanagerData: string;
}

/** One unit of a related application. */
export interface Source {
  readonly relationId: number;
  readonly app: string;
  readonly unit: string;
  readonly reading: CosAgentReading | undefined;
}

/** Texts as they are on disk. */
export interface Files {
  readonly config: string | undefined;
  readonly rules: Readonly<Record<string, string>>;
  readonly refused: Readonly<Record<string, Refusal>>;
  readonly loaded: string | undefined;
  readonly alertmanager: string | undefined;
}

export interface Refusal {
  /** Of the text that was refused. */
  readonly digest: string;
  readonly reason: string;
}

export interface Target {
  readonly job: string;
  readonly unit: string;
  readonly url: string;
  readonly health: string;
  readonly error: string;
}

export interface Alert {
  readonly name: string;
  readonly severity: string;
  /** What it is about: a unit, or an application. */
  readonly subject: string;
  readonly summary: string;
  /** Since when, ISO 8601. */
  readonly since: string;
}

export interface Steps extends WorkloadSteps {
  'prepare-places': Record<string, never>;
  /** Checked by promtool; refused rules leave what was there and a note. */
  'write-rules': { name: string; text: string; digest: string };
  'remove-rules': { name: string };
  'write-config': { text: string };
  /** The text may hold the key of a webhook. */
  'write-alertmanager': { text: Secret; digest: string };
  reload: Record<string, never>;
}
