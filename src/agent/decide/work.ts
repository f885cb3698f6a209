/** What an agent does about the record of work that it has just read. Pure. */
export interface WorkFacts {
  readonly outcome: 'running' | 'done' | 'failed';
  readonly owner: string;
  readonly deadline: number;
}

export interface WorkSituation {
  readonly self: string;
  /** This process is carrying the record out. */
  readonly running: boolean;
  /** The owner's key is there. */
  readonly ownerAlive: boolean;
  readonly now: number;
}

export type WorkMove =
  | { readonly move: 'none' }
  /** Nobody carries it out: go on where it stands. */
  | { readonly move: 'adopt' }
  /** Nobody carries it out and its time is over: undo it. */
  | { readonly move: 'abandon' };

export function decideWork(work: WorkFacts | undefined, situation: WorkSituation): WorkMove {
  if (work === undefined || work.outcome !== 'running') return { move: 'none' };
  if (situation.running || situation.ownerAlive) return { move: 'none' };
  return { move: situation.now >= work.deadline ? 'abandon' : 'adopt' };
}
