/**
 * A hook's client of its unit's agent: HTTP over the agent's unix socket, JSON in and out, lines of
 * JSON where something is followed. Loads nothing but node:http, since every event uses it.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import { type AgentWorld, type Observed, unknown } from '../model/world.ts';
import { createHttp, type HttpRequest } from './http.ts';
import type { AgentPort, Ending, LeaveReport } from './ports.ts';

/** Behind the agent's own limit (agent/decide/leaving.ts). */
const LEAVE_MS = 25 * 3600_000;

interface Refusal {
  error: { code: string; message: string; hint?: string };
}
/** What a followed stream sends: lines, then exactly one ending. */
type Followed = { line: string } | { ending: Ending };

/**
 * @throws OperatorError `agent-unreachable` when nothing answers, else the agent's own refusal;
 *   world() never throws
 */
export function agentClient(socketPath: string): AgentPort {
  const call = <T>(method: Method, path: string, json?: unknown, timeoutMs = 5000) =>
    callAgent<T>(socketPath, { method, url: `http://agent${path}`, json, timeoutMs });
  const follow = (path: string, onLine: (line: string) => void) =>
    followAgent(socketPath, `http://agent${path}`, onLine);
  return {
    async world(): Promise<Observed<AgentWorld>> {
      try {
        return { known: true, value: await call<AgentWorld>('GET', '/v1/world') };
      } catch (error) {
        return unknown(messageOf(error));
      }
    },
    async apply(generation, timeoutMs) {
      const json = { generation, timeoutMs };
      const path = '/v1/apply';
      return (await call<{ generation: number }>('POST', path, json, timeoutMs + 2000)).generation;
    },
    async wakeAfter(ms) {
      await call('POST', '/v1/wake-after', { ms });
    },
    // The agent keeps the time: a clone may take long.
    leave: (request) => call<LeaveReport>('POST', '/v1/leave', request, LEAVE_MS),
    async startWork(kind, params) {
      return (await call<{ id: string }>('POST', '/v1/work', { kind, params }, 30_000)).id;
    },
    followWork: (id, onLine) => follow(`/v1/work/${encodeURIComponent(id)}`, onLine),
    async startJob(kind, params) {
      return (await call<{ id: string }>('POST', '/v1/jobs', { kind, params }, 30_000)).id;
    },
    followJob: (id, onLine) => follow(`/v1/jobs/${encodeURIComponent(id)}`, onLine),
    async cancelJob(id) {
      await call('DELETE', `/v1/jobs/${encodeURIComponent(id)}`, undefined, 30_000);
    },
  };
}

type Method = HttpRequest['method'];

async function callAgent<T>(socketPath: string, request: HttpRequest): Promise<T> {
  const http = createHttp({ socketPath });
  try {
    const answer = await http.request(request).catch((cause: unknown) => {
      throw unreachable(cause);
    });
    const body: unknown = JSON.parse(answer.body);
    if (answer.status >= 400) throw refusal(body as Refusal);
    return body as T;
  } finally {
    // Nothing is kept alive: a hook has few calls and must be able to exit.
    http.close();
  }
}

async function followAgent(
  socketPath: string,
  url: string,
  onLine: (line: string) => void,
): Promise<Ending> {
  const http = createHttp({ socketPath });
  let ending: Ending | undefined;
  const [lines, failed] = collector((text) => {
    const message = JSON.parse(text) as Followed | Refusal;
    if ('line' in message) onLine(message.line);
    else if ('ending' in message) ending = message.ending;
    else throw refusal(message);
  });
  try {
    await http.stream({ method: 'GET', url, connectTimeoutMs: 5000, onLine: lines });
  } catch (cause) {
    throw unreachable(cause);
  } finally {
    http.close();
  }
  if (failed.error !== undefined) throw failed.error;
  if (ending === undefined) throw unreachable(new Error('the agent ended the connection'));
  return ending;
}

/** Keeps an error that is thrown for a line until the stream has ended. */
function collector(onText: (text: string) => void) {
  const failed: { error?: unknown } = {};
  const lines = (text: string) => {
    try {
      if (text !== '') onText(text);
    } catch (error) {
      failed.error ??= error;
    }
  };
  return [lines, failed] as const;
}

function refusal({ error }: Refusal): OperatorError {
  return new OperatorError({
    code: error.code,
    message: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

function unreachable(cause: unknown): OperatorError {
  return new OperatorError({
    code: 'agent-unreachable',
    message: `cannot reach the agent of this unit: ${messageOf(cause)}`,
    hint: 'it is started as a service of the unit; see its log directory',
    retry: 'now',
    cause,
  });
}
