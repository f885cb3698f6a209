/**
 * What a decider may answer: something to do, or something to say. Both carry their reason.
 *
 * `Steps` maps each kind of step to its arguments; a charm declares it once and every step,
 * plan and test is typed by it.
 */
export interface Step<Steps, K extends keyof Steps = keyof Steps> {
  readonly type: 'step';
  readonly kind: K;
  readonly args: Steps[K];
  readonly why: string;
}

/** Ordered by gravity: the first of the gravest is the unit's status. */
export const LEVELS = ['blocked', 'maintenance', 'waiting', 'active'] as const;
export type FindingLevel = (typeof LEVELS)[number];

export interface Finding {
  readonly type: 'finding';
  readonly level: FindingLevel;
  /** Stable kebab-case code, listed in docs/reference/statuses.md. */
  readonly code: string;
  /** What is, and what to do. This text is the status message. */
  readonly message: string;
}

export type Decision<Steps> = { [K in keyof Steps]: Step<Steps, K> }[keyof Steps] | Finding;
export type Decider<World, Steps> = (world: World) => Decision<Steps>[];

/** Binds the constructors to one charm's table of steps. */
export function stepsOf<Steps>() {
  return function step<K extends keyof Steps>(kind: K, args: Steps[K], why: string) {
    return { type: 'step', kind, args, why } as Step<Steps, K> as Decision<Steps>;
  };
}

export function finding(level: FindingLevel, code: string, message: string): Finding {
  return { type: 'finding', level, code, message };
}
export const blocked = (code: string, message: string) => finding('blocked', code, message);
export const waiting = (code: string, message: string) => finding('waiting', code, message);
export const maintenance = (code: string, message: string) => finding('maintenance', code, message);
export const active = (code: string, message: string) => finding('active', code, message);

export function isStep<Steps>(
  decision: Decision<Steps>,
): decision is Exclude<Decision<Steps>, Finding> {
  return decision.type === 'step';
}

/** The status that findings amount to: the gravest level's first; none at all is active. */
export function statusOf(findings: readonly Finding[]): { status: FindingLevel; message: string } {
  for (const level of LEVELS) {
    const worst = findings.find((candidate) => candidate.level === level);
    if (worst !== undefined) return { status: level, message: worst.message };
  }
  return { status: 'active', message: '' };
}

/** Equal kind and arguments: the same thing to do, whatever the reason. */
export function sameStep<Steps>(a: Step<Steps>, b: Step<Steps>): boolean {
  return a.kind === b.kind && JSON.stringify(a.args) === JSON.stringify(b.args);
}
