/** One after the other, whatever becomes of each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../../lib/std/turns.ts';

test('turns come in order, never two at once, and one that fails holds up nobody', async () => {
  const turns = new Turns();
  const seen: string[] = [];
  const work = (name: string) => async () => {
    seen.push(`${name} begins`);
    await Promise.resolve();
    seen.push(`${name} ends`);
    if (name === 'b') throw new Error('b fails');
    return name;
  };
  const results = ['a', 'b', 'c'].map((name) => turns.take(work(name)));
  const settled = await Promise.allSettled(results);
  assert.deepEqual(
    settled.map((each) => (each.status === 'fulfilled' ? each.value : String(each.reason))),
    ['a', 'Error: b fails', 'c'],
  );
  assert.deepEqual(
    seen,
    ['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
});
