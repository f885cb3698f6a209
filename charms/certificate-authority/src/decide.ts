/**
 * What the authority still owes: a root, answers to requests, and the word to those who shall trust
 * it. Pure. What was signed is never signed again while its root is the present one.
 */
import {
  type Decision as AnyDecision,
  blocked,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
import { transferData } from '../../../lib/relations/certificate-transfer.ts';
import { changedKeys } from '../../../lib/relations/databag.ts';
import { certificatesData, refusalsData } from '../../../lib/relations/tls-certificates.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { parseDurationMs } from '../../../lib/std/duration.ts';
import { answersTo, requestsOf, trusted } from './answers.ts';
import type { Authority, Requirer, Steps, World } from './world.ts';

type Decision = AnyDecision<Steps>;
const step = stepsOf<Steps>();

const HOUR_MS = 3_600_000;
const LIMITS = {
  certificateValidity: { option: 'certificate-validity', least: '1m', most: '87600h' },
  authorityValidity: { option: 'authority-validity', least: '1h', most: '350400h' },
} as const;

export function decide(world: World): Decision[] {
  const refusal = refuse(world);
  if (refusal !== undefined) return [refusal];
  const { authority, isLeader, requirers, trusting } = world;
  if (authority === undefined) {
    if (!isLeader) return [waiting('no-authority', 'waiting for the leader to make the root')];
    const args = { days: validityDays(world, 'authorityValidity') };
    return [step('create-authority', args, 'there is no root yet')];
  }
  return [
    ...(isLeader ? requirers.flatMap((requirer) => answer(requirer, authority, world)) : []),
    ...trusting.flatMap((each) => tell(each, authority, isLeader)),
  ];
}

/** Days that an option gives; the options have been checked. */
export function validityDays({ config }: World, name: keyof typeof LIMITS): number {
  return (parseDurationMs(config[name]) ?? 0) / (24 * HOUR_MS);
}

/** Why an option cannot be used; undefined when all can. */
export function refuse({ config }: World): Decision | undefined {
  for (const name of ['certificateValidity', 'authorityValidity'] as const) {
    const { option, least, most } = LIMITS[name];
    const value = parseDurationMs(config[name]) ?? Number.NaN;
    const [from, to] = [parseDurationMs(least) ?? 0, parseDurationMs(most) ?? 0];
    if (value >= from && value <= to) continue;
    const allowed = `a duration from ${least} to ${most}`;
    return blocked('option-invalid', `option ${option} is "${config[name]}"; allowed: ${allowed}`);
  }
  return undefined;
}

function answer(requirer: Requirer, authority: Authority, world: World): Decision[] {
  if (requirer.ending) return [];
  const { keep, sign, refused } = answersTo(requirer, authority);
  const wanted = { ...certificatesData(keep), ...refusalsData(refused) };
  const said = changedKeys(wanted, requirer.localApp);
  const refusals: Decision[] =
    refused.length === 0
      ? []
      : [blocked('request-refused', `${requirer.app}: ${refused[0]?.message ?? ''}`)];
  if (sign.length === 0 && Object.keys(said).length === 0) return refusals;
  const why = `${requirer.app} has asked for ${requestsOf(requirer).length} certificates`;
  return [answerStep(requirer, world, [], why), ...refusals];
}

/** @param revoke digests of requests whose certificates are taken back */
export function answerStep(
  requirer: Requirer,
  world: World,
  revoke: string[],
  why: string,
): Decision {
  const days = validityDays(world, 'certificateValidity');
  const digest = digestOf(JSON.stringify([requestsOf(requirer), requirer.localApp, revoke]));
  return step('answer', { relationId: requirer.id, days, revoke, digest }, why);
}

function tell(
  { id, app, ending, localApp, localUnit }: World['trusting'][number],
  authority: Authority,
  isLeader: boolean,
): Decision[] {
  if (ending) return [];
  const roots = trusted(authority);
  const wanted = transferData(roots);
  const lacking = [
    ...Object.keys(changedKeys(wanted.unit, localUnit)),
    ...(isLeader ? Object.keys(changedKeys(wanted.app, localApp)) : []),
  ];
  if (lacking.length === 0) return [];
  const args = { relationId: id, digest: digestOf(roots.join('\n')) };
  return [step('tell-authorities', args, `${app} is to trust another root`)];
}
