/**
 * What the other units' agents may ask, over mutual TLS with certificates of the internal CA. A
 * task is done only for the owner of the record in etcd: one that was replaced is refused.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import type { PeerView } from '../../charm/model/world.ts';
import type { Pulse } from '../decide/holding.ts';
import type { TaskRequest } from '../work/context.ts';
import type { StoredWork } from '../work/record.ts';
import { type Routes, textField, textsField } from './http.ts';

export interface PeerService {
  view(): PeerView;
  /** Of the server that the pooler leads to. */
  pulse(): Pulse | undefined;
  wake(): void;
  readWork(): Promise<StoredWork | undefined>;
  runTask(request: TaskRequest, signal: AbortSignal): Promise<Record<string, string>>;
}

export function peerRoutes(service: PeerService): Routes {
  return {
    'GET /v1/peer': async () => service.view(),
    'GET /v1/pulse': async () => {
      const pulse = service.pulse();
      return pulse?.state === 'beating' ? { hears: pulse.address } : {};
    },
    'POST /v1/wake': async () => service.wake(),
    'POST /v1/task': async ({ body, signal }) => {
      const request: TaskRequest = {
        id: textField(body, 'id'),
        owner: textField(body, 'owner'),
        kind: textField(body, 'kind'),
        task: textField(body, 'task'),
        params: textsField(body, 'params'),
      };
      checkOwner(await service.readWork(), request);
      return service.runTask(request, signal);
    },
  };
}

function checkOwner(stored: StoredWork | undefined, { id, owner, kind }: TaskRequest): void {
  const record = stored?.record;
  const same = record?.id === id && record.owner === owner && record.kind === kind;
  if (same && record.outcome === 'running') return;
  throw new OperatorError({
    code: 'work-lost',
    message: `cannot do this for ${owner}: work ${id} is not in its hands`,
    retry: 'never',
  });
}
