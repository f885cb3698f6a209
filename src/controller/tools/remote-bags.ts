/**
 * Databags of remote units as one unit's hooks have seen them. A member's databag is read once and
 * stays the same, across hooks, until that unit's -joined or -changed is prepared: a charm never
 * sees a value before the event that reports it. Lost with the controller, as Juju's is with the
 * agent.
 */
import type { HookInfo } from '../uniter/hook-info.ts';

type Bag = Record<string, string>;

export class RemoteBags {
  readonly #bags = new Map<number, Map<string, Bag>>();

  /** What the hook that now starts is about is read anew. */
  prepare(hook: HookInfo): void {
    if (hook.relationId === undefined) return;
    if (hook.kind === 'relation-created' || hook.kind === 'relation-broken') {
      this.#bags.delete(hook.relationId);
    } else if (hook.remoteUnit !== undefined) {
      this.#bags.get(hook.relationId)?.delete(hook.remoteUnit);
    }
  }

  read(relationId: number, unit: string, load: () => Bag): Bag {
    const bags = this.#bags.get(relationId) ?? new Map<string, Bag>();
    this.#bags.set(relationId, bags);
    const bag = bags.get(unit) ?? load();
    bags.set(unit, bag);
    return bag;
  }
}
