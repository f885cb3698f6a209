/** Secrets from making to removing: owners, consumers, revisions, labels, grants. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, test } from 'node:test';
import { CommitRefused } from '../../src/controller/tools/apply-changes.ts';
import { commit, modelPerTest, NOW, out, run } from '../support/contract-model.ts';

const our = modelPerTest();

/** Runs tools in one successful hook. @returns standard output of the last */
function hook(unit: string, ...commands: string[][]): string {
  const session = our.model.session({ unit });
  let last = '';
  for (const words of commands) last = out(session, ...words);
  commit(our.model, session);
  return last.trim();
}

function refusal(unit: string, ...words: string[]): string {
  return run(our.model.session({ unit }), ...words).stderr;
}

const get = (unit: string, id: string, ...more: string[]) =>
  hook(unit, ['secret-get', id, ...more, '--format=json']);

function revisions(id: string): { revision: number; obsolete: number }[] {
  return our.model.store.all(
    `SELECT revision, obsolete FROM secret_revision WHERE 'secret:' || secret_id = ?
     ORDER BY revision`,
    id,
  );
}

describe('an application secret', () => {
  let id: string;
  beforeEach(() => {
    id = hook('web/0', ['secret-add', '--label', 'main', 'token=one']);
  });

  test('has an id of 20 characters and can be read by every unit of the application', () => {
    assert.match(id, /^secret:[0-9a-v]{20}$/);
    assert.equal(get('web/0', id), '{"token":"one"}');
    assert.equal(get('web/1', id), '{"token":"one"}');
    assert.equal(
      hook('web/1', ['secret-get', '--label', 'main', '--format=json']),
      '{"token":"one"}',
    );
  });

  test('is changed by the leader only', () => {
    const leader = 'ERROR this unit is not the leader\n';
    assert.equal(refusal('web/1', 'secret-set', id, 'token=two'), leader);
    assert.equal(refusal('web/1', 'secret-remove', id), leader);
    assert.equal(refusal('web/1', 'secret-grant', id, '-r', '3'), leader);
    assert.match(refusal('web/1', 'secret-info-get', id), /not found/);
    assert.equal(hook('web/1', ['secret-ids', '--format=json']), 'null');
  });

  test('stays at the tracked revision until refreshed', () => {
    assert.equal(get('web/1', id), '{"token":"one"}');
    hook('web/0', ['secret-set', id, 'token=two']);
    assert.equal(get('web/1', id), '{"token":"one"}');
    assert.equal(get('web/1', id, '--peek'), '{"token":"two"}');
    assert.equal(get('web/1', id), '{"token":"one"}');
    assert.equal(get('web/1', id, '--refresh'), '{"token":"two"}');
    assert.equal(get('web/1', id), '{"token":"two"}');
  });

  test('what a reader tracks survives a hook that fails', () => {
    const session = our.model.session({ unit: 'web/1' });
    out(session, 'secret-get', id);
    session.discard();
    hook('web/0', ['secret-set', id, 'token=two']);
    assert.equal(get('web/1', id), '{"token":"one"}');
  });

  test('gets one revision for all changes of a hook, and none for equal content', () => {
    hook('web/0', ['secret-set', id, 'token=x'], ['secret-set', id, 'token=two']);
    assert.equal(revisions(id).length, 2);
    hook('web/0', ['secret-set', id, 'token=two'], ['secret-set', id, '--description', 'd']);
    assert.equal(revisions(id).length, 2);
    assert.equal(get('web/0', id, '--peek'), '{"token":"two"}');
  });

  test('an old revision is obsolete once nobody tracks it', () => {
    get('web/1', id);
    hook('web/0', ['secret-set', id, 'token=two']);
    assert.deepEqual(
      revisions(id).map(({ obsolete }) => obsolete),
      [0, 0],
    );
    get('web/1', id, '--refresh');
    assert.deepEqual(
      revisions(id).map(({ obsolete }) => obsolete),
      [1, 0],
    );
    hook('web/0', ['secret-remove', id, '--revision', '1']);
    assert.deepEqual(
      revisions(id).map(({ revision }) => revision),
      [2],
    );
  });

  test('goes with its last revision, or at once', () => {
    hook('web/0', ['secret-remove', id, '--revision', '1']);
    assert.match(refusal('web/0', 'secret-get', id), /not found/);
    const other = hook('web/0', ['secret-add', 'token=x']);
    hook('web/0', ['secret-remove', other]);
    assert.match(refusal('web/0', 'secret-get', other), /not found/);
  });

  test('is not kept for a hook that lost the lease', () => {
    const session = our.model.session();
    const lost = out(session, 'secret-add', 'token=x').trim();
    out(session, 'state-set', 'k=v');
    our.model.store.run(`UPDATE lease SET unit = 'web/1'`);
    assert.throws(() => commit(our.model, session), CommitRefused);
    assert.match(refusal('web/0', 'secret-get', lost), /not found/);
    assert.equal(out(our.model.session(), 'state-get', '--format=json'), '{}\n');
  });

  test('is described with what it has, and only that', () => {
    const bare = id.replace('secret:', '');
    assert.equal(
      hook('web/0', ['secret-info-get', id, '--format=json']),
      `{"${bare}":{"revision":1,"label":"main","owner":"application","rotation":"never"}}`,
    );
    hook(
      'web/0',
      [
        'secret-set',
        id,
        '--rotate',
        'daily',
        '--description',
        'd',
        '--expire',
        '2026-02-01T00:00:00Z',
      ],
      ['secret-grant', id, '-r', '3'],
    );
    assert.equal(
      hook('web/0', ['secret-info-get', '--label', 'main', '--format=json']),
      [
        `{"${bare}":{"revision":1,"label":"main","owner":"application","description":"d",`,
        '"rotation":"daily","expiry":"2026-02-01T00:00:00Z","rotates":"2026-01-03T03:04:05Z",',
        '"access":[{"target":"application-pg","scope":"relation-web.db#pg.database",',
        '"role":"view"}]}}',
      ].join(''),
    );
  });

  test('a hook sees its own pending changes as Juju shows them', () => {
    get('web/0', id);
    const session = our.model.session();
    out(session, 'secret-set', id, 'token=two', '--label', 'renamed');
    assert.equal(out(session, 'secret-get', id, 'token'), 'one\n');
    assert.equal(out(session, 'secret-get', id, 'token', '--peek'), 'two\n');
    assert.match(out(session, 'secret-info-get', id), /label: renamed/);
    assert.match(run(session, 'secret-get', '--label', 'main').stderr, /not found/);
    out(session, 'secret-get', id, '--refresh');
    commit(our.model, session);
    assert.equal(get('web/0', id), '{"token":"two"}');
    const next = our.model.session();
    out(next, 'secret-remove', id);
    assert.equal(out(next, 'secret-ids', '--format=json'), 'null\n');
    next.discard();
    assert.equal(hook('web/0', ['secret-ids']), id.replace('secret:', ''));
  });
});

