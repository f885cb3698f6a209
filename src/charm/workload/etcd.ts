/**
 * etcd through its v3 HTTP gateway over mutual TLS, which 3.4 and later answer below `/v3`.
 *
 * Endpoints are asked in order, the one that answered last first. Keys and values are text; ids are
 * hexadecimal as etcdctl prints them (the gateway speaks decimal). Never stores credentials.
 */
import { messageOf, OperatorError } from '../../../lib/std/errors.ts';
import type { HttpPort } from './http.ts';
import { createHttps, type TlsFiles } from './https.ts';
import type {
  EtcdCompare,
  EtcdOperation,
  EtcdPeer,
  EtcdPort,
  EtcdStatus,
  EtcdValue,
} from './ports.ts';

export interface EtcdOptions {
  /** Client URLs, `https://10.0.0.1:2379`. */
  endpoints: readonly string[];
  tls: TlsFiles;
  /** Per endpoint and call; default 2000. */
  timeoutMs?: number;
}

interface RawMember {
  ID: string;
  name?: string;
  peerURLs?: string[];
  clientURLs?: string[];
  isLearner?: boolean;
}
interface RawValue {
  key: string;
  value?: string;
  create_revision: string;
  mod_revision: string;
}

/**
 * @throws OperatorError `etcd-unreachable` when no endpoint answers, `etcd-refused` with etcd's
 *   own words when it says no
 */
export function createEtcd(options: EtcdOptions): EtcdPort {
  const http = createHttps(options.tls);
  const gateway = new Gateway(http, options.endpoints, options.timeoutMs ?? 2000);
  return { ...membership(gateway), ...keys(gateway), ...leases(gateway), ...watching(gateway) };
}

/** Carries one call to the first endpoint that answers it. */
class Gateway {
  readonly http: HttpPort;
  readonly timeoutMs: number;
  #endpoints: readonly string[];

  constructor(http: HttpPort, endpoints: readonly string[], timeoutMs: number) {
    this.http = http;
    this.#endpoints = endpoints;
    this.timeoutMs = timeoutMs;
  }

  get endpoints(): readonly string[] {
    return this.#endpoints;
  }

  async call(path: string, json: unknown): Promise<Record<string, unknown>> {
    const failures: string[] = [];
    for (const endpoint of this.#endpoints) {
      try {
        const answer = await this.callAt(endpoint, path, json);
        this.#prefer(endpoint);
        return answer;
      } catch (error) {
        // A refusal is the cluster's answer. Silence, or a member that lost its leader, is not.
        if (error instanceof OperatorError && error.code === 'etcd-refused') throw error;
        failures.push(messageOf(error));
      }
    }
    throw new OperatorError({
      code: 'etcd-unreachable',
      message: `cannot reach etcd at ${this.#endpoints.join(', ')}: ${failures.join('; ')}`,
      hint: 'a majority of the voters must run',
      retry: 'now',
    });
  }

  async callAt(
    endpoint: string,
    path: string,
    json: unknown,
    timeoutMs = this.timeoutMs,
  ): Promise<Record<string, unknown>> {
    const url = `${endpoint}${path}`;
    const answer = await this.http.request({ method: 'POST', url, json, timeoutMs });
    const body = parse(answer.body);
    if (answer.status === 200) return body;
    const reason = String(body['message'] ?? body['error'] ?? `HTTP ${answer.status}`);
    if (isTransient(reason)) throw new Error(`${endpoint}: ${reason}`);
    throw new OperatorError({ code: 'etcd-refused', message: `cannot call etcd: ${reason}` });
  }

  #prefer(endpoint: string): void {
    if (this.#endpoints[0] === endpoint) return;
    this.#endpoints = [endpoint, ...this.#endpoints.filter((other) => other !== endpoint)];
  }
}

/** What another member may answer better; the texts are etcd's `rpctypes/error.go`. */
const TRANSIENT = [
  'no leader',
  'leader changed',
  'timed out',
  'not supported for learner',
  'server stopped',
  'connection',
];

function isTransient(reason: string): boolean {
  return TRANSIENT.some((text) => reason.includes(text));
}

function membership(gateway: Gateway) {
  const members = async (clientUrl?: string): Promise<EtcdPeer[]> => {
    const path = '/v3/cluster/member/list';
    const answer = await (clientUrl === undefined
      ? gateway.call(path, {})
      : gateway.callAt(clientUrl, path, {}));
    return ((answer['members'] ?? []) as RawMember[]).map(readMember);
  };
  return {
    members,
    async status(clientUrl: string, timeoutMs?: number): Promise<EtcdStatus> {
      const raw = await gateway.callAt(clientUrl, '/v3/maintenance/status', {}, timeoutMs);
      const header = raw['header'] as { member_id: string };
      const leader = String(raw['leader'] ?? '0');
      return {
        id: toHex(header.member_id),
        leaderId: leader === '0' ? undefined : toHex(leader),
        version: String(raw['version'] ?? ''),
        raftIndex: Number(raw['raftIndex'] ?? 0),
        appliedIndex: Number(raw['raftAppliedIndex'] ?? raw['raftIndex'] ?? 0),
      };
    },
    async addLearner(peerUrl: string): Promise<string> {
      const existing = (await members()).find((member) => member.peerUrl === peerUrl);
      if (existing !== undefined) return existing.id;
      const json = { peerURLs: [peerUrl], isLearner: true };
      const answer = await gateway.call('/v3/cluster/member/add', json);
      return readMember(answer['member'] as RawMember).id;
    },
    async promote(id: string): Promise<void> {
      await gateway.call('/v3/cluster/member/promote', { ID: toDecimal(id) });
    },
    async remove(id: string): Promise<void> {
      try {
        await gateway.call('/v3/cluster/member/remove', { ID: toDecimal(id) });
      } catch (error) {
        if (!messageOf(error).includes('member not found')) throw error;
      }
    },
    async transferLeadership(leaderUrl: string, toId: string): Promise<void> {
      const path = '/v3/maintenance/transfer-leadership';
      await gateway.callAt(leaderUrl, path, { targetID: toDecimal(toId) });
    },
  };
}

