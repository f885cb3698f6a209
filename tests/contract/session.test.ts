/** What a hook's changes become: all of them on success, none otherwise; and who sees them when. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CommitRefused } from '../../src/controller/tools/apply-changes.ts';
import { RemoteBags } from '../../src/controller/tools/remote-bags.ts';
import type { HookInfo } from '../../src/controller/uniter/hook-info.ts';
import { commit, DB, modelPerTest, out, PEERS, run } from '../support/contract-model.ts';

const our = modelPerTest();

function bag(relation: number, owner: string): { version: number; data: Record<string, string> } {
  const row = our.model.store.get<{ version: number; data: string }>(
    'SELECT version, data FROM databag WHERE relation_id = ? AND owner = ?',
    relation,
    owner,
  );
  return { version: row?.version ?? -1, data: JSON.parse(row?.data ?? '{}') };
}

function loseLeadership(): void {
  our.model.store.run(`UPDATE lease SET unit = 'web/1'`);
}

const changed: HookInfo = {
  kind: 'relation-changed',
  name: 'db-relation-changed',
  relationId: DB,
  endpoint: 'db',
  remoteApp: 'pg',
  remoteUnit: 'pg/0',
};

describe('the state of a unit', () => {
  /** As Juju measures it: 5 bytes, and 7 for each entry beside key and value. */
  const LIMIT = 2 * 1024 * 1024;
  const VALUE = 64 * 1024;
  const full = (session: ReturnType<typeof our.model.session>) => {
    const key = (n: number) => `k${n}`.padEnd(4);
    for (let n = 0; n < 31; n++) out(session, 'state-set', `${key(n)}=${'x'.repeat(VALUE)}`);
    const left = LIMIT - 5 - 31 * (VALUE + 4 + 7);
    return left - 4 - 7;
  };

  test('may be as large as the controller allows', () => {
    const session = our.model.session();
    const rest = full(session);
    out(session, 'state-set', `last=${'x'.repeat(rest)}`);
    commit(our.model, session);
    assert.equal(out(our.model.session(), 'state-get', 'last').length, rest + 1);
  });

  test('a byte more refuses the commit, and nothing of the hook is kept', () => {
    const session = our.model.session();
    const rest = full(session);
    out(session, 'state-set', `last=${'x'.repeat(rest + 1)}`);
    out(session, 'relation-set', '-r', '3', 'a=1');
    assert.throws(() => commit(our.model, session), {
      name: 'CommitRefused',
      message: 'persisting charm state: max allowed size (2097152) exceeded',
    });
    assert.equal(out(our.model.session(), 'state-get', '--format=json'), '{}\n');
    assert.equal(bag(DB, 'web/0').version, 0);
  });
});

