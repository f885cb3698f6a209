/**
 * Strikes a cluster with one fault after the other while writers write, and notes what they felt.
 * Begins and goes on only with full redundancy; gives back what a fault has taken, whatever ends
 * it: its time, a failure, the operator.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf } from '../../lib/std/digest.ts';
import { formatDurationMs } from '../../lib/std/duration.ts';
import { messageOf, OperatorError } from '../../lib/std/errors.ts';
import { writersUris } from './access.ts';
import { Cluster } from './cluster.ts';
import { type Fault, struckUnits } from './faults.ts';
import type { Model } from './model.ts';
import type { Outcome } from './report.ts';
import { NotHere } from './strikes.ts';
import { Undo } from './undo.ts';
import { startWriters, type Writers } from './writers.ts';

export interface CampaignOptions {
  readonly model: Model;
  readonly application: string;
  readonly faults: readonly Fault[];
  /** How often all of them are struck, one round after the other. */
  readonly repeat: number;
  /** Decides which of several replicas is struck; the same number strikes the same ones. */
  readonly seed: number;
  readonly writers: number;
  /** For how long a fault that lasts is in force. */
  readonly holdMs: number;
  /** Longest wait for full redundancy after a fault. */
  readonly recoveryMs: number;
  /** Told a line for each step. */
  readonly say: (line: string) => void;
  /** Ends the campaign, once the fault in force is undone. */
  readonly signal: AbortSignal;
}

export interface CampaignResult {
  readonly outcomes: readonly Outcome[];
  readonly acknowledged: number;
  /** Faults that were not struck because the cluster did not recover from the one before. */
  readonly unstruck: readonly string[];
}

const PROBE_MS = 500;
/** What was struck may not have been noticed yet by those who report it. */
const QUIET_PROBES = 2;

/** @throws OperatorError `not-redundant` before anything is struck, `fault-stays` */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const cluster = new Cluster(options.model, options.application);
  options.say(`waiting until ${options.application} is fully redundant`);
  await refuseWeak(cluster, options);
  if (options.signal.aborted) return { outcomes: [], acknowledged: 0, unstruck: [] };
  const uris = await writersUris(options.model, options.application);
  const table = `pgcharm_chaos_${digestOf(`${process.pid}/${Date.now()}`)}`;
  const writers = await startWriters(uris, options.writers, table).catch((error: unknown) => {
    throw shutOut(options.application, error);
  });
  try {
    const rounds = Array.from({ length: options.repeat }, (_, round) =>
      options.faults.map((fault) => ({ fault, round })),
    ).flat();
    const outcomes: Outcome[] = [];
    const stage: Stage = { cluster, writers, options, told: new Set() };
    for (const [at, { fault, round }] of rounds.entries()) {
      if (options.signal.aborted) break;
      options.say(`${at + 1}/${rounds.length} ${fault.name}: ${fault.summary}`);
      const outcome = await struck(stage, fault, round);
      if (outcome !== undefined) outcomes.push(outcome);
      if (outcome?.missing !== undefined) break;
    }
    const unstruck = options.signal.aborted ? [] : rounds.slice(outcomes.length);
    return {
      outcomes,
      acknowledged: writers.acknowledged(),
      unstruck: unstruck.map(({ fault }) => fault.name),
    };
  } finally {
    writers.abandon();
    await writers.drop().catch((error: unknown) => {
      options.say(`cannot drop the table ${table} of the writers: ${messageOf(error)}`);
    });
  }
}

function shutOut(application: string, cause: unknown): OperatorError {
  return new OperatorError({
    code: 'writers-shut-out',
    message: `cannot write to ${application} from this host: ${messageOf(cause)}`,
    hint:
      'the writers are clients on this host: where machines have a network of their own, let it ' +
      `in with \`pgcharm config ${application} access-networks=<address of this host>\``,
    retry: 'never',
    cause,
  });
}

interface Stage {
  readonly cluster: Cluster;
  readonly writers: Writers;
  readonly options: CampaignOptions;
  /** Rows of which it was said that they are lost, or there twice. */
  readonly told: Set<string>;
}

async function refuseWeak(cluster: Cluster, options: CampaignOptions): Promise<void> {
  await cluster.units(); // Waiting makes no application.
  const again = await untilRedundant(cluster, options, async () => []);
  if (again.missing === undefined || options.signal.aborted) return;
  throw new OperatorError({
    code: 'not-redundant',
    message: `cannot begin: ${again.missing}`,
    hint: 'see `pgcharm status`; chaos begins when every unit is active and every replica streams',
    retry: 'never',
  });
}