describe('a grant', () => {
  let id: string;
  beforeEach(() => {
    id = hook('web/0', ['secret-add', 'token=one']);
  });
  const denied = 'ERROR permission denied\n';

  test('opens a secret to the related application and ends with the relation', () => {
    assert.equal(refusal('pg/0', 'secret-get', id), denied);
    hook('web/0', ['secret-grant', id, '-r', 'db:3'], ['secret-grant', id, '-r', 'db:3']);
    assert.equal(get('pg/0', id), '{"token":"one"}');
    assert.match(refusal('pg/0', 'secret-set', id, 'token=two'), /not found/);
    our.model.store.run('DELETE FROM relation WHERE id = 3');
    assert.equal(refusal('pg/0', 'secret-get', id), denied);
  });

  test('can be taken back by relation, application or unit', () => {
    for (const words of [
      ['-r', '3'],
      ['--app', 'pg'],
    ]) {
      hook('web/0', ['secret-grant', id, '-r', '3']);
      hook('web/0', ['secret-revoke', id, ...words]);
      assert.equal(refusal('pg/0', 'secret-get', id), denied);
    }
    hook('web/0', ['secret-grant', id, '-r', '3', '--unit', 'pg/0']);
    assert.equal(get('pg/0', id), '{"token":"one"}');
    assert.match(refusal('web/0', 'secret-grant', id, '-r', '3'), /unit level grants need to be/);
    hook('web/0', ['secret-revoke', id, '--unit', 'pg/0']);
    assert.equal(refusal('pg/0', 'secret-get', id), denied);
  });

  test('lets the consumer name the secret for itself', () => {
    hook('web/0', ['secret-grant', id, '-r', '3']);
    hook('pg/0', ['secret-get', id, '--label', 'mine']);
    assert.equal(
      hook('pg/0', ['secret-get', '--label', 'mine', '--format=json']),
      '{"token":"one"}',
    );
    assert.match(refusal('web/1', 'secret-get', '--label', 'mine'), /not found/);
  });
});

