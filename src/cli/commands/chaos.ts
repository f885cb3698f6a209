/**
 * `pgcharm chaos`: strikes an application with faults, under clients that write, and reports what
 * they felt. Only asks, parses and prints; striking is for src/chaos, loaded when it is needed.
 */
import { randomInt } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { type FlagSpec, UsageError } from '../../../lib/contract/gnuflag.ts';
import { formatDurationMs, parseDurationMs } from '../../../lib/std/duration.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import type { Fault } from '../../chaos/faults.ts';
import type { FaultReport, Report, Spread } from '../../chaos/report.ts';
import { chaosModel } from '../chaos-model.ts';
import { type Call, COUNT, type Command, commaList, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { columns } from '../table.ts';

const MOST_WRITERS = 64;
const MOST_ROUNDS = 1000;
const DEFAULTS = { writers: 4, repeat: 1, app: 'postgresql', hold: '30s', timeout: '5m' };
const INTERRUPTED = 130;
const MAX_SEED = 2 ** 31;

export const chaos: Command = {
  name: 'chaos',
  usage: '',
  summary: 'Break a cluster on purpose while clients write, and report what they felt.',
  details:
    'Strikes one fault after the other, each when the cluster is fully redundant again. Tells\n' +
    'how long nobody could write, how many statements failed, whether an acknowledged row was\n' +
    'lost or is there twice, and how long full redundancy took. The writers use the credentials\n' +
    'of a related application that has the action get-credentials, and a table of their own.\n' +
    'Ctrl-C gives back what the fault in force has taken. Ends with 1 when a row was lost or is\n' +
    'there twice, or redundancy did not come back. Not a command of Juju.',
  examples: [
    'pgcharm chaos --list',
    'pgcharm chaos',
    'pgcharm chaos --faults kill-postmaster,power-off:primary --repeat 5 --yes',
    'pgcharm chaos --faults all --seed 7 --yes --format json',
  ],
  flags: [
    formatFlag('text', 'json', 'yaml'),
    { names: ['list'], kind: 'bool', doc: 'List the faults and strike none' },
    { names: ['faults'], kind: 'strings', doc: 'Faults or kinds, or all', value: 'x,y' },
    { names: ['app'], doc: 'The application to strike', value: DEFAULTS.app },
    bounded('repeat', MOST_ROUNDS, 'How often each fault is struck'),
    bounded('writers', MOST_WRITERS, 'Clients that write all the time'),
    duration('hold', 'For how long a fault that lasts is in force'),
    duration('timeout', 'Longest wait for full redundancy'),
    { names: ['seed'], ...COUNT, doc: 'Chooses between replicas; a report names its own' },
    { names: ['yes'], kind: 'bool', doc: 'Do not ask' },
  ],
  takes: [0, 0],
  async run(call) {
    const { chosenFaults, faults } = await import('../../chaos/faults.ts');
    if (call.flags.bool('list')) return list(call, faults);
    const chosen = chosenFaults(commaList(call.flags, 'faults'));
    await refuseUnconfirmed(call, chosen.length);
    const report = await campaign(call, chosen);
    const format = call.flags.text('format') ?? 'text';
    call.out.data(format === 'text' ? reportText(report) : formatted(report, format));
    if (report.interrupted) return INTERRUPTED;
    return report.passed ? 0 : 1;
  },
};

function bounded(name: 'repeat' | 'writers', most: number, doc: string): FlagSpec {
  const check = (text: string) =>
    Number(text) >= 1 && Number(text) <= most ? undefined : `must be from 1 to ${most}`;
  return { names: [name], kind: 'int', value: String(DEFAULTS[name]), doc, check };
}

function duration(name: 'hold' | 'timeout', doc: string): FlagSpec {
  const check = (text: string) =>
    (parseDurationMs(text) ?? 0) > 0 ? undefined : 'must be longer than nothing';
  return { names: [name], kind: 'duration', value: DEFAULTS[name], doc, check };
}

function list(call: Call, faults: readonly Fault[]): number {
  const format = call.flags.text('format') ?? 'text';
  if (format === 'text') {
    const rows = faults.map((fault) => [fault.name, fault.usual ? '*' : '', fault.summary]);
    call.out.data(columns(['Fault', 'Usual', 'What happens'], rows));
    return 0;
  }
  const document = faults.map(({ name, usual, lasts, place, summary }) => {
    return { name, summary, place, lasts, usual };
  });
  call.out.data(formatted(document, format));
  return 0;
}

/** @throws OperatorError `not-confirmed` */
async function refuseUnconfirmed(call: Call, count: number): Promise<void> {
  if (call.flags.bool('yes')) return;
  const application = chosenApplication(call);
  if (process.stdin.isTTY === true) {
    const prompt = createInterface({ input: process.stdin, output: process.stderr });
    const question =
      `This breaks ${application} on purpose, with ${count} faults; its clients see errors.\n` +
      `Name the application to go on: `;
    try {
      const answer = await prompt.question(question, { signal: call.signal });
      if (answer.trim() === application) return;
    } finally {
      prompt.close();
    }
  }
  throw new OperatorError({
    code: 'not-confirmed',
    message: `cannot break ${application}: nobody has confirmed it`,
    hint: 'run it with --yes, when its clients may see errors',
    retry: 'never',
  });
}

async function campaign(call: Call, faults: readonly Fault[]): Promise<Report> {
  const { runCampaign } = await import('../../chaos/campaign.ts');
  const { reportOf } = await import('../../chaos/report.ts');
  const { flags } = call;
  const seed = flags.int('seed') ?? randomInt(MAX_SEED);
  const writers = flags.int('writers') ?? DEFAULTS.writers;
  const application = chosenApplication(call);
  const stop = stopSignals(call.signal);
  try {
    const result = await runCampaign({
      model: chaosModel(call.lasting, call.env, stop.signal),
      application,
      faults,
      repeat: flags.int('repeat') ?? DEFAULTS.repeat,
      seed,
      writers,
      holdMs: durationOf(call, 'hold'),
      recoveryMs: durationOf(call, 'timeout'),
      say: call.out.say,
      signal: stop.signal,
    });
    const { outcomes, acknowledged, unstruck } = result;
    const interrupted = stop.signal.aborted;
    return reportOf(outcomes, { application, seed, writers, acknowledged, unstruck, interrupted });
  } finally {
    stop.end();
  }
}

/** Whatever asks the command to end lets it undo first; asking twice does not hurry it. */
function stopSignals(interrupted: AbortSignal): { signal: AbortSignal; end(): void } {
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (interrupted.aborted) abort();
  interrupted.addEventListener('abort', abort);
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, abort);
  return {
    signal: stop.signal,
    end() {
      interrupted.removeEventListener('abort', abort);
      for (const name of names) process.off(name, abort);
    },
  };
}

