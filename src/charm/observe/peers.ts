/** The peer relation, and which units of the application stay according to goal-state. */
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Hooks } from '../../../lib/hooks/hooks.ts';
import type { PeerFacts } from '../model/snapshot.ts';

const ENDPOINT = 'database-peers';

export async function observePeers(
  hooks: Hooks,
  context: HookContext,
): Promise<{ facts: PeerFacts; dying: boolean }> {
  const [ids, goal] = await Promise.all([hooks.relationIds(ENDPOINT), hooks.goalUnits()]);
  const id = ids[0];
  const stays = (unit: string): boolean => goal[unit] !== undefined && goal[unit] !== 'dying';
  const units = Object.keys(goal).sort(byNumber);
  const planned = units.filter(stays);
  const leaving = units.filter((unit) => !stays(unit));
  const dying = goal[context.unit] === 'dying';
  if (id === undefined) {
    return {
      facts: {
        relationId: undefined,
        app: {},
        keptApp: {},
        own: {},
        others: [],
        planned,
        leaving,
      },
      dying,
    };
  }
  const [entered, app, own] = await Promise.all([
    hooks.relationList(ENDPOINT, id),
    hooks.relationGet(ENDPOINT, id, context.app, 'app'),
    hooks.relationGet(ENDPOINT, id, context.unit),
  ]);
  const others = await Promise.all(
    entered.toSorted(byNumber).map(async (name) => ({
      name,
      data: await hooks.relationGet(ENDPOINT, id, name),
      dying: !stays(name),
    })),
  );
  return { facts: { relationId: id, app, keptApp: app, own, others, planned, leaving }, dying };
}

function byNumber(a: string, b: string): number {
  return Number(a.slice(a.lastIndexOf('/') + 1)) - Number(b.slice(b.lastIndexOf('/') + 1));
}
