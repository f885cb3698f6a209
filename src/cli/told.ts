/** Says on stderr what a mutation did. */
import type { Told } from '../controller/api.ts';
import type { Call } from './command.ts';

/** @returns exit code 0 */
export function told(call: Call, answer: Told): number {
  for (const line of answer.told) call.out.say(line);
  return 0;
}
