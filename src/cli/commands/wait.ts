/**
 * `pgcharm wait`: until applications or units have a status, with a line of progress for each unit.
 *
 * Not a command of Juju. A status counts once it has held for a second, so that a pause between
 * two hooks is not taken for the end.
 */

import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { formatDurationMs, parseDurationMs } from '../../../lib/std/duration.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import type { StatusDocument } from '../../controller/api/documents.ts';
import type { Api } from '../client.ts';
import type { Command } from '../command.ts';
import { follow } from '../follow.ts';
import { LiveLines } from '../live-lines.ts';
import {
  blocks,
  type Failures,
  failures,
  GOALS,
  type Goal,
  type Line,
  lasting,
  progress,
  stuck,
  unknownTargets,
} from '../waiting.ts';

const DEFAULT_TIMEOUT_MS = 600_000;
const SETTLED_MS = 1000;

export const wait: Command = {
  name: 'wait',
  usage: '[<application>|<unit> ...]',
  summary: 'Wait until applications or units have a status.',
  details:
    'Without arguments: until every application and unit is active and every agent idle.\n' +
    `--for is one of ${GOALS.join(', ')}. --error-timeout gives up earlier when a unit's hook\n` +
    'goes on failing for so long, --blocked-timeout when nothing is on its way any more but\n' +
    'units that have been blocked for so long. Not a command of Juju.',
  examples: [
    'pgcharm wait',
    'pgcharm wait postgresql --timeout 5m',
    'pgcharm wait web --for removed',
  ],
  flags: [
    { names: ['timeout'], kind: 'duration', doc: 'Longest wait', value: '10m' },
    { names: ['for'], doc: 'The status to wait for', value: 'active' },
    { names: ['error-timeout'], kind: 'duration', doc: 'Longest error of a unit; none by default' },
    { names: ['blocked-timeout'], kind: 'duration', doc: 'Longest block; none by default' },
  ],
  takes: [0, 1000],
  async run(call) {
    const goal = chosenGoal(call.flags.text('for') ?? 'active');
    const timeoutMs = parseDurationMs(call.flags.text('timeout') ?? '') ?? DEFAULT_TIMEOUT_MS;
    const giveUp = impatience({
      errorMs: parseDurationMs(call.flags.text('error-timeout') ?? ''),
      blockedMs: parseDurationMs(call.flags.text('blocked-timeout') ?? ''),
    });
    const started = Date.now();
    const targets = [...call.args];
    const live = new LiveLines(call.out);
    let last: Line[] = [];
    let heldSince: number | undefined;
    const done = await follow(
      call.api,
      'status',
      {},
      {
        timeoutMs,
        signal: call.signal,
        everyMs: SETTLED_MS,
        seen({ document }) {
          refuseUnknown(document, targets, goal);
          last = progress(document, targets, goal);
          live.show(last.map((line) => liveLine(line, Date.now() - started)));
          const verdict = giveUp(last, Date.now());
          if (verdict !== undefined) return verdict;
          if (!last.every((line) => line.reached)) heldSince = undefined;
          else heldSince ??= Date.now();
          return heldSince !== undefined && Date.now() - heldSince >= SETTLED_MS ? true : undefined;
        },
      },
    );
    if (done === true) return 0;
    if (done !== undefined) throw await done.refusal(call.api);
    throw timedOut(last, goal, timeoutMs);
  },
};

interface Verdict {
  refusal(api: Api): Promise<OperatorError>;
}

/** What ends a wait early, if that was asked for; undefined: for how long nothing does. */
function impatience({ errorMs, blockedMs }: Record<'errorMs' | 'blockedMs', number | undefined>) {
  let failing: Failures = new Map();
  let blocked: Failures = new Map();
  return (lines: readonly Line[], now: number): Verdict | undefined => {
    failing = failures(failing, lines, now);
    blocked = blocks(blocked, lines, now);
    const broken = errorMs === undefined ? [] : lasting(failing, lines, now - errorMs);
    if (broken.length > 0) return { refusal: (api) => keepsFailing(api, broken) };
    if (blockedMs === undefined) return undefined;
    const held = stuck(blocked, lines, now - blockedMs);
    return held.length === 0 ? undefined : { refusal: async () => staysBlocked(held, blockedMs) };
  };
}

function chosenGoal(text: string): Goal {
  const goal = GOALS.find((known) => known === text);
  if (goal !== undefined) return goal;
  throw new UsageError(`invalid value "${text}" for option --for: one of ${GOALS.join(', ')}`);
}

function refuseUnknown(document: StatusDocument, targets: readonly string[], goal: Goal): void {
  const [unknown] = goal === 'removed' ? [] : unknownTargets(document, targets);
  if (unknown === undefined) return;
  const kind = unknown.includes('/') ? 'unit' : 'application';
  throw new OperatorError({
    code: 'not-found',
    message: `${kind} "${unknown}" not found`,
    hint: 'see `pgcharm status`',
    retry: 'never',
  });
}

function liveLine(line: Line, elapsedMs: number) {
  const mark = line.reached ? '+' : '.';
  const agent = line.agent === '' || line.agent === 'idle' ? '' : ` (${line.agent})`;
  const state = `${mark} ${line.name.padEnd(20)} ${line.status.padEnd(12)}${agent} ${line.message}`;
  const time = formatDurationMs(elapsedMs).padStart(6);
  return {
    name: line.name,
    text: `${time} ${state.trimEnd()}`,
    state: `${mark}${line.status}${line.message}`,
  };
}

/** With what the unit's log said last, which is mostly the reason. */
async function keepsFailing(api: Api, broken: readonly Line[]): Promise<OperatorError> {
  const units = broken.map(async ({ name, message }) => {
    const log = await api.call('log', { include: [name], level: 'WARNING', limit: 5 });
    const reason = log.findLast((line) => !line.message.startsWith('hook "'))?.message;
    return `${name}: ${message}${reason === undefined ? '' : ` (${reason.trim()})`}`;
  });
  const [first] = broken;
  return new OperatorError({
    code: 'keeps-failing',
    message: `cannot go on, a hook fails again and again: ${(await Promise.all(units)).join('; ')}`,
    hint:
      `read \`pgcharm debug-log --replay --no-tail --include ${first?.name}\`, mend the cause, ` +
      `then \`pgcharm resolved ${first?.name}\``,
    retry: 'never',
  });
}

function staysBlocked(held: readonly Line[], blockedMs: number): OperatorError {
  const units = held.map(({ name, message }) => `${name}: ${message}`);
  const [first] = held;
  return new OperatorError({
    code: 'stays-blocked',
    message: `cannot go on, blocked for ${formatDurationMs(blockedMs)}: ${units.join('; ')}`,
    hint:
      'do what the status says, then run this again; what led to it: ' +
      `\`pgcharm debug-log --replay --no-tail --include ${first?.name}\``,
    retry: 'never',
  });
}

function timedOut(lines: readonly Line[], goal: Goal, timeoutMs: number): OperatorError {
  const missing = lines
    .filter((line) => !line.reached)
    .map((line) => `  ${line.name}: ${line.status} ${line.agent} ${line.message}`.trimEnd());
  return new OperatorError({
    code: 'timed-out',
    message: [`timed out after ${formatDurationMs(timeoutMs)}; not yet ${goal}:`, ...missing].join(
      '\n',
    ),
    hint: 'see `pgcharm debug-log --replay --level WARNING`',
    retry: 'now',
  });
}
