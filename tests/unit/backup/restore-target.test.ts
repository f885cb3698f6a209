/** Which backup and how far: the reference's own sequence of restores, and what cannot be given. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Backup, Repository } from '../../../src/charm/model/repository.ts';
import {
  parseMoment,
  parseRequest,
  type Selection,
  selectTarget,
} from '../../../src/charm/model/restore-target.ts';

const at = (text: string) => Date.parse(`2026-03-01T${text}Z`) / 1000;
const NOW = at('18:00:00');

function backup(change: Partial<Backup>): Backup {
  return {
    label: '20260301-100000F',
    type: 'full',
    start: at('10:00:00'),
    stop: at('10:01:00'),
    startLsn: '0/2000028',
    stopLsn: '0/2000138',
    timeline: 1,
    reference: undefined,
    error: false,
    size: 1000,
    ...change,
  };
}

/** b1 on timeline 1; restored at 11 (timelines 2 and 3), restored again at 12 (4 and 5). */
const repository: Repository = {
  stanza: 'm.postgresql',
  systemIdentifier: '7',
  otherStanzas: [],
  newestWal: undefined,
  backups: [backup({})],
  timelines: [
    { id: 2, since: at('11:00:00'), ancestors: [{ id: 1, endLsn: '0/3000000' }] },
    {
      id: 3,
      since: at('11:00:05'),
      ancestors: [
        { id: 1, endLsn: '0/3000000' },
        { id: 2, endLsn: '0/4000000' },
      ],
    },
    { id: 4, since: at('12:00:00'), ancestors: [{ id: 1, endLsn: '0/5000000' }] },
    {
      id: 5,
      since: at('12:00:05'),
      ancestors: [
        { id: 1, endLsn: '0/5000000' },
        { id: 4, endLsn: '0/6000000' },
      ],
    },
  ],
};

const select = (backupId?: string, restoreToTime?: string, from = repository): Selection =>
  selectTarget({ backupId, restoreToTime }, from, NOW);

describe('restore target', () => {
  test('a backup alone is restored as it was', () => {
    assert.partialDeepStrictEqual(select('2026-03-01T10:00:00Z'), {
      ok: true,
      set: '20260301-100000F',
      type: 'immediate',
      target: undefined,
      timeline: 1,
    });
    assert.deepEqual(select('20260301-100000F'), select('2026-03-01T10:00:00Z'));
  });

  test('a backup and latest: the end of its own history, not of what came later', () => {
    assert.partialDeepStrictEqual(select('2026-03-01T10:00:00Z', 'latest'), {
      ok: true,
      type: 'default',
      timeline: 1,
    });
  });

  const moments: [time: string, timeline: number][] = [
    ['2026-03-01 10:30:00', 1],
    ['2026-03-01 11:30:00', 3],
    ['2026-03-01 12:30:00+00', 5],
    ['2026-03-01 13:30:00.5+02:00', 3],
  ];
  for (const [time, timeline] of moments) {
    test(`the moment ${time} belongs to timeline ${timeline}`, () => {
      const chosen = select(undefined, time);
      assert.partialDeepStrictEqual(chosen, { ok: true, type: 'time', timeline });
    });
  }

  test('latest alone follows the newest history', () => {
    assert.partialDeepStrictEqual(select(undefined, 'latest'), {
      ok: true,
      set: '20260301-100000F',
      type: 'default',
      timeline: 5,
    });
  });

  test('a history that a restore began can be chosen by its own id', () => {
    assert.partialDeepStrictEqual(select('2026-03-01T11:00:05Z', 'latest'), {
      ok: true,
      type: 'default',
      timeline: 3,
    });
  });

  test('a backup taken after a history branched off does not lead to it', () => {
    const later = backup({
      label: '20260301-104500F',
      start: at('10:45:00'),
      stop: at('10:46:00'),
      stopLsn: '0/4800000',
    });
    const both = { ...repository, backups: [backup({}), later] };
    assert.partialDeepStrictEqual(select(undefined, '2026-03-01 11:30:00', both), {
      ok: true,
      set: '20260301-100000F',
      timeline: 3,
    });
    assert.partialDeepStrictEqual(select(undefined, '2026-03-01 12:30:00', both), {
      ok: true,
      set: '20260301-104500F',
      timeline: 5,
    });
  });

  const refused: [name: string, selection: Selection, reason: RegExp][] = [
    ['nothing', select(), /^Either backup-id or restore-to-time/],
    ['a word', select(undefined, 'yesterday'), /^Bad restore-to-time format$/],
    ['a day that is not', select(undefined, '2026-02-30 10:00:00'), /^Bad restore-to-time/],
    ['an unknown id', select('2020-01-01T00:00:00Z'), /^Invalid backup-id: 2020/],
    ['the future', select(undefined, '2027-03-01 10:00:00'), /lies in the future/],
    ['before the first backup', select(undefined, '2026-03-01 09:00:00'), /first backup ended at/],
    ['before its own backup', select('20260301-100000F', '2026-03-01 10:00:30'), /ended at/],
    ['a timeline without a time', select('2026-03-01T11:00:00Z'), /without restore-to-time/],
    [
      'an empty repository',
      select(undefined, 'latest', { ...repository, backups: [] }),
      /holds no backup/,
    ],
    [
      'damaged backups only',
      select(undefined, 'latest', { ...repository, backups: [backup({ error: true })] }),
      /holds no backup/,
    ],
  ];
  for (const [name, selection, reason] of refused) {
    test(`refuses ${name}`, () => {
      assert.equal(selection.ok, false);
      assert.match(selection.ok ? '' : selection.reason, reason);
    });
  }

  test('whatever is chosen ended before the moment and leads to its timeline', () => {
    const time = fc.integer({ min: at('09:00:00'), max: at('17:00:00') });
    fc.assert(
      fc.property(time, (seconds) => {
        const text = new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ');
        const chosen = select(undefined, text);
        assert.equal(chosen.ok, seconds >= at('10:01:00'));
        if (!chosen.ok) return;
        assert.equal(chosen.target, `${text}.000000+00`);
        const began = repository.timelines.find(({ id }) => id === chosen.timeline)?.since ?? 0;
        assert.ok(began <= seconds);
      }),
    );
  });

  test('zones, to the microsecond', () => {
    const micros = (text: string) => parseMoment(text)?.micros;
    const utc = Date.parse('2026-03-01T10:00:00Z') * 1000;
    for (const same of ['', 'Z', '+00', '+0000', '+00:00']) {
      assert.equal(micros(`2026-03-01 10:00:00${same}`), utc);
    }
    assert.equal(micros('2026-03-01 12:30:00.000001+02:30'), utc + 1);
    assert.equal(micros('2026-03-01 07:00:00-0300'), utc);
    assert.equal(parseMoment('2026-03-01 10:00:00.123456')?.text, '2026-03-01 10:00:00.123456+00');
  });

  test('parsing is total', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (backupId, restoreToTime) => {
        const parsed = parseRequest({ backupId, restoreToTime });
        assert.equal(typeof parsed.ok, 'boolean');
      }),
    );
  });
});
