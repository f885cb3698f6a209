/**
 * The `cos_agent` interface, the side that offers: what a unit lets be scraped, and the alert rules
 * about it. One key, `config`, in the unit's databag. The reading side is cos-agent-reader.ts.
 *
 * Dashboards come as the interface wants them, compressed with LZMA and in base64: Node has no
 * LZMA, and a charm's dashboards are known when it is built.
 */
export interface ScrapeJob {
  job_name: string;
  metrics_path: string;
  scheme?: 'http' | 'https';
  tls_config?: { insecure_skip_verify?: boolean; server_name?: string };
  static_configs: { targets: string[]; labels?: Record<string, string> }[];
}

export interface Rule {
  alert?: string;
  record?: string;
  /** PromQL; `%%topology%%` between braces stands for matchers of the application's labels. */
  expr: string;
  for?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
export interface RuleGroup {
  name: string;
  rules: Rule[];
}

export interface Topology {
  model: string;
  modelUuid: string;
  app: string;
  charm: string;
}

export interface CosAgentOffer {
  jobs: readonly ScrapeJob[];
  /** Alert rules on metrics, in PromQL. */
  groups: readonly RuleGroup[];
  /** Alert rules on logs, in LogQL; default none. */
  logGroups?: readonly RuleGroup[];
  /** Each base64 of LZMA-compressed JSON; default none. */
  dashboards?: readonly string[];
  /** Slots of snaps that share their logs, `snap:slot`; default none. */
  logSlots?: readonly string[];
  /** How traces are to be taken, such as `otlp_http`; default none. */
  tracingProtocols?: readonly string[];
}

/** The unit's databag. Equal offers give equal texts. */
export function cosAgentData(topology: Topology, offer: CosAgentOffer): { config: string } {
  const jobs = offer.jobs
    .map((job) => ({ ...job, job_name: jobName(topology.app, job) }))
    .sort((a, b) => (a.job_name < b.job_name ? -1 : 1));
  const logGroups = (offer.logGroups ?? []).map((group) => named(topology, group));
  const config = {
    metrics_alert_rules: { groups: offer.groups.map((group) => named(topology, group)) },
    log_alert_rules: logGroups.length === 0 ? {} : { groups: logGroups },
    dashboards: offer.dashboards ?? [],
    subordinate: null,
    metrics_scrape_jobs: jobs,
    log_slots: offer.logSlots ?? [],
    tracing_protocols: offer.tracingProtocols ?? [],
  };
  return { config: JSON.stringify(config) };
}

/** Names collide neither between applications nor between jobs of one that differ in anything. */
function jobName(app: string, { job_name: given, ...rest }: ScrapeJob): string {
  return `${app}_${given}_${digest(sortedJson(rest))}`;
}

function named(topology: Topology, { name, rules }: RuleGroup): RuleGroup {
  const { model, modelUuid, app, charm } = topology;
  const own = { juju_model: model, juju_model_uuid: modelUuid, juju_application: app };
  const matchers = Object.entries(own).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return {
    name: `${model}_${modelUuid.slice(0, 8)}_${app}_${name}_rules`,
    rules: rules.map((rule) => ({
      ...rule,
      expr: rule.expr.replaceAll('%%topology%%', matchers.join(', ')),
      labels: { ...rule.labels, ...own, juju_charm: charm },
    })),
  };
}

function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** FNV-1a, 32 bits: tells contents apart in a name, and protects nothing. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash.toString(16).padStart(8, '0');
}
