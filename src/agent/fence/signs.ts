/**
 * Signs of life of a unit whose primary has fallen silent: a port of it that accepts a connection,
 * or another agent that hears it. Never a proof that it is dead; only what keeps a machine that
 * somebody can still reach from being asked about.
 */
import { createConnection } from 'node:net';
import type { Member } from '../../charm/model/desired.ts';
import { AGENT_PORT, type Clients } from '../clients.ts';
import type { Sign } from '../decide/fence.ts';

const TIMEOUT_MS = 1000;

export async function signsOf(clients: Clients, member: Member): Promise<Sign[]> {
  const { patroni, postgres, pooler, members, unit } = clients.desired;
  const ports = [AGENT_PORT, patroni.port, postgres.port, pooler.port];
  const others = members.filter((other) => ![unit.name, member.unit].includes(other.unit));
  const signs = await Promise.all([
    ...ports.map((port) => signOfPort(member.address, port)),
    ...others.map((other) => signFrom(clients, other, member)),
  ]);
  return signs.filter((sign) => sign !== undefined);
}

/** The kernel accepts for a process that is frozen, too: its machine is not off. */
function signOfPort(host: string, port: number): Promise<Sign> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: TIMEOUT_MS });
    const settle = (sign: Sign) => {
      socket.destroy();
      resolve(sign);
    };
    socket.once('connect', () => settle('alive'));
    socket.once('timeout', () => settle('silent'));
    socket.once('error', () => settle('silent'));
  });
}

/** @returns undefined when the other agent does not answer, either */
async function signFrom(
  clients: Clients,
  other: Member,
  member: Member,
): Promise<Sign | undefined> {
  const url = clients.peerUrl(other, '/v1/pulse');
  const request = { method: 'GET', url, timeoutMs: TIMEOUT_MS } as const;
  const answer = await clients
    .peers()
    .request(request)
    .catch(() => undefined);
  if (answer === undefined) return undefined;
  // One that cannot say whether it hears the primary may hear it.
  if (answer.status !== 200) return 'alive';
  const { hears } = JSON.parse(answer.body) as { hears?: string };
  return hears === member.address ? 'alive' : 'silent';
}
