/**
 * Chooses the transport: the controller's socket where it is offered, the hook tools elsewhere.
 *
 * PGCHARM_HOOK_SOCKET is the one variable that Juju does not set. Each transport is loaded only
 * when it is the one, for this is in the way of every hook.
 */
import { hooksOver } from './client.ts';
import type { Hooks } from './hooks.ts';

/** @throws OperatorError `controller-gone` when the offered socket does not answer */
export async function connectHooks(env: Record<string, string | undefined>): Promise<Hooks> {
  const path = env['PGCHARM_HOOK_SOCKET'];
  const context = env['JUJU_CONTEXT_ID'];
  if (path === undefined || path === '' || context === undefined) {
    const { execTransport } = await import('./exec.ts');
    return hooksOver(execTransport(env));
  }
  const { socketTransport } = await import('./socket.ts');
  return hooksOver(await socketTransport(path, context, process.cwd()));
}