describe('databags', () => {
  test('change at commit, and the version grows by one for all writes of a hook', () => {
    const session = our.model.session();
    out(session, 'relation-set', '-r', '3', 'a=1');
    out(session, 'relation-set', '-r', '3', 'b=2', 'ingress-address=');
    assert.deepEqual(bag(DB, 'web/0').data, { 'ingress-address': 'web/0' });
    commit(our.model, session);
    assert.deepEqual(bag(DB, 'web/0'), { version: 1, data: { a: '1', b: '2' } });
  });

  test('keep their version when nothing becomes different', () => {
    const session = our.model.session();
    out(session, 'relation-set', '-r', '3', 'ingress-address=other');
    out(session, 'relation-set', '-r', '3', 'ingress-address=web/0', 'none=');
    out(session, 'relation-set', '-r', '1', '--app', 'shared=yes');
    commit(our.model, session);
    assert.equal(bag(DB, 'web/0').version, 0);
    assert.equal(bag(PEERS, 'web').version, 1);
  });

  test('keep everything of a failed hook out', () => {
    const session = our.model.session();
    out(session, 'relation-set', '-r', '3', 'a=1');
    out(session, 'relation-set', '-r', '3', '--app', 'a=1');
    out(session, 'open-port', '80');
    out(session, 'state-set', 'k=v');
    out(session, 'secret-add', 'token=x');
    session.discard();
    assert.equal(bag(DB, 'web/0').version, 0);
    assert.equal(bag(DB, 'web').version, -1);
    const next = our.model.session();
    assert.equal(out(next, 'opened-ports', '--format=json'), '[]\n');
    assert.equal(out(next, 'state-get', '--format=json'), '{}\n');
    assert.equal(out(next, 'secret-ids', '--format=json'), 'null\n');
  });

  test('of the application are refused to whoever lost the lease, and nothing else is kept', () => {
    const session = our.model.session();
    out(session, 'relation-set', '-r', '3', 'a=1');
    out(session, 'relation-set', '-r', '3', '--app', 'a=1');
    out(session, 'state-set', 'k=v');
    loseLeadership();
    assert.throws(() => commit(our.model, session), CommitRefused);
    assert.equal(bag(DB, 'web/0').version, 0);
    assert.equal(bag(DB, 'web').version, -1);
    assert.equal(out(our.model.session(), 'state-get', '--format=json'), '{}\n');
  });

  test('of a remote unit stay as first seen until the event that reports the change', () => {
    const remoteBags = new RemoteBags();
    const read = (hook?: HookInfo) => {
      const session = our.model.session({ remoteBags, ...(hook === undefined ? {} : { hook }) });
      return out(session, 'relation-get', '-r', '3', 'v', 'pg/0');
    };
    assert.equal(read(), '');
    our.model.store.run(`UPDATE databag SET data = '{"v":"1"}' WHERE owner = 'pg/0'`);
    assert.equal(read(), '');
    assert.equal(read({ kind: 'config-changed', name: 'config-changed' }), '');
    assert.equal(read(changed), '1\n');
    assert.equal(read(), '1\n');
  });

  test('of a remote unit do not change within one hook', () => {
    const session = our.model.session();
    out(session, 'relation-get', '-r', '3', '-', 'pg/0');
    our.model.store.run(`UPDATE databag SET data = '{"v":"1"}' WHERE owner = 'pg/0'`);
    assert.equal(out(session, 'relation-get', '-r', '3', 'v', 'pg/0'), '');
  });

  test('of a unit that left can still be read, and it is no member any more', () => {
    our.model.store.run(`UPDATE relation_unit SET in_scope = 0 WHERE unit = 'pg/0'`);
    our.model.store.run(`UPDATE relation_unit SET members = '{}' WHERE unit = 'web/0'`);
    const session = our.model.session();
    assert.equal(out(session, 'relation-list', '-r', '3', '--format=json'), '[]\n');
    assert.equal(out(session, 'relation-get', '-r', '3', 'ingress-address', 'pg/0'), 'pg/0\n');
  });

  test('take a file relative to the caller, and arguments win over it', () => {
    writeFileSync(join(our.model.dir, 'settings.yaml'), 'a: 1\nb: yes\n');
    const session = our.model.session();
    const args = ['-r', '3', '--file', 'settings.yaml', 'a=2'];
    assert.equal(session.run({ tool: 'relation-set', args, dir: our.model.dir }).code, 0);
    commit(our.model, session);
    assert.deepEqual(bag(DB, 'web/0').data, { 'ingress-address': 'web/0', a: '2', b: 'yes' });
  });
});

describe('leadership within a hook', () => {
  test('can be lost and never comes back', () => {
    const session = our.model.session();
    assert.equal(out(session, 'is-leader'), 'True\n');
    loseLeadership();
    assert.equal(out(session, 'is-leader'), 'False\n');
    our.model.store.run(`UPDATE lease SET unit = 'web/0'`);
    assert.equal(out(session, 'is-leader'), 'False\n');
    assert.equal(out(our.model.session(), 'is-leader'), 'True\n');
  });

  test('ends with the lease', () => {
    our.model.clock.now += 61_000;
    assert.equal(out(our.model.session(), 'is-leader'), 'False\n');
  });
});

