/** What a restore asks of a disk, at the limits, and how a refusal reads. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Room, readableBytes, roomRefusal } from '../../../src/agent/decide/restore-room.ts';

const MIB = 1024 * 1024;
const data = (freeBytes: number): Room => ({ storage: 'data', path: '/s/data/1', freeBytes });
const logs = (freeBytes: number): Room => ({ storage: 'logs', path: '/s/logs/2', freeBytes });

describe('the room for a restore', () => {
  const cases: [name: string, size: number, rooms: Room[], refused: RegExp | undefined][] = [
    ['plenty', 100 * MIB, [data(1000 * MIB)], undefined],
    ['exactly enough', 100 * MIB, [data(356 * MIB)], undefined],
    ['one byte less', 100 * MIB, [data(356 * MIB - 1)], /storage data needs 356\.0 MiB/],
    ['nothing free', 0, [data(0)], /needs 256\.0 MiB .*, and 0 bytes are free/],
    ['WAL elsewhere with room', 100 * MIB, [data(356 * MIB), logs(256 * MIB)], undefined],
    [
      'WAL elsewhere without',
      100 * MIB,
      [data(1000 * MIB), logs(255 * MIB)],
      /^cannot restore on pg\/1: storage logs needs 256\.0 MiB/,
    ],
    [
      'neither',
      100 * MIB,
      [data(MIB), logs(MIB)],
      /storage data needs 356\.0 MiB .*; storage logs needs/,
    ],
  ];
  for (const [name, size, rooms, refused] of cases) {
    test(name, () => {
      const refusal = roomRefusal('pg/1', size, rooms);
      if (refused === undefined) assert.equal(refusal, undefined);
      else assert.match(refusal?.message ?? '', refused);
    });
  }

  test('a refusal has both numbers to the byte, and what is lacking where', () => {
    const refusal = roomRefusal('pg/1', 3 * 1024 * MIB, [data(512 * MIB)]);
    assert.equal(
      refusal?.message,
      'cannot restore on pg/1: storage data needs 3.3 GiB (3489660928 bytes) beside the data ' +
        'of now, and 512.0 MiB (536870912 bytes) are free',
    );
    assert.equal(
      refusal?.hint,
      'free 2.8 GiB (2952790016 bytes) more below /s/data/1, or enlarge its filesystem; ' +
        'then ask again',
    );
  });
});

test('bytes read well at every size', () => {
  const read = [0, 1023, 1024, 1536, MIB, 5 * 1024 ** 4].map(readableBytes);
  assert.deepEqual(read, [
    ...['0 bytes', '1023 bytes', '1.0 KiB (1024 bytes)', '1.5 KiB (1536 bytes)'],
    ...['1.0 MiB (1048576 bytes)', '5.0 TiB (5497558138880 bytes)'],
  ]);
});
