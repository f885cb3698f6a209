/** Steps on the unit's services. A stop waits for the end of the process, nothing else waits. */
import { rm, writeFile } from 'node:fs/promises';
import { poll } from '../../../lib/std/clock.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { readIfExists } from '../../../lib/std/files.ts';
import { type Snapshot, unitOfMember } from '../model/snapshot.ts';
import { agentClient } from '../workload/agent.ts';
import { learntFile, loadedFile, pidFile, unitServices } from '../workload/services.ts';
import { withEtcd } from './etcd.ts';
import { beginRound } from './patroni-round.ts';
import type { Families, Tools } from './tools.ts';

type ServiceSteps =
  | 'define-service'
  | 'start-supervisor'
  | 'start-service'
  | 'forget-founding'
  | 'keep-service'
  | 'stop-service'
  | 'reload-service'
  | 'restart-service'
  | 'note-etcd-hosts'
  | 'apply-desired'
  | 'leave-cluster'
  | 'remove-workload';

/** PostgreSQL writes a checkpoint before it ends; Patroni gives it as long as it needs. */
const STOP_MS = 60_000;
/** The agent acts on the file by itself; this only makes the event see what came of it. */
const APPLY_MS = 1500;
const AGENT_START_MS = 20_000;

export const serviceSteps: Families<ServiceSteps> = {
  'define-service': {
    lane: ({ name }) => `service ${name}`,
    priority: 40,
    async apply({ name, spec }, tools) {
      const services = adapter(tools);
      await services.define(name, spec);
      // A new revision of the agent takes over at once, what it had begun is on record; and nobody
      // depends on the exporter.
      if (name === 'agent' || name === 'exporter') await services.restart(name);
      return undefined;
    },
  },
  'start-supervisor': {
    lane: 'supervisor',
    priority: 45,
    async apply(_, tools) {
      if (tools.world().services['patroni']?.running === false) await note(tools, 'patroni');
      await adapter(tools).ensureSupervisor();
      return undefined;
    },
  },
  'start-service': {
    lane: ({ name }) => `service ${name}`,
    priority: 50,
    async apply({ name, once }, tools) {
      await note(tools, name);
      const services = adapter(tools);
      if (once !== true) await services.up(name);
      else {
        if (tools.world().services[name]?.once === true) await forgetFounding(tools.world());
        await services.once(name);
      }
      return undefined;
    },
  },
  'forget-founding': {
    lane: 'service patroni',
    priority: 50,
    destructive: true,
    async apply(_, { world }) {
      await forgetFounding(world());
      return undefined;
    },
  },
  'keep-service': {
    lane: ({ name }) => `service ${name}`,
    priority: 50,
    async apply({ name }, tools) {
      await adapter(tools).up(name);
      return undefined;
    },
  },
  'stop-service': {
    lane: ({ name }) => `service ${name}`,
    // Before the supervisor starts: what must not run after a restart of the machine never does.
    priority: 36,
    async apply({ name }, tools) {
      const services = adapter(tools);
      await services.down(name);
      if (await services.stopped(name, STOP_MS)) return undefined;
      throw new OperatorError({
        code: 'service-does-not-stop',
        message: `cannot stop ${name}: it still runs after ${STOP_MS / 1000} s`,
        hint: 'the next event tries again',
      });
    },
  },
  'reload-service': {
    lane: ({ name }) => `service ${name}`,
    priority: 50,
    async apply({ name, digest }, tools) {
      await adapter(tools).hangup(name);
      await writeFile(loadedFile(tools.world().layout, name), digest);
      if (name === 'patroni') await beginRound(tools.world());
      return undefined;
    },
  },
  'restart-service': {
    lane: ({ name }) => `service ${name}`,
    priority: 50,
    async apply({ name, signal }, tools) {
      await note(tools, name);
      await adapter(tools).restart(name, signal);
      return undefined;
    },
  },
  'note-etcd-hosts': {
    lane: 'service patroni',
    priority: 50,
    async apply({ hosts }, { world }) {
      const { layout } = world();
      const pid = (await readIfExists(pidFile(layout, 'patroni'))) ?? '';
      await writeFile(learntFile(layout), [pid.trim(), ...hosts].join('\n'));
      return undefined;
    },
  },
  'apply-desired': {
    lane: 'agent',
    priority: 55,
    async apply({ generation }, { world }) {
      await agentClient(world().layout.agentSocket).apply(generation, APPLY_MS);
      return undefined;
    },
  },
  'leave-cluster': {
    lane: 'departure',
    priority: 35,
    async apply(request, { hooks, world }) {
      const agent = agentClient(world().layout.agentSocket);
      // Its supervisor may only just have been started.
      const answers = async () => ((await agent.world()).known ? true : undefined);
      await poll(answers, { timeoutMs: AGENT_START_MS });
      const { heirs } = request;
      // A clone may take long: not for the end of the event, which says what came of it.
      if (heirs.length > 0) await hooks.statusSet('maintenance', waitsForHeirs(heirs));
      const report = await agent.leave(request);
      for (const line of report.lines) await hooks.log('INFO', line);
      return undefined;
    },
  },
  'remove-workload': {
    lane: 'departure',
    priority: 70,
    async apply(_, tools) {
      await adapter(tools).shutdown(STOP_MS);
      // A supervisor that is ending writes its last state.
      await rm(tools.world().layout.root, { recursive: true, force: true, maxRetries: 5 });
      await rm(tools.world().layout.profile, { force: true });
      return undefined;
    },
  },
};

function waitsForHeirs(heirs: readonly string[]): string {
  const units = heirs.map(unitOfMember).join(' or ');
  return `leaving: only this unit has the data, waiting until ${units} has cloned it`;
}

/**
 * Takes back Patroni's word that it makes the first database, which a run that was cut short has
 * left. With it there a second would wait for the first for good.
 */
async function forgetFounding(world: Snapshot): Promise<void> {
  const key = `/db/${world.app}/initialize`;
  await withEtcd(world, async (etcd) => {
    const entry = await etcd.get(key);
    // Somebody's identifier by now: that there is no database is no longer true.
    if (entry?.value !== '') return;
    await etcd.txn([{ key, modRevision: entry.modRevision }], [{ delete: key }]);
  });
}

/** What a service reads when it starts is what lies there now. */
async function note(tools: Tools, name: string): Promise<void> {
  const { layout } = tools.world();
  const files: Record<string, string> = {
    patroni: layout.patroniConfig,
    pgbackrest: layout.pgbackrestConfig,
    // Whom it trusts is all that it reads once.
    etcd: layout.tls.ca,
  };
  const file = files[name];
  const config = file === undefined ? undefined : await readIfExists(file);
  if (config === undefined) return;
  await writeFile(loadedFile(layout, name), digestOf(config));
}

function adapter({ context, world }: Tools) {
  return unitServices(world().layout, context);
}
