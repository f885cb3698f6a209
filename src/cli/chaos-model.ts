/**
 * A model as a campaign of faults needs it, over the controller's API: the verbs that operators
 * have. A controller that is gone is started again by the next question.
 */
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { OperatorError } from '../../lib/std/errors.ts';
import type { Model, UnitView } from '../chaos/model.ts';
import type { StatusDocument, UnitStatus } from '../controller/api/documents.ts';
import type { TaskView, Verb, Verbs } from '../controller/api.ts';
import type { Api } from './client.ts';
import { follow } from './follow.ts';
import { hasEnded } from './task.ts';
import { unitShell } from './unit-shell.ts';

type Environment = Record<string, string | undefined>;

const LOSSES = 5;
const AFTER_LOSS_MS = 300;
const SHELL_MS = 30_000;
const ACTION_MS = 120_000;

export function chaosModel(api: Api, env: Environment, signal: AbortSignal): Model {
  const ask = patient(api);
  const document = async () => (await ask('status', {})).document;
  return {
    units: async (application) => unitViews(await document(), application),
    async related(application) {
      const { applications } = await document();
      const relations = applicationOf(applications, application).relations ?? {};
      return Object.values(relations)
        .flat()
        .filter((each) => each['related-application'] !== application)
        .map((each) => ({
          application: each['related-application'],
          interface: each.interface,
          units: Object.keys(applications[each['related-application']]?.units ?? {}),
        }));
    },
    actions: async (application) => Object.keys(await ask('actions', { application })),
    act: (unit, action) => act(api, { unit, action }, signal),
    async shell(unit, command) {
      const { program, words, options } = unitShell(
        await ask('place', { target: unit }),
        command,
        env,
      );
      return new Promise((resolve) => {
        const limits = { ...options, timeout: SHELL_MS, killSignal: 'SIGKILL' as const };
        execFile(program, words, limits, (error, stdout, stderr) => {
          resolve({ ok: error === null, output: (error === null ? stdout : stderr).trim() });
        });
      });
    },
    directory: async (unit) => (await ask('place', { target: unit })).directory,
    processes: (target) => ask('processes', { target }),
    async power(unit, on) {
      await ask('power', { target: unit, on });
    },
    async cut(unit, { from, direction }) {
      await ask('cut', { target: unit, from: [...from], direction });
    },
    async mend(unit) {
      await ask('mend', { targets: [unit] });
    },
  };
}

/** Every verb that it is used for may be asked twice. */
function patient(api: Api) {
  return async <V extends Verb>(
    verb: V,
    request: Verbs[V]['request'],
  ): Promise<Verbs[V]['answer']> => {
    for (let losses = 1; ; losses += 1) {
      try {
        return await api.call(verb, request);
      } catch (error) {
        const lost = error instanceof OperatorError && error.code === 'controller-lost';
        if (!lost || losses >= LOSSES) throw error;
        await delay(AFTER_LOSS_MS);
      }
    }
  };
}

async function act(
  api: Api,
  { unit, action }: { unit: string; action: string },
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const { tasks, failures } = await api.call('run', { units: [unit], action });
  const [task] = tasks;
  if (task === undefined) throw actionFailed(unit, action, failures.join('; '));
  const seen = (view: TaskView) => (hasEnded(view) ? view : undefined);
  const following = { seen, timeoutMs: ACTION_MS, signal };
  const ended = await follow(api, 'show-task', { id: task.id }, following);
  if (ended?.status === 'completed') return ended.results;
  throw actionFailed(unit, action, ended?.message ?? 'it does not end');
}

function actionFailed(unit: string, action: string, why: string): OperatorError {
  return new OperatorError({
    code: 'action-failed',
    message: `cannot run ${action} on ${unit}: ${why}`,
    retry: 'now',
  });
}

function applicationOf(applications: StatusDocument['applications'], name: string) {
  const found = applications[name];
  if (found !== undefined) return found;
  throw new OperatorError({
    code: 'not-found',
    message: `application "${name}" not found`,
    hint: 'see `pgcharm status`; --app names another one',
    retry: 'never',
  });
}

function unitViews({ applications, storage }: StatusDocument, application: string): UnitView[] {
  const units = Object.entries(applicationOf(applications, application).units ?? {});
  return units.map(([name, unit]) => ({
    name,
    machine: unit.machine,
    address: unit['public-address'],
    leader: unit.leader ?? false,
    settled: isSettled(unit),
    says: sentenceOf(unit),
    storage: storageOf(storage, name),
  }));
}

/** Active, with nothing left to run. */
function isSettled(unit: UnitStatus): boolean {
  return unit['workload-status'].current === 'active' && unit['juju-status'].current === 'idle';
}

function sentenceOf({ 'workload-status': workload, 'juju-status': agent }: UnitStatus): string {
  const busy = agent.current === 'idle' ? '' : ` (${agent.current})`;
  return `${workload.current} ${workload.message ?? ''}`.trim() + busy;
}

function storageOf(storage: StatusDocument['storage'], unit: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(storage?.storage ?? {}).flatMap(([id, { attachments }]) => {
      const location = attachments?.units[unit]?.location;
      return location === undefined ? [] : [[id.split('/')[0] ?? id, location]];
    }),
  );
}