/** Undefined: the operator has interrupted it; nothing is in force any more. */
async function struck(stage: Stage, fault: Fault, round: number): Promise<Outcome | undefined> {
  const { cluster, writers, options } = stage;
  const units = await struckUnits(fault.place, cluster, pick(options.seed, fault.name, round));
  const known = { fault: fault.name, round, units: units ?? [] };
  if (units === undefined) return { ...known, skipped: `there is no ${fault.place}` };
  if (units.length > 0) options.say(`  on ${units.join(', ')}`);
  writers.mark();
  try {
    await inForce(stage, fault, units);
  } catch (error) {
    if (options.signal.aborted && !(error instanceof OperatorError)) return undefined;
    if (!(error instanceof NotHere)) throw error;
    options.say(`  skipped: ${error.message}`);
    return { ...known, skipped: error.message };
  }
  const freedAt = performance.now();
  const before = writers.progress();
  const idle = async () =>
    writers.progress().some((rows, n) => rows < (before[n] ?? 0) + 2) ? ['writers wait'] : [];
  const again = await untilRedundant(cluster, options, idle);
  if (options.signal.aborted) return undefined;
  const felt = writers.felt();
  const outcome: Outcome = {
    ...known,
    ...felt,
    ...(await fresh(stage)),
    ...(again.missing === undefined ? { recoveryMs: again.at - freedAt } : again),
  };
  options.say(`  ${sentenceOf(outcome)}`);
  return outcome;
}

/** Rows that were lost, or are there twice, since the last look; nothing when nobody can look. */
async function fresh({ writers, told }: Stage): Promise<Pick<Outcome, 'lost' | 'duplicates'>> {
  const stored = await writers.check().catch(() => undefined);
  if (stored === undefined) return {};
  const { lost, duplicates } = stored;
  const news = {
    lost: lost.filter((row) => !told.has(row)),
    duplicates: duplicates.filter((row) => !told.has(row)),
  };
  for (const row of [...lost, ...duplicates]) told.add(row);
  return news;
}

async function inForce({ cluster, options }: Stage, fault: Fault, units: readonly string[]) {
  const undo = new Undo();
  try {
    await fault.strike({ cluster, undo }, units);
    if (fault.lasts) await delay(options.holdMs, undefined, { signal: options.signal });
  } finally {
    if (options.signal.aborted) options.say('  interrupted: giving back what was taken');
    await undo.all();
  }
}

/** When nothing was missing for the first time of several in a row, or what was at the end. */
async function untilRedundant(
  cluster: Cluster,
  { recoveryMs, signal }: CampaignOptions,
  more: () => Promise<string[]>,
): Promise<{ at: number; missing?: undefined } | { missing: string }> {
  const end = performance.now() + recoveryMs;
  let since: { at: number; probes: number } | undefined;
  for (;;) {
    const at = performance.now();
    const missing = await missingNow(cluster, more);
    since =
      missing.length > 0 ? undefined : { at: since?.at ?? at, probes: (since?.probes ?? 0) + 1 };
    if (since !== undefined && since.probes >= QUIET_PROBES) return { at: since.at };
    if (signal.aborted || performance.now() > end) return { missing: missing.join('; ') };
    await delay(PROBE_MS, undefined, { signal }).catch(() => {});
  }
}

/** Whoever cannot be asked is missing too. */
async function missingNow(cluster: Cluster, more: () => Promise<string[]>): Promise<string[]> {
  try {
    return [...(await cluster.missing()), ...(await more())];
  } catch (error) {
    return [messageOf(error)];
  }
}

/** From 0 to below 1; depends on nothing but these, so that one fault can be struck again alone. */
function pick(seed: number, fault: string, round: number): number {
  return Number.parseInt(digestOf(`${seed}/${fault}/${round}`).slice(0, 8), 16) / 2 ** 32;
}

function sentenceOf({ stallsMs = [], errors, lost, recoveryMs, missing }: Outcome): string {
  const stall = formatDurationMs(Math.max(0, ...stallsMs));
  const rows = lost === undefined ? 'rows not readable' : `${lost.length} rows lost`;
  const end =
    recoveryMs === undefined
      ? `NOT REDUNDANT: ${missing}`
      : `redundant after ${formatDurationMs(recoveryMs)}`;
  return `no writes for ${stall}, ${errors ?? 0} client errors, ${rows}, ${end}`;
}
