/**
 * What has to be given back after a fault, and gives it back: also when the fault failed half-way
 * or the operator has interrupted it. What is to be undone is noted before it is done.
 */
import { messageOf, OperatorError } from '../../lib/std/errors.ts';

interface Step {
  readonly what: string;
  readonly give: () => Promise<void>;
}

const ATTEMPTS = 3;

export class Undo {
  readonly #steps: Step[] = [];

  /** @param what as it is told when it cannot be given back: `let postgresql/0 go on` */
  note(what: string, give: () => Promise<void>): void {
    this.#steps.push({ what, give });
  }

  /**
   * The last first, each tried three times and all of them whatever becomes of the others.
   *
   * @throws OperatorError `fault-stays` naming what could not be given back
   */
  async all(): Promise<void> {
    const problems: string[] = [];
    for (const step of this.#steps.splice(0).reverse()) {
      const problem = await attempt(step);
      if (problem !== undefined) problems.push(`${step.what} (${problem})`);
    }
    if (problems.length === 0) return;
    throw new OperatorError({
      code: 'fault-stays',
      message: `cannot ${problems.join(', nor ')}`,
      hint: 'do it by hand: `pgcharm power-off` and `power-on` of a machine end what stands on it',
      retry: 'never',
    });
  }
}

async function attempt({ give }: Step): Promise<string | undefined> {
  let problem: string | undefined;
  for (let round = 0; round < ATTEMPTS; round += 1) {
    try {
      await give();
      return undefined;
    } catch (error) {
      problem = messageOf(error);
    }
  }
  return problem;
}
