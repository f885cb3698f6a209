/** Chooses the transport: the controller's socket where it is offered, the hook tools elsewhere. */
import type { Hooks } from './hooks.ts';

export async function connectHooks(_env: Record<string, string | undefined>): Promise<Hooks> {
  throw new Error('replaced by the contract helper');
}
