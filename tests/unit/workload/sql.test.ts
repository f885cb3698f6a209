/** Quoting of identifiers and literals in DDL; a server that does not answer any more. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { poll } from '../../../lib/std/clock.ts';
import { Secret } from '../../../lib/std/secret.ts';
import {
  connectSql,
  ddl,
  identifier,
  identifiers,
  literal,
} from '../../../src/charm/workload/sql.ts';

test('ddl puts quoted parts between its own text', () => {
  const grant = ddl`GRANT ${identifiers(['a', 'B"c'])} TO ${identifier('x y')}`;
  assert.equal(grant.text, 'GRANT "a", "B""c" TO "x y"');
  assert.equal(
    ddl`ALTER ROLE ${identifier('r')} PASSWORD ${literal("it's")}; ${grant}`.text,
    `ALTER ROLE "r" PASSWORD 'it''s'; GRANT "a", "B""c" TO "x y"`,
  );
  assert.equal(ddl`NULL`.text, 'NULL');
});

test('a backslash in a literal means itself', () => {
  assert.equal(literal("a\\'b").text, ` E'a\\\\''b'`);
});

test('names that PostgreSQL would cut or refuse are refused here', () => {
  for (const name of ['', 'a\0b', 'x'.repeat(64), 'ä'.repeat(32)]) {
    assert.throws(() => identifier(name), RangeError);
  }
  assert.equal(identifier('ä'.repeat(31)).text, `"${'ä'.repeat(31)}"`);
  assert.throws(() => literal('a\0'), RangeError);
});

test('no text leaves its quotes', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20 }), (text) => {
      fc.pre(!text.includes('\0') && Buffer.byteLength(text) <= 63);
      const name = identifier(text).text;
      assert.equal(name.slice(1, -1).replaceAll('""', '').includes('"'), false);
      const value = literal(text).text;
      const inner = value.slice(value.indexOf("'") + 1, -1);
      const plain = value.startsWith(' E') ? inner.replaceAll('\\\\', '') : inner;
      assert.equal(/'/.test(plain.replaceAll("''", '')), false);
    }),
  );
});

test('a frozen server keeps nobody who wants to leave it, nor who comes', async () => {
  const sockets: Socket[] = [];
  // It lets one in, and from then on hears nothing; nor does it hear the next one.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    if (sockets.length > 1) return;
    const authenticated = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0]);
    const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);
    socket.once('data', () => socket.write(Buffer.concat([authenticated, ready])));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const target = {
    host: '127.0.0.1',
    port,
    user: 'operator',
    password: new Secret('x'),
    database: 'postgres',
    connectTimeoutMs: 500,
  };
  try {
    const sql = await connectSql({ ...target, connectTimeoutMs: 30_000 });
    await sql.close();
    await assert.rejects(connectSql(target), { code: 'sql-unreachable' });
    assert.ok(await poll(async () => sockets.length === 2 || undefined, { timeoutMs: 30_000 }));
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
