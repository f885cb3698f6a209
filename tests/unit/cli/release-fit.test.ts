/** A command and a controller of different releases: what is said, and of which errors. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { UsageError } from '../../../lib/contract/gnuflag.ts';
import { OperatorError } from '../../../lib/std/errors.ts';
import { lastWords } from '../../../src/cli/last-words.ts';
import { explained, noteOfRelease, ownApi } from '../../../src/cli/release-fit.ts';

const own = () => 'new';
const refused = (code: string) => new OperatorError({ code, message: 'no' });

describe('another release', () => {
  test('is noted when it differs, and only after an answer', () => {
    assert.equal(noteOfRelease(undefined, own), undefined);
    assert.equal(noteOfRelease('new', own), undefined);
    for (const heard of ['old', '']) {
      assert.match(noteOfRelease(heard, own) ?? '', /another release.*`npm start` brings/);
    }
  });

  const errors: [name: string, error: Error, replaced: boolean][] = [
    ['an answer that does not fit', new TypeError('entrance is not iterable'), true],
    ['an answer that is no JSON', new SyntaxError('Unexpected token'), true],
    ['a verb that it does not know', refused('unknown-verb'), true],
    ['a request that it does not understand', refused('bad-request'), true],
    ['a refusal in its own words', refused('not-found'), false],
    ['a wrong command line', new UsageError('no'), false],
    ['an interruption', new DOMException('ended', 'AbortError'), false],
  ];
  for (const [name, error, replaced] of errors) {
    test(`explains ${name}: ${replaced}`, () => {
      assert.equal(explained(error, 'new', own), error);
      assert.equal(explained(error, undefined, own), error);
      const result = explained(error, 'old', own);
      if (!replaced) assert.equal(result, error);
      else {
        assert.ok(result instanceof OperatorError);
        assert.deepEqual([result.code, result.cause], ['release-differs', error]);
        assert.match(result.hint ?? '', /^`npm start`/);
      }
    });
  }

  test('is told by what both sides say of the interface', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'api-'));
    try {
      await mkdir(join(directory, 'api'));
      await writeFile(join(directory, 'api.ts'), 'one');
      await writeFile(join(directory, 'api', 'documents.ts'), 'two');
      const before = ownApi(directory);
      assert.notEqual(before, ownApi());
      await writeFile(join(directory, 'api', 'documents.ts'), 'three');
      assert.notEqual(before, ownApi(directory));
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

test('the last words of a controller that did not start are a reason and a hint', () => {
  const cases: [log: string, reason: string | undefined, hint: string | undefined][] = [
    ['', undefined, undefined],
    ['2026 INFO up\nERROR cannot reserve x\nHINT end it\n', 'cannot reserve x', 'end it'],
    ['2026 INFO up\nERROR cannot\n', 'cannot', undefined],
    ['TypeError: x\n    at y\n', 'its log ends with:     at y', undefined],
    ['HINT alone\n', 'its log ends with: HINT alone', undefined],
  ];
  for (const [log, reason, hint] of cases) assert.deepEqual(lastWords(log), { reason, hint });
});
