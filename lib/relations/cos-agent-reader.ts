/**
 * The `cos_agent` interface, the side that collects. What it reads becomes the configuration of a
 * Prometheus, so of a job only what names targets and how to ask them is let through: nothing that
 * would make Prometheus read a file or discover hosts by itself.
 */
import { z } from 'zod';
import type { RuleGroup, ScrapeJob } from './cos-agent.ts';
import { type Databag, parseJson } from './databag.ts';

const MAX_JOBS = 50;
const MAX_TARGETS = 200;
const MAX_GROUPS = 100;

export type CosAgentReading =
  | { ok: true; jobs: ScrapeJob[]; groups: RuleGroup[] }
  /** A phrase that goes after the unit's name. */
  | { ok: false; reason: string };

const labelName = z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_]{0,127}$/);
const text = z.string().max(4096);
const duration = z.string().regex(/^(\d+(ms|[smhdwy]))+$/);
const target = z.string().regex(/^[A-Za-z0-9_.:[\]-]{1,255}$/);

const job = z.object({
  job_name: z.string().min(1).max(200).default('default'),
  metrics_path: z.string().max(1024).startsWith('/').default('/metrics'),
  scheme: z.enum(['http', 'https']).optional(),
  tls_config: z
    .object({
      insecure_skip_verify: z.boolean().optional(),
      server_name: z.string().max(255).optional(),
    })
    .optional(),
  static_configs: z
    .array(
      z.object({
        targets: z.array(target).max(MAX_TARGETS),
        labels: z.record(labelName, text).optional(),
      }),
    )
    .max(MAX_TARGETS),
});

const rule = z
  .object({
    alert: z.string().max(256).optional(),
    record: z.string().max(256).optional(),
    expr: z.union([text, z.number().transform(String)]),
    for: duration.optional(),
    labels: z.record(labelName, text).optional(),
    annotations: z.record(labelName, text).optional(),
  })
  .refine((it) => (it.alert === undefined) !== (it.record === undefined), {
    error: 'neither an alert nor a record, or both',
  });

const config = z.object({
  metrics_scrape_jobs: z.array(job).max(MAX_JOBS).default([]),
  metrics_alert_rules: z
    .object({
      groups: z
        .array(z.object({ name: z.string().min(1).max(256), rules: z.array(rule).max(500) }))
        .max(MAX_GROUPS)
        .default([]),
    })
    .default({ groups: [] }),
});

/** @returns undefined as long as the unit has offered nothing */
export function readCosAgent(unit: Databag): CosAgentReading | undefined {
  const raw = unit['config'];
  if (raw === undefined) return undefined;
  const parsed = config.safeParse(parseJson(raw));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const place = issue?.path.join('.') ?? '';
    const where = place === '' ? 'config' : `config.${place}`;
    return { ok: false, reason: `offers what cannot be used: ${where}: ${issue?.message ?? ''}` };
  }
  const { metrics_scrape_jobs: jobs, metrics_alert_rules: rules } = parsed.data;
  return { ok: true, jobs: compact(jobs), groups: compact(rules.groups) };
}

/** Without keys that hold undefined, which JSON and exact optional properties do not know. */
function compact<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