function keys(gateway: Gateway) {
  const range = async (query: Record<string, string>): Promise<EtcdValue[]> => {
    const answer = await gateway.call('/v3/kv/range', query);
    return ((answer['kvs'] ?? []) as RawValue[]).map(readValue);
  };
  return {
    async get(key: string): Promise<EtcdValue | undefined> {
      return (await range({ key: encode(key) }))[0];
    },
    range: (prefix: string) => range({ key: encode(prefix), range_end: prefixEnd(prefix) }),
    async put(key: string, value: string, lease?: string): Promise<void> {
      await gateway.call('/v3/kv/put', putRequest(key, value, lease));
    },
    async delete(key: string): Promise<void> {
      await gateway.call('/v3/kv/deleterange', { key: encode(key) });
    },
    async deletePrefix(prefix: string): Promise<void> {
      const json = { key: encode(prefix), range_end: prefixEnd(prefix) };
      await gateway.call('/v3/kv/deleterange', json);
    },
    async txn(compare: EtcdCompare[], operations: EtcdOperation[]): Promise<boolean> {
      const answer = await gateway.call('/v3/kv/txn', {
        compare: compare.map(({ key, modRevision }) => ({
          key: encode(key),
          target: 'MOD',
          result: 'EQUAL',
          mod_revision: String(modRevision),
        })),
        success: operations.map((operation) =>
          'put' in operation
            ? { requestPut: putRequest(operation.put, operation.value, operation.lease) }
            : { requestDeleteRange: { key: encode(operation.delete) } },
        ),
      });
      return answer['succeeded'] === true;
    },
  };
}

function leases(gateway: Gateway) {
  return {
    async grant(ttlSeconds: number): Promise<string> {
      const answer = await gateway.call('/v3/lease/grant', { TTL: String(ttlSeconds) });
      return String(answer['ID']);
    },
    async keepAlive(lease: string): Promise<number> {
      const answer = await gateway.call('/v3/lease/keepalive', { ID: lease });
      const result = (answer['result'] ?? answer) as { TTL?: string };
      return Number(result.TTL ?? 0);
    },
    async revoke(lease: string): Promise<void> {
      try {
        await gateway.call('/v3/lease/revoke', { ID: lease });
      } catch (error) {
        if (!messageOf(error).includes('lease not found')) throw error;
      }
    },
  };
}

function watching(gateway: Gateway) {
  return {
    async watch(watched: Parameters<EtcdPort['watch']>[0], signal?: AbortSignal): Promise<void> {
      const endpoint = gateway.endpoints[0];
      if (endpoint === undefined) throw new Error('no endpoint is configured');
      // One stream for each key: the gateway of 3.4 reads a single create request per body.
      const streams = new AbortController();
      const ending = signal ? AbortSignal.any([signal, streams.signal]) : streams.signal;
      let ready = 0;
      const one = (key: string) =>
        gateway.http.stream({
          method: 'POST',
          url: `${endpoint}/v3/watch`,
          json: {
            create_request: key.endsWith('/')
              ? { key: encode(key), range_end: prefixEnd(key) }
              : { key: encode(key) },
          },
          connectTimeoutMs: gateway.timeoutMs,
          signal: ending,
          onLine: (line) => {
            const result = parse(line)['result'] as WatchResult | undefined;
            if (result?.created && ++ready === watched.keys.length) watched.onReady?.();
            for (const event of result?.events ?? []) watched.onChange(decode(event.kv.key));
          },
        });
      const all = watched.keys.map(one);
      try {
        await Promise.race(all);
      } finally {
        streams.abort();
        await Promise.allSettled(all);
      }
    },
    close: () => gateway.http.close(),
  };
}

interface WatchResult {
  created?: boolean;
  events?: { kv: { key: string } }[];
}

function readMember(raw: RawMember): EtcdPeer {
  return {
    id: toHex(raw.ID),
    name: raw.name ?? '',
    peerUrl: raw.peerURLs?.[0] ?? '',
    clientUrl: raw.clientURLs?.[0],
    learner: raw.isLearner ?? false,
  };
}

function readValue(raw: RawValue): EtcdValue {
  return {
    key: decode(raw.key),
    value: decode(raw.value ?? ''),
    createRevision: Number(raw.create_revision),
    modRevision: Number(raw.mod_revision),
  };
}

function putRequest(key: string, value: string, lease: string | undefined) {
  return { key: encode(key), value: encode(value), ...(lease === undefined ? {} : { lease }) };
}

const encode = (text: string) => Buffer.from(text, 'utf8').toString('base64');
const decode = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');
const toHex = (decimal: string) => BigInt(decimal).toString(16);
const toDecimal = (hex: string) => BigInt(`0x${hex}`).toString();

/** The first key behind all that begin with `prefix`; a prefix never ends in byte 255 here. */
function prefixEnd(prefix: string): string {
  const end = Buffer.from(prefix, 'utf8');
  const last = end.length - 1;
  end[last] = (end[last] ?? 0) + 1;
  return end.toString('base64');
}

function parse(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return { message: body.slice(0, 200) };
  }
}
