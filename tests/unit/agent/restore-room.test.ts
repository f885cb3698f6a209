/** What a restore asks of a disk, at the limits, and how a refusal reads. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import {
  type Room,
  readableBytes,
  roomRefusal,
  type UnitRoom,
} from '../../../src/agent/decide/restore-room.ts';
import { measureRooms } from '../../../src/agent/work/restore-room.ts';

const MIB = 1024 * 1024;
const data = (freeBytes: number): Room => ({ storage: 'data', path: '/s/data/1', freeBytes });
const logs = (freeBytes: number): Room => ({ storage: 'logs', path: '/s/logs/2', freeBytes });

describe('the room for a restore', () => {
  const cases: [name: string, size: number, rooms: Room[], refused: RegExp | undefined][] = [
    ['plenty', 100 * MIB, [data(1000 * MIB)], undefined],
    ['exactly enough', 100 * MIB, [data(356 * MIB)], undefined],
    ['one byte less', 100 * MIB, [data(356 * MIB - 1)], /storage data of pg\/1 needs 356\.0 MiB/],
    ['nothing free', 0, [data(0)], /needs 256\.0 MiB .*, and 0 bytes are free/],
    ['WAL elsewhere with room', 100 * MIB, [data(356 * MIB), logs(256 * MIB)], undefined],
    [
      'WAL elsewhere without',
      100 * MIB,
      [data(1000 * MIB), logs(255 * MIB)],
      /^cannot restore: storage logs of pg\/1 needs 256\.0 MiB/,
    ],
    [
      'neither',
      100 * MIB,
      [data(MIB), logs(MIB)],
      /storage data of pg\/1 needs 356\.0 MiB .*; storage logs of pg\/1 needs/,
    ],
  ];
  for (const [name, size, rooms, refused] of cases) {
    test(name, () => {
      const refusal = roomRefusal(size, [{ unit: 'pg/1', part: 'restores', rooms }]);
      if (refused === undefined) assert.equal(refusal, undefined);
      else assert.match(refusal?.message ?? '', refused);
    });
  }

  test('a refusal has both numbers to the byte, and what is lacking where', () => {
    const rooms = [data(512 * MIB)];
    const refusal = roomRefusal(3 * 1024 * MIB, [{ unit: 'pg/1', part: 'restores', rooms }]);
    assert.equal(
      refusal?.message,
      'cannot restore: storage data of pg/1 needs 3.3 GiB (3489660928 bytes) beside the data ' +
        'of now, and 512.0 MiB (536870912 bytes) are free',
    );
    assert.equal(
      refusal?.hint,
      'free 2.8 GiB (2952790016 bytes) more below /s/data/1 of pg/1, or enlarge its ' +
        'filesystem; then ask again',
    );
  });
});

describe('the room for a clone', () => {
  const clones = (free: number, heldBytes?: number): UnitRoom => ({
    unit: 'pg/2',
    part: 'clones',
    rooms: [{ ...data(free), ...(heldBytes === undefined ? {} : { heldBytes }) }],
  });
  const restores: UnitRoom = { unit: 'pg/1', part: 'restores', rooms: [data(1000 * MIB)] };

  test('what the unit gives up counts as free', () => {
    assert.equal(roomRefusal(100 * MIB, [restores, clones(56 * MIB, 300 * MIB)]), undefined);
  });

  test('a replica that is too small refuses, by its name and with its numbers', () => {
    const refusal = roomRefusal(100 * MIB, [restores, clones(56 * MIB, 299 * MIB)]);
    assert.equal(
      refusal?.message,
      'cannot restore: storage data of pg/2 needs 356.0 MiB (373293056 bytes) to clone what is ' +
        'restored, and 355.0 MiB (372244480 bytes) are free without the data of now',
    );
    assert.match(refusal?.hint ?? '', /^free 1\.0 MiB \(1048576 bytes\) more .* of pg\/2, or enl/);
  });

  test('every unit that is too small is named', () => {
    const poor: UnitRoom = { ...restores, rooms: [data(MIB)] };
    const refusal = roomRefusal(100 * MIB, [poor, clones(MIB)]);
    assert.match(
      refusal?.message ?? '',
      /^cannot restore: .* of pg\/1 needs .*; .* of pg\/2 needs/,
    );
  });
});

describe('measuring', () => {
  const directory = mkdtempSync(join(tmpdir(), 'pgcharm-room-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const dataDir = join(directory, '15', 'main');
  const wal = join(directory, 'wal');
  const FAR_MORE_THAN_ANY_DISK = 2 ** 60;

  test('a member that has never cloned lies on the filesystem above', async () => {
    const [room, ...rest] = await measureRooms(join(directory, 'none', 'main'), 0);
    assert.deepEqual(rest, []);
    assert.ok((room?.freeBytes ?? 0) > 0);
  });

  test('data and WAL on one filesystem are one room, and both are given up', async () => {
    mkdirSync(join(dataDir, 'base', '1'), { recursive: true });
    mkdirSync(wal);
    writeFileSync(join(dataDir, 'base', '1', '100'), Buffer.alloc(MIB, 1));
    writeFileSync(join(wal, '1'), Buffer.alloc(2 * MIB, 1));
    symlinkSync(wal, join(dataDir, 'pg_wal'));
    const rooms = await measureRooms(dataDir, FAR_MORE_THAN_ANY_DISK);
    assert.deepEqual(
      rooms.map(({ storage, path }) => [storage, path]),
      [['data', dataDir]],
    );
    const held = rooms[0]?.heldBytes ?? 0;
    assert.ok(held >= 3 * MIB && held < 4 * MIB, `${held} bytes`);
  });

  test('nobody adds up data that stay, or that are not in the way', async () => {
    for (const rooms of [await measureRooms(dataDir), await measureRooms(dataDir, 0)]) {
      assert.equal(rooms[0]?.heldBytes, undefined);
    }
  });
});

test('bytes read well at every size', () => {
  const read = [0, 1023, 1024, 1536, MIB, 5 * 1024 ** 4].map(readableBytes);
  assert.deepEqual(read, [
    ...['0 bytes', '1023 bytes', '1.0 KiB (1024 bytes)', '1.5 KiB (1536 bytes)'],
    ...['1.0 MiB (1048576 bytes)', '5.0 TiB (5497558138880 bytes)'],
  ]);
});
