/**
 * How the scripts speak: what is done and why on stdout; one clear sentence and a hint when it
 * cannot be done.
 *
 * Runs on any Node >= 20 before npm has installed anything, so it imports nothing but `node:*`.
 */

/** A failure that the person at the terminal can do something about. */
export class Refusal extends Error {
  /**
   * @param {string} message "cannot ...", one sentence; empty when a child process has said it
   * @param {string} [hint] what to do about it
   */
  constructor(message, hint) {
    super(message);
    this.name = 'Refusal';
    this.hint = hint;
  }
}

/**
 * Where progress goes: stdout, or stderr for scripts whose stdout is data. An environment variable,
 * so that the processes which such a script starts follow.
 */
export function progressStream() {
  return process.env.PGCHARM_SAY === 'stderr' ? process.stderr : process.stdout;
}

/** One line of progress: what happens, and why. */
export function say(what, why) {
  progressStream().write(why === undefined ? `${what}\n` : `${what}: ${why}\n`);
}

/** Runs a script's main function; a Refusal ends it with its sentence, a bug with its stack. */
export async function runScript(main) {
  try {
    const code = await main(process.argv.slice(2));
    process.exitCode = typeof code === 'number' ? code : 0;
  } catch (error) {
    process.exitCode = 1;
    if (!isForReading(error)) throw error;
    if (error.message !== '') process.stderr.write(`error: ${error.message}\n`);
    if (error.hint !== undefined) process.stderr.write(`hint: ${error.hint}\n`);
  }
}

/** Refusals, and OperatorErrors of the TypeScript side, which cannot be imported from here. */
function isForReading(error) {
  return error instanceof Refusal || error?.name === 'OperatorError';
}

/** `1.2s`, `3m05s`: how long something took, for people. */
export function elapsed(startedMs) {
  const seconds = (Date.now() - startedMs) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}m${String(whole % 60).padStart(2, '0')}s`;
}
