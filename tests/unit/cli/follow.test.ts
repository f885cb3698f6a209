/** Following an answer: until it is wanted, until time is over, despite a lost controller. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../../lib/std/errors.ts';
import type { Api } from '../../../src/cli/client.ts';
import { follow } from '../../../src/cli/follow.ts';

const { signal } = new AbortController();
const lost = new OperatorError({ code: 'controller-lost', message: 'cannot talk' });

/** Answers the versions in turn, the last one for ever; an error is thrown. */
function versions(...answers: (string | Error)[]): Api & { asked: (string | undefined)[] } {
  const asked: (string | undefined)[] = [];
  const next = () => {
    const answer = answers[Math.min(asked.length, answers.length) - 1] ?? '';
    if (answer instanceof Error) throw answer;
    return { version: answer, controller: 'c' };
  };
  return {
    asked,
    call: async () => next() as never,
    watch: async (_verb, _request, { etag }) => {
      asked.push(etag);
      return { body: next() as never, etag: `etag ${asked.length}` };
    },
  };
}

describe('follow', () => {
  const until = (wanted: string) => (answer: { version: string }) =>
    answer.version === wanted ? answer.version : undefined;

  test('asks for what differs from the last answer, until it is the one', async () => {
    const api = versions('a', 'b', 'c');
    assert.equal(await follow(api, 'version', {}, { signal, seen: until('c') }), 'c');
    assert.deepEqual(api.asked, [undefined, 'etag 1', 'etag 2']);
  });

  test('answers nothing when the time is over, after having looked once', async () => {
    const seen = until('never');
    const api = versions('a');
    assert.equal(await follow(api, 'version', {}, { signal, seen, timeoutMs: 0 }), undefined);
    assert.equal(api.asked.length, 1);
  });

  test('goes on when the controller was lost and came back', async () => {
    const api = versions('a', lost, 'b');
    assert.equal(await follow(api, 'version', {}, { signal, seen: until('b') }), 'b');
  });

  test('does not go on after any other failure', async () => {
    const api = versions('a', new OperatorError({ code: 'not-found', message: 'gone' }));
    const following = follow(api, 'version', {}, { signal, seen: until('b') });
    await assert.rejects(following, { code: 'not-found' });
  });

  test('ends when the operator says so', async () => {
    const over = AbortSignal.abort();
    const following = follow(versions('a'), 'version', {}, { signal: over, seen: until('a') });
    await assert.rejects(following, { name: 'AbortError' });
  });
});