describe('a unit secret', () => {
  test('belongs to its unit: no leader needed, and the other units may not read it', () => {
    const id = hook('web/1', ['secret-add', '--owner', 'unit', '--label', 'l', 'token=x']);
    hook('web/1', ['secret-set', id, 'token=y']);
    assert.equal(get('web/1', id, '--peek'), '{"token":"y"}');
    assert.equal(refusal('web/0', 'secret-get', id), 'ERROR permission denied\n');
    // The same label may be used by another owner.
    hook('web/0', ['secret-add', '--owner', 'unit', '--label', 'l', 'token=z']);
    assert.match(hook('web/1', ['secret-info-get', id]), /owner: unit/);
  });
});

describe('content', () => {
  test('comes from words, base64 and files', () => {
    writeFileSync(join(our.model.dir, 'one'), 'line\n');
    writeFileSync(join(our.model.dir, 'all.yaml'), 'from-file: "yes"\nraw#base64: AA==\n');
    const session = our.model.session();
    const args = ['--file', 'all.yaml', 'token=a=b', 'bin#base64=/w==', 'text#file=one'];
    const { stdout, code } = session.run({ tool: 'secret-add', args, dir: our.model.dir });
    assert.equal(code, 0);
    commit(our.model, session);
    const id = stdout.trim();
    assert.equal(hook('web/0', ['secret-get', id, 'bin#base64']), '/w==');
    assert.equal(hook('web/0', ['secret-get', id, 'raw#base64']), 'AA==');
    assert.equal(
      out(our.model.session(), 'secret-get', id, 'text', '--format=json'),
      '"line\\n"\n',
    );
    assert.equal(hook('web/0', ['secret-get', id, 'from-file']), '"yes"');
    assert.equal(hook('web/0', ['secret-get', id, 'token']), 'a=b');
    assert.match(refusal('web/0', 'secret-get', id, 'nope'), /"nope" not found/);
  });

  test('is refused when too large, badly named or not base64, without being shown', () => {
    const large = 'x'.repeat(800_000);
    for (const word of [`token=${large}`, 'Token=hunter2', 'token#base64=hunter2!']) {
      const { code, stderr } = run(our.model.session(), 'secret-add', word);
      assert.equal(code, 1);
      assert.doesNotMatch(stderr, /hunter2|xxx/);
    }
  });

  test('expires after a duration', () => {
    const id = hook('web/0', ['secret-add', '--expire', '24h', 'token=x']);
    const row = our.model.store.get<{ expires: number }>('SELECT expires FROM secret_revision');
    assert.equal(row?.expires, NOW + 86_400_000);
    assert.match(hook('web/0', ['secret-info-get', id]), /expiry: 2026-01-03T03:04:05Z/);
  });
});
