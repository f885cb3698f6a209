/**
 * Offers this unit's metrics, and the alert rules about them, on the `cos-agent` endpoint. Every
 * unit speaks for itself. Pure: asks no metric whether it is there.
 */
import { cosAgentData, type ScrapeJob } from '../../../lib/relations/cos-agent.ts';
import { changedKeys } from '../../../lib/relations/databag.ts';
import { hostPort } from '../../../lib/relations/subnets.ts';
import { alertRules } from '../model/alert-rules.ts';
import { type Decider, step } from '../model/steps.ts';

const ENDPOINT = 'cos-agent';
const AGENT_METRICS_PORT = 9188;
const PATRONI_PORT = 8008;

export const observability: Decider = (world) => {
  const { address } = world.unit;
  const relations = world.relations.filter(
    ({ endpoint, ending }) => endpoint === ENDPOINT && !ending,
  );
  if (address === undefined || relations.length === 0) return [];
  const topology = {
    model: world.model.name,
    modelUuid: world.model.uuid,
    app: world.app,
    charm: 'postgresql',
  };
  const wanted = cosAgentData(topology, { jobs: scrapeJobs(address), groups: alertRules });
  return relations.flatMap(({ id, app, localUnit }) => {
    const data = changedKeys(wanted, localUnit);
    if (Object.keys(data).length === 0) return [];
    const args = { endpoint: ENDPOINT, relationId: id, scope: 'unit', data } as const;
    return [step('relation-set', args, `${app} is told what to scrape here`)];
  });
};

/** What may be scraped at this unit's own address. */
export function scrapeJobs(address: string): ScrapeJob[] {
  return [
    {
      job_name: 'agent',
      metrics_path: '/metrics',
      static_configs: [{ targets: [hostPort(address, AGENT_METRICS_PORT)] }],
    },
    {
      job_name: 'patroni',
      metrics_path: '/metrics',
      scheme: 'https',
      // Its certificate is of the internal CA, which is nobody's business outside.
      tls_config: { insecure_skip_verify: true },
      static_configs: [{ targets: [hostPort(address, PATRONI_PORT)] }],
    },
  ];
}
