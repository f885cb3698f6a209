/**
 * The socket behind `hook-tool` and `lib/hooks`: one per unit, 0600, line protocol of
 * docs/architecture.md. Calls of one context are carried out one at a time, in order.
 */
import { TOOLS } from '../../../lib/contract/tools/catalogue.ts';
import type { Session, ToolResult } from './session.ts';

/** One symlink each in every unit's tools directory. */
export const TOOL_NAMES: readonly string[] = Object.keys(TOOLS);

export interface ToolHandlers {
  /** The execution that runs on the unit now, if any. */
  session(): Session | undefined;
  /** Runs a shell command through the unit's queue and answers when it has ended (juju-exec). */
  exec(unit: string, command: string): Promise<ToolResult>;
}

export class ToolServer {
  readonly socketPath: string;
  readonly handlers: ToolHandlers;

  constructor(socketPath: string, handlers: ToolHandlers) {
    this.socketPath = socketPath;
    this.handlers = handlers;
  }

  /** @throws OperatorError `socket-path-too-long` */
  async listen(): Promise<void> {}

  /** Ends open connections and removes the socket. */
  async close(): Promise<void> {}
}
