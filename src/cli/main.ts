/**
 * Entry of the CLI: finds the command, parses its flags, runs it, and turns what was thrown into
 * Juju's `ERROR ...` and an exit code (1; 2 for a wrong command line). Never calls process.exit
 * while output is pending.
 */

import { UsageError } from '../../lib/contract/gnuflag.ts';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';
import { findCommand } from './catalogue.ts';
import { invoke } from './invoke.ts';

const INTERRUPTED = 130;

async function main(argv: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  try {
    const command = await findCommand(argv[0] ?? 'help');
    const rest = argv.slice(1);
    return await invoke(command, rest, { env: process.env, signal: interrupt.signal });
  } catch (error) {
    if (interrupt.signal.aborted) return INTERRUPTED;
    return report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`ERROR ${error.message}\n`);
    return 2;
  }
  if (error instanceof OperatorError) {
    process.stderr.write(`ERROR ${error.message}\n`);
    if (error.hint !== undefined) process.stderr.write(`${error.hint}\n`);
    return 1;
  }
  const detail = error instanceof Error && process.env['PGCHARM_DEBUG'] ? error.stack : undefined;
  process.stderr.write(`ERROR ${detail ?? messageOf(error)}\n`);
  return 1;
}

// The reader of our output went away: nobody is left to tell.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await main(process.argv.slice(2));
