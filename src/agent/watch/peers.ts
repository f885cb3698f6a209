/** Asks the other units' agents what they have put in force. One that is silent is unknown. */
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { Member } from '../../charm/model/desired.ts';
import { known, type Observed, type PeerView, unknown } from '../../charm/model/world.ts';
import type { Clients } from '../clients.ts';
import type { Facts } from '../facts.ts';
import { Loop } from '../loop.ts';
import { Steady } from './steady.ts';

const EVERY_MS = 2000;
const TIMEOUT_MS = 1500;

export function watchPeers(facts: Facts, clients: Clients, log: Log): Loop {
  const steadies = new Map<string, Steady>();
  const ask = async (member: Member): Promise<Observed<PeerView>> => {
    try {
      const url = clients.peerUrl(member, '/v1/peer');
      const request = { method: 'GET', url, timeoutMs: TIMEOUT_MS } as const;
      const answer = await clients.peers().request(request);
      if (answer.status !== 200) return unknown(`${member.unit}: HTTP ${answer.status}`);
      return known(JSON.parse(answer.body) as PeerView);
    } catch (error) {
      return unknown(messageOf(error));
    }
  };
  return new Loop({
    name: 'watch of the peers',
    log,
    everyMs: () => EVERY_MS,
    async run() {
      const { members, unit } = clients.desired;
      const others = members.filter((member) => member.unit !== unit.name);
      const answers = await Promise.all(
        others.map(async (member) => {
          const { unit } = member;
          const steady = steadies.get(unit) ?? new Steady();
          steadies.set(unit, steady);
          const before = facts.now.peers[unit] ?? unknown('not asked yet');
          return [unit, steady.settle(before, await ask(member))] as const;
        }),
      );
      facts.set('peers', Object.fromEntries(answers));
    },
  });
}
