/**
 * Runs one command: parses its words, answers `--help`, counts its arguments, connects it.
 *
 * The controller is found, or started, when the command first asks it something.
 */
import { HelpRequested, parseFlags, UsageError } from '../../lib/contract/gnuflag.ts';
import { connectApi } from './client.ts';
import { type Command, globalFlags } from './command.ts';
import { commandHelp } from './help.ts';
import { processOutput } from './output.ts';
import { explained, noteOfRelease } from './release-fit.ts';
import { resolveRoot } from './root.ts';

export interface Surroundings {
  readonly env: Record<string, string | undefined>;
  readonly signal: AbortSignal;
}

/** @returns the exit code @throws UsageError, OperatorError */
export async function invoke(
  command: Command,
  argv: readonly string[],
  { env, signal }: Surroundings,
): Promise<number> {
  const flags = parsed(command, argv);
  if (flags === undefined) {
    process.stdout.write(commandHelp(command));
    return 0;
  }
  const [fewest, most] = command.takes;
  const { args } = flags;
  if (args.length < fewest) throw new UsageError(command.missing ?? 'missing arguments');
  if (args.length > most) {
    throw new UsageError(`unrecognized args: ${JSON.stringify(args.slice(most))}`);
  }
  const out = processOutput(flags.bool('quiet'));
  const connection = {
    model: flags.text('model'),
    async socket() {
      const { ensureController } = await import('./daemon.ts');
      return ensureController(resolveRoot(env), out.say);
    },
  };
  const api = connectApi({ ...connection, signal });
  const lasting = connectApi({ ...connection, signal: new AbortController().signal });
  try {
    const cwd = process.cwd();
    const code = await command.run({ args, flags, api, lasting, out, env, cwd, signal });
    const note = noteOfRelease(api.heard() ?? lasting.heard());
    if (note !== undefined) out.say(note);
    return code;
  } catch (error) {
    // Juju prints an empty document where a client expects one and nothing was written.
    const wanted = flags.text('format');
    if ((wanted === 'json' || wanted === 'yaml') && !out.wroteData()) out.data('{}\n');
    throw explained(error, api.heard() ?? lasting.heard());
  }
}

/** Undefined when help was asked for. */
function parsed(command: Command, argv: readonly string[]) {
  try {
    return parseFlags([...(command.flags ?? []), ...globalFlags], argv, {
      interspersed: command.stopsAtPositional !== true,
    });
  } catch (error) {
    if (error instanceof HelpRequested) return undefined;
    throw error;
  }
}
