/**
 * Prometheus' configuration and rule files, as text. Pure. JSON, which is YAML, so that nothing in
 * a name or label needs quoting of its own.
 */
import type { RuleGroup, ScrapeJob } from '../../../lib/relations/cos-agent.ts';
import type { Model, Source } from './world.ts';

export interface ScrapeSettings {
  scrapeIntervalSeconds: number;
  model: Model;
  /** Directory of the rule files. */
  rules: string;
  /** `host:port` of the Alertmanager. */
  alertmanager: string;
}

/** Every job of every unit; what two units offer under one name becomes one job with both. */
export function prometheusConfig(sources: readonly Source[], settings: ScrapeSettings): string {
  const jobs = new Map<string, ScrapeJob>();
  for (const source of sources) {
    if (!source.reading?.ok) continue;
    for (const job of source.reading.jobs) add(jobs, labelled(job, source, settings.model));
  }
  const interval = `${settings.scrapeIntervalSeconds}s`;
  const config = {
    global: { scrape_interval: interval, evaluation_interval: interval },
    rule_files: [`${settings.rules}/*.yml`],
    alerting: {
      alertmanagers: [{ static_configs: [{ targets: [settings.alertmanager] }] }],
    },
    scrape_configs: [...jobs.values()].sort((a, b) => (a.job_name < b.job_name ? -1 : 1)),
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

function add(jobs: Map<string, ScrapeJob>, job: ScrapeJob): void {
  const { static_configs: targets, ...settings } = job;
  for (let copy = 1; ; copy++) {
    const name = copy === 1 ? job.job_name : `${job.job_name}-${copy}`;
    const present = jobs.get(name);
    if (present === undefined) {
      jobs.set(name, { ...settings, job_name: name, static_configs: [...targets] });
      return;
    }
    const { static_configs: others, ...same } = present;
    if (JSON.stringify(same) === JSON.stringify({ ...settings, job_name: name })) {
      others.push(...targets);
      return;
    }
  }
}

/** Where each sample comes from: alert rules select by these labels. */
function labelled(job: ScrapeJob, source: Source, model: Model): ScrapeJob {
  const origin = {
    juju_model: model.name,
    juju_model_uuid: model.uuid,
    juju_application: source.app,
    juju_unit: source.unit,
  };
  const { job_name, metrics_path, scheme, tls_config, static_configs } = job;
  return {
    job_name,
    metrics_path,
    ...(scheme === undefined ? {} : { scheme }),
    ...(tls_config === undefined ? {} : { tls_config }),
    static_configs: static_configs.map(({ targets, labels }) => ({
      targets,
      labels: { ...labels, ...origin },
    })),
  };
}

/** Number of targets in such a configuration. */
export function targetCount(config: string): number {
  const { scrape_configs: jobs } = JSON.parse(config) as { scrape_configs: ScrapeJob[] };
  return jobs.flatMap((job) => job.static_configs.flatMap(({ targets }) => targets)).length;
}

/**
 * Rule files by name, one for each relation with rules. Units of one application offer the same
 * groups: the first unit that offers a group speaks for the others.
 */
export function ruleFiles(sources: readonly Source[]): Record<string, string> {
  const files = new Map<string, Map<string, RuleGroup>>();
  for (const { app, relationId, reading } of sources) {
    if (!reading?.ok || reading.groups.length === 0) continue;
    const name = `${app}-${relationId}.yml`;
    const groups = files.get(name) ?? new Map<string, RuleGroup>();
    files.set(name, groups);
    for (const group of reading.groups) {
      if (!groups.has(group.name)) groups.set(group.name, group);
    }
  }
  return Object.fromEntries(
    [...files].map(([name, groups]) => [
      name,
      `${JSON.stringify({ groups: [...groups.values()] }, null, 2)}\n`,
    ]),
  );
}
