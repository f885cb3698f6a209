/** What the unit's own hooks may ask, on the unix socket that only root (or the one user) opens. */
import type { AgentWorld } from '../../charm/model/world.ts';
import type { Ending, LeaveReport, LeaveRequest } from '../../charm/workload/ports.ts';
import type { Jobs } from '../jobs-port.ts';
import { numberField, type Routes, textField, textListField, textsField } from './http.ts';

export interface LocalService {
  world(): AgentWorld;
  /** @returns the generation reached when it was reached, or when the time was over */
  apply(generation: number, timeoutMs: number): Promise<number>;
  wakeAfter(ms: number): void;
  leave(request: LeaveRequest): Promise<LeaveReport>;
  startWork(kind: string, params: Record<string, string>): Promise<string>;
  followWork(id: string, onLine: (line: string) => void, signal: AbortSignal): Promise<Ending>;
  jobs(): Jobs;
}

export function localRoutes(service: LocalService): Routes {
  return {
    'GET /v1/world': async () => service.world(),
    'POST /v1/apply': async ({ body }) => ({
      generation: await service.apply(
        numberField(body, 'generation'),
        numberField(body, 'timeoutMs'),
      ),
    }),
    'POST /v1/wake-after': async ({ body }) => service.wakeAfter(numberField(body, 'ms')),
    'POST /v1/leave': ({ body }) =>
      service.leave({
        timeoutMs: numberField(body, 'timeoutMs'),
        heirs: textListField(body, 'heirs'),
      }),
    'POST /v1/work': async ({ body }) => ({
      id: await service.startWork(textField(body, 'kind'), textsField(body, 'params')),
    }),
    'GET /v1/work/:id': async ({ id, begin, send, signal }) => {
      begin();
      send({ ending: await service.followWork(id, (line) => send({ line }), signal) });
    },
    'POST /v1/jobs': async ({ body }) => ({
      id: await service.jobs().start(textField(body, 'kind'), textsField(body, 'params')),
    }),
    'GET /v1/jobs/:id': async ({ id, begin, send, signal }) => {
      begin();
      send({ ending: await service.jobs().follow(id, (line) => send({ line }), signal) });
    },
    'DELETE /v1/jobs/:id': ({ id }) => service.jobs().cancel(id),
  };
}
