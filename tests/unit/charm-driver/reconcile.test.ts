/** The driver of an event: order, lanes, rounds, and steps that need a second look. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { blocked, type Decider, stepsOf } from '../../../lib/charm/decision.ts';
import { reconcile, type StepTable } from '../../../lib/charm/reconcile.ts';
import { OperatorError } from '../../../lib/std/errors.ts';

interface Steps {
  make: { what: string };
  last: { what: string };
  drop: { what: string };
}
type World = readonly string[];
const step = stepsOf<Steps>();

/** A world of names; `failing` names cannot be made. */
function driver(deciders: Decider<World, Steps>[], failing: string[] = []) {
  const made: string[] = [];
  const make = async ({ what }: { what: string }) => {
    if (failing.includes(what)) {
      throw new OperatorError({ code: 'no', message: `cannot make ${what}`, hint: 'try later' });
    }
    made.push(what);
    return { [what]: 'made' };
  };
  const steps: StepTable<Steps, undefined> = {
    make: { lane: ({ what }) => what.charAt(0), apply: make },
    last: { lane: 'last', priority: 90, apply: make },
    drop: {
      lane: 'drop',
      destructive: true,
      async apply({ what }) {
        made.splice(made.indexOf(what), 1);
        return undefined;
      },
    },
  };
  const run = () =>
    reconcile({ observe: async () => [...made], deciders, steps, tools: undefined });
  return { run, made };
}

const wants =
  (...names: string[]): Decider<World, Steps> =>
  (world) =>
    names.filter((name) => !world.includes(name)).map((what) => step('make', { what }, 'wanted'));

describe('reconcile', () => {
  test('makes what is missing, round after round, and then has nothing to do', async () => {
    const second: Decider<World, Steps> = (world) => (world.includes('a') ? wants('b')(world) : []);
    const { run, made } = driver([wants('a'), second]);
    const outcome = await run();
    assert.deepEqual(made, ['a', 'b']);
    assert.deepEqual(outcome.results, { a: 'made', b: 'made' });
    assert.deepEqual((await run()).applied, []);
  });

  test('orders by priority, and within one priority by decider', async () => {
    const early: Decider<World, Steps> = (world) =>
      world.includes('z') ? [] : [step('last', { what: 'z' }, 'wanted')];
    const { run, made } = driver([early, wants('b', 'a')]);
    await run();
    assert.deepEqual(made, ['b', 'a', 'z']);
  });

  test('a failure stops its lane, by arguments, and becomes a finding; others go on', async () => {
    const { run, made } = driver([wants('a1', 'a2', 'b1')], ['a1']);
    const { findings, failed } = await run();
    assert.deepEqual(made, ['b1']);
    assert.deepEqual(
      failed.map(({ step: { args } }) => args),
      [{ what: 'a1' }],
    );
    assert.partialDeepStrictEqual(findings, [
      { level: 'maintenance', code: 'no', message: 'cannot make a1 (try later)' },
    ]);
  });

  test('a step whose effect shows later is carried out once', async () => {
    let times = 0;
    const { run } = driver([
      () => [step('make', { what: 'seen-never' }, `asked ${times++} times`)],
    ]);
    const { applied } = await run();
    assert.equal(applied.length, 1);
  });

  test('gives up after five rounds when deciders never agree', async () => {
    let round = 0;
    const { run, made } = driver([() => [step('make', { what: `n${round++}` }, 'never content')]]);
    await run();
    assert.equal(made.length, 5);
  });

  test('looks again before a destructive step, and leaves what is no longer unwanted', async () => {
    let looks = 0;
    const unwanted: Decider<World, Steps> = (world) =>
      world.includes('a') && looks++ === 0 ? [step('drop', { what: 'a' }, 'unwanted')] : [];
    const { run, made } = driver([unwanted]);
    made.push('a');
    const { applied } = await run();
    assert.deepEqual(applied, []);
    assert.deepEqual(made, ['a']);
  });

  test('says what the deciders say of the world as it is in the end', async () => {
    const grumble: Decider<World, Steps> = (world) =>
      world.includes('a') ? [] : [blocked('no-a', 'there is no a')];
    const { run } = driver([grumble, wants('a')]);
    assert.deepEqual((await run()).findings, []);
  });
});
