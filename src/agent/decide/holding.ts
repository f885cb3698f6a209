/**
 * When the clients of this unit's pooler are made to wait because the primary is lost, when they go
 * on, and when their wait is over. Pure.
 *
 * Only a server that has been heard and then fell silent counts as lost: whatever is merely unknown
 * never holds anybody. Every wait ends, by a primary or by the clock.
 */

/** What a standing connection to one server shows. */
export interface Pulse {
  readonly address: string;
  /** `lost`: it had accepted writes, and now refuses, is gone, or no longer answers. */
  readonly state: 'beating' | 'lost';
}

export type Holding =
  /** Clients go to the primary. */
  | { readonly state: 'open' }
  /** Clients wait, since this moment. */
  | { readonly state: 'held'; readonly since: number }
  /** Clients are told that there is no primary. */
  | { readonly state: 'refused'; readonly since: number };

export const OPEN: Holding = { state: 'open' };

export interface HoldingInput {
  readonly now: Holding;
  /** Where the pooler leads. */
  readonly route: string | undefined;
  readonly pulse: Pulse | undefined;
  /** Where another connection has found a server out of recovery. */
  readonly confirmed: string | undefined;
  /** Milliseconds of a clock that only goes forward. */
  readonly at: number;
  /** Longest wait, in milliseconds; 0: nobody waits. */
  readonly windowMs: number;
  /** Clients that wait, and how many may; undefined: any number. */
  readonly waiting: number;
  readonly maxWaiting: number | undefined;
}

export function decideHolding(input: HoldingInput): Holding {
  const { now, at, windowMs } = input;
  if (now.state === 'open') {
    return isLost(input) && windowMs > 0 ? { state: 'held', since: at } : now;
  }
  if (isWritable(input)) return OPEN;
  if (now.state === 'refused') return now;
  const tooMany = input.maxWaiting !== undefined && input.waiting > input.maxWaiting;
  if (tooMany || at - now.since >= windowMs) return { state: 'refused', since: at };
  return now;
}

function isLost({ route, pulse }: HoldingInput): boolean {
  return route !== undefined && pulse?.address === route && pulse.state === 'lost';
}

/** The pulse is never older than the loss that it reported; the other connection may be. */
function isWritable({ route, pulse, confirmed }: HoldingInput): boolean {
  if (route === undefined) return false;
  return pulse?.address === route ? pulse.state === 'beating' : confirmed === route;
}