describe('what is in force at once', () => {
  test('status, version, log and progress outlive a hook that fails', () => {
    our.model.store.run(`INSERT INTO operation VALUES (6, 'x', 0)`);
    our.model.store.run(
      `INSERT INTO task (id, operation_id, unit, action, enqueued) VALUES (7, 6, 'web/0', 'a', 0)`,
    );
    const session = our.model.session({ action: { taskId: 7 } });
    out(session, 'status-set', 'blocked', 'why');
    out(session, 'application-version-set', '16.2');
    out(session, 'juju-log', 'a', 'line');
    out(session, 'action-log', 'half');
    session.discard();
    assert.equal(out(our.model.session(), 'status-get'), 'blocked\n');
    const row = our.model.store.get<{ version: string; log: string }>(
      `SELECT u.workload_version AS version, t.log FROM unit u, task t WHERE u.name = 'web/0'`,
    );
    assert.equal(row?.version, '16.2');
    assert.deepEqual(JSON.parse(row?.log ?? ''), [{ at: our.model.clock.now, message: 'half' }]);
    assert.deepEqual(our.model.logged, ['INFO unit.web/0.juju-log: a line']);
  });

  test('a line of a relation hook names the relation; an unknown level becomes INFO', () => {
    const session = our.model.session({ hook: changed });
    out(session, 'juju-log', '-l', 'loud', 'hm');
    assert.deepEqual(
      our.model.logged.map((line) => line.split(' ')[0]),
      ['WARNING', 'INFO'],
    );
    assert.equal(our.model.logged[1], 'INFO unit.web/0.juju-log: db:3: hm');
  });

  test('results of an action are kept although nothing is committed', () => {
    const session = our.model.session({ action: { taskId: 7 } });
    out(session, 'action-set', 'a=1', 'b.c=2');
    out(session, 'action-set', 'a.d=3');
    out(session, 'action-fail');
    session.discard();
    assert.deepEqual(session.actionOutcome(), {
      results: { a: { d: '3' }, b: { c: '2' } },
      failed: 'action failed without reason given, check action for errors',
    });
  });
});

describe('configuration', () => {
  test('is what it was when the hook first asked', () => {
    const session = our.model.session();
    assert.equal(out(session, 'config-get', 'max'), '5\n');
    our.model.store.run(`UPDATE application SET config = '{"max":9,"name":""}'`);
    assert.equal(out(session, 'config-get', 'max'), '5\n');
    const next = our.model.session();
    assert.equal(out(next, 'config-get', '--format=json'), '{"max":9,"name":"","tls":true}\n');
  });
});

describe('ports', () => {
  test('open and close at commit, for all or for some endpoints', () => {
    const first = our.model.session();
    out(first, 'open-port', '8000-8999/udp');
    out(first, 'open-port', '80', '--endpoints', 'site,db');
    out(first, 'open-port', 'icmp');
    commit(our.model, first);
    const second = our.model.session();
    assert.equal(
      out(second, 'opened-ports', '--endpoints'),
      'icmp (*)\n80/tcp (db, site)\n8000-8999/udp (*)\n',
    );
    assert.equal(run(second, 'open-port', '8500/udp').code, 1);
    out(second, 'close-port', '80', '--endpoints', 'db');
    out(second, 'close-port', '8000-8999/udp');
    out(second, 'open-port', '8500/udp');
    commit(our.model, second);
    assert.equal(
      out(our.model.session(), 'opened-ports', '--endpoints'),
      'icmp (*)\n80/tcp (site)\n8500/udp (*)\n',
    );
  });
});

describe('storage', () => {
  test('is listed once attached, or while its own hook runs', () => {
    our.model.store.run(
      `INSERT INTO storage
         (id, name, kind, application, unit, location, size_mib, attached, created)
       VALUES ('data/0', 'data', 'filesystem', 'web', 'web/0', '/s/0', 1, 1, 0),
              ('data/1', 'data', 'filesystem', 'web', 'web/0', '/s/1', 1, 0, 0)`,
    );
    assert.equal(out(our.model.session(), 'storage-list', 'data'), 'data/0\n');
    const hook: HookInfo = { kind: 'storage-attached', name: 'data-storage-attached' };
    const attaching = our.model.session({ hook: { ...hook, storageId: 'data/1' } });
    assert.equal(out(attaching, 'storage-list'), 'data/0\ndata/1\n');
    assert.equal(out(attaching, 'storage-get', 'location'), '/s/1\n');
    assert.equal(
      out(attaching, 'storage-get', '-s', 'data/0', '--format=json'),
      '{"kind":"filesystem","location":"/s/0"}\n',
    );
    assert.equal(
      run(attaching, 'storage-get', 'size').stderr,
      'ERROR invalid storage attribute "size"\n',
    );
  });

  test('is added only by a hook that succeeds', () => {
    const session = our.model.session();
    out(session, 'storage-add', 'data=2');
    assert.deepEqual(our.model.logged, []);
    commit(our.model, session);
    assert.deepEqual(our.model.logged, ['storage web/0 data 2']);
  });
});
