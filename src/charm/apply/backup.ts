/** Steps of backups: jobs of this unit's agent, followed with their lines; files given up. */
import { rm } from 'node:fs/promises';
import { OperatorError } from '../../../lib/std/errors.ts';
import { formatBackups } from '../model/backup-list.ts';
import type { Repository } from '../model/repository.ts';
import { agentClient } from '../workload/agent.ts';
import type { AgentPort, Ending } from '../workload/ports.ts';
import { followPatiently } from './following.ts';
import type { Families, Tools } from './tools.ts';

export const backupSteps: Families<'run-job' | 'list-backups' | 'cancel-job' | 'remove-files'> = {
  'run-job': {
    lane: 'job',
    async apply({ kind, params, waitMs }, tools) {
      const agent = agentOf(tools);
      const version = tools.context.jujuVersion;
      const id = await agent.startJob(kind, { ...params, 'juju-version': version });
      const ending = await follow(tools, agent, { id, waitMs });
      return ending === undefined
        ? { 'job-id': id, [`${kind}-status`]: `${kind} started` }
        : resultOf(ending);
    },
  },
  'list-backups': {
    lane: 'job',
    async apply({ bucket, path }, tools) {
      const agent = agentOf(tools);
      const id = await agent.startJob('list', {});
      const ending = await agent.followJob(id, () => undefined);
      if (ending.outcome !== 'done') {
        const message = `Failed to list PostgreSQL backups with error: ${ending.message}`;
        throw new OperatorError({ code: 'list-failed', message });
      }
      const repository = JSON.parse(ending.result['repository'] ?? '{}') as Repository;
      return { backups: formatBackups(repository, { bucket, path }) };
    },
  },
  'cancel-job': {
    lane: 'job',
    async apply({ id }, tools) {
      await agentOf(tools).cancelJob(id);
      return undefined;
    },
  },
  'remove-files': {
    lane: 'files',
    priority: 60,
    async apply({ paths }) {
      for (const path of paths) await rm(path, { force: true });
      return undefined;
    },
  },
};

/** Undefined when the job goes on after `waitMs`; undefined there: to its end. */
async function follow(
  { hooks }: Tools,
  agent: AgentPort,
  { id, waitMs }: { id: string; waitMs: number | undefined },
): Promise<Ending | undefined> {
  if (waitMs === 0) return undefined;
  const ended = followPatiently(
    (onLine) => agent.followJob(id, onLine),
    (line) => hooks.actionLog(line),
  );
  return waitMs === undefined ? ended : Promise.race([ended, later(waitMs)]);
}

function later(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms));
}

function resultOf({ outcome, message, result }: Ending): Record<string, string> {
  if (outcome === 'done') return result;
  throw new OperatorError({ code: 'job-failed', message });
}

function agentOf({ world }: Tools): AgentPort {
  return agentClient(world().layout.agentSocket);
}