function chosenApplication(call: Call): string {
  const application = call.flags.text('app') ?? DEFAULTS.app;
  if (/^[a-z][a-z0-9-]*$/.test(application)) return application;
  throw new UsageError(`invalid application name "${application}"`);
}

function durationOf(call: Call, name: 'hold' | 'timeout'): number {
  return parseDurationMs(call.flags.text(name) ?? DEFAULTS[name]) ?? 0;
}

/** The report as a table (times: the median, then the longest), and what did not go well. */
export function reportText(report: Report): string {
  const figures = ['Runs', 'No writes', 'max', 'Errors', 'Lost', 'Twice', 'Redundant', 'max'];
  const rows = report.faults.map((fault) => [
    fault.fault,
    String(fault.runs),
    time(fault['no-writes-ms'], 'p50'),
    time(fault['no-writes-ms'], 'max'),
    count(fault['client-errors']),
    count(fault['lost-rows']),
    count(fault['duplicate-rows']),
    time(fault['recovery-ms'], 'p50'),
    time(fault['recovery-ms'], 'max'),
  ]);
  const table = columns(['Fault', ...figures], rows, { right: new Set(figures) });
  return `${rows.length === 0 ? '' : `${table}\n`}${remarks(report).join('\n')}\n`;
}

function time(spread: Spread | undefined, which: keyof Spread): string {
  return spread === undefined ? '-' : formatDurationMs(spread[which]);
}

function count(value: number | undefined): string {
  return value === undefined ? '-' : String(value);
}

function remarks(report: Report): string[] {
  const said = ({ fault, reason }: FaultReport) =>
    reason === undefined ? [] : [`${fault}: ${reason}`];
  const unstruck = report.unstruck.join(', ');
  const acknowledged = report['acknowledged-rows'];
  const verdict = report.passed ? 'passed' : 'FAILED';
  return [
    ...report.faults.flatMap(said),
    ...(unstruck === '' ? [] : [`not struck any more: ${unstruck}`]),
    `${acknowledged} rows acknowledged to ${report.writers} writers, seed ${report.seed}`,
    report.interrupted ? 'interrupted; nothing is in force any more' : verdict,
  ];
}
