/**
 * Who gets into a database beside its clients: users of a directory, both of them real, and users
 * made by SQL, with what an operator opens. All tests share one deployment; each goes on where the
 * last one ended.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { charmArchive } from '../support/build.ts';
import { startDeployment } from '../support/deployment.ts';
import { type Access, accessOf, query } from '../support/sql.ts';

const run = promisify(execFile);

describe('a directory', async () => {
  const model = await startDeployment({ model: { 'update-status-hook-interval': '10s' } });
  after(() => model.end());
  const passwords: Record<string, string> = {};

  const act = async (words: string[]) => {
    const [action = '', ...params] = words;
    const answers = await model.json<Record<string, { status: string; results?: Results }>>([
      ...['run', 'directory/0', action],
      ...params,
    ]);
    const answer = answers['directory/0'];
    assert.equal(answer?.status, 'completed', JSON.stringify(answers));
    return answer.results ?? {};
  };
  const addUser = async (name: string) => {
    passwords[name] = (await act(['add-user', `name=${name}`]))['password'] ?? '';
    assert.notEqual(passwords[name], '');
  };
  const unit = () => join(model.root, 'agents', 'unit-postgresql-0', 'pg');
  const psql = async (text: string) =>
    (await run(join(unit(), 'bin/psql'), ['-Atqc', text])).stdout.trim();
  /** Straight to PostgreSQL, as somebody of the directory. */
  const as = async (name: string, change: Partial<Access> = {}): Promise<Access> => {
    const access = await accessOf(model);
    const [endpoint = ''] = access.endpoints;
    const own = { username: name, password: passwords[name] ?? '' };
    return { ...access, ...own, endpoints: [endpoint.replace(':6432', ':5432')], ...change };
  };
  const whoami = async (access: Access) =>
    (await query<{ who: string }>(access, 'SELECT current_user AS who'))[0]?.who;
  const roleOf = (name: string) =>
    psql(`SELECT rolcanlogin FROM pg_roles WHERE rolname = '${name}'`);
  const message = async () =>
    (await model.units('postgresql'))['postgresql/0']?.['workload-status'].message ?? '';
  const saysSo = (what: string, pattern: RegExp) =>
    model.until(what, async () => (pattern.test(await message()) ? true : undefined));
  /** How a login ends that is to be refused: with these words, once what refuses it is in force. */
  const refused = (what: string, access: Access, words: RegExp) =>
    model.until(what, () =>
      whoami(access).then(
        () => undefined,
        (error: Error) => (words.test(error.message) ? true : undefined),
      ),
    );
  /** What the agent is told anew it does at once. */
  const map = (text: string) => model.pgcharm(['config', 'postgresql', `ldap-map=${text}`]);

  test('is made, and its users are the roles of the database', async () => {
    await model.pgcharm(['deploy', charmArchive('directory')]);
    await model.pgcharm(['deploy', charmArchive('postgresql'), '--config', 'profile=testing']);
    const options = ['--config', 'database-name=shop'];
    await model.pgcharm(['deploy', charmArchive('data-integrator'), ...options]);
    await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
    await model.active(['directory']);
    for (const name of ['alice', 'bob', 'carol']) await addUser(name);
    await act(['add-group', 'name=inner', 'members=alice']);
    await act(['add-group', 'name=analysts', 'members=bob,@inner']);
    await model.active(['postgresql', 'data-integrator']);
    await psql('CREATE ROLE reporting; GRANT CONNECT ON DATABASE shop TO reporting');
    await map('analysts=reporting');
    await model.pgcharm('integrate postgresql:ldap directory:ldap');
    await model.until('a role for carol', async () =>
      (await roleOf('carol')) === 't' ? true : undefined,
    );
    const members = `SELECT string_agg(member::regrole::text, ',' ORDER BY 1)
      FROM pg_auth_members WHERE roleid = 'reporting'::regrole`;
    // Roles and all that they have come in one transaction.
    assert.equal(await psql(members), 'alice,bob');
    await model.active(['postgresql', 'directory']);
  });

  test('lets them in with their passwords, past the pooler, and nobody else', async () => {
    // The roles come from the agent, the access rules by way of Patroni.
    const alice = await as('alice');
    const who = await model.until('alice let in', () => whoami(alice).catch(() => undefined));
    assert.equal(who, 'alice');
    await assert.rejects(whoami(await as('alice', { password: 'wrong' })), /LDAP authentication/);
    await assert.rejects(whoami(await as('alice', { password: '' })));
    await assert.rejects(whoami(await as('mallory')), /pg_hba|authentication/);
    // Whom no group gives the right to connect.
    await assert.rejects(whoami(await as('carol')), /permission denied/);
    const pooled = (await accessOf(model)).endpoints;
    await assert.rejects(whoami(await as('alice', { endpoints: pooled })));
    await saysSo('the port told', /directory users connect to port 5432/);
  });

  test('keeps its password in files of one user, and nowhere else', async () => {
    const wish = JSON.parse(await readFile(join(unit(), 'desired.json'), 'utf8'));
    const { password } = wish.directory;
    const hba = `${wish.paths.dataDir}/pg_hba.conf`;
    assert.match(await readFile(hba, 'utf8'), new RegExp(password));
    for (const path of [hba, join(unit(), 'desired.json'), join(unit(), 'etc/patroni.yaml')]) {
      assert.equal((await stat(path)).mode & 0o077, 0, path);
    }
    const texts: Record<string, string> = {
      'the log': (await model.pgcharm('debug-log --replay --no-tail')).stdout,
      'a process': await processes(),
    };
    for (const name of ['patroni', 'agent']) {
      texts[name] = await readFile(join(unit(), 'log', name, 'current'), 'utf8');
    }
    for (const secret of [password, ...Object.values(passwords)]) {
      const shown = Object.entries(texts).filter(([, text]) => text.includes(secret));
      assert.deepEqual(
        shown.map(([where]) => where),
        [],
      );
    }
  });

  test('takes roles back with membership, and locks who owns something', async () => {
    await psql('GRANT CREATE ON DATABASE shop TO reporting');
    await query(await as('bob'), 'CREATE SCHEMA mine AUTHORIZATION bob');
    await act(['remove-user', 'name=bob']);
    await act(['remove-user', 'name=carol']);
    await act(['remove-group', 'name=inner', 'members=alice']);
    await map('analysts=reporting,');
    await map('analysts=reporting');
    // It looks by itself as well, perhaps between two of these changes.
    await model.until('carol gone, bob locked, alice without the role', async () => {
      const member = await psql(`SELECT pg_has_role('alice', 'reporting', 'member')`);
      const found = [await roleOf('carol'), await roleOf('bob'), member];
      return found.join() === ',f,f' ? true : undefined;
    });
    await assert.rejects(whoami(await as('bob')), /authentication|not permitted/);
  });

  test('a role of the map that is missing blocks with its name until it is there', async () => {
    await map('analysts=reporting,inner=auditors');
    await saysSo('the missing role told', /auditors, which does not exist/);
    await psql('CREATE ROLE auditors');
    await map('inner=auditors');
    await model.active(['postgresql']);
  });

  test('that moves to StartTLS is followed', async () => {
    await model.pgcharm(['config', 'directory', 'transport=starttls']);
    const answer = await model.until('alice let in again', async () =>
      (await readFile(join(unit(), 'etc/patroni.yaml'), 'utf8')).includes('ldaptls=1')
        ? whoami(await as('alice', { database: 'postgres' })).catch(() => undefined)
        : undefined,
    );
    assert.equal(answer, 'alice');
    await model.active(['postgresql', 'directory']);
  });

  test('that is down takes nobody away, and is told until it is back', async () => {
    // A server that was only stopped would be started again by the next hook of its unit.
    await model.pgcharm('power-off directory/0');
    await map('analysts=reporting');
    await saysSo('the directory missed', /cannot reach the directory/);
    assert.equal(await roleOf('alice'), 't');
    await model.pgcharm('power-on directory/0');
    await model.active(['postgresql', 'directory']);
    assert.equal(await whoami(await as('alice', { database: 'postgres' })), 'alice');
  });

  test('that is gone lets nobody in, and their roles stay', async () => {
    await model.pgcharm('remove-relation postgresql directory');
    await model.until('alice kept out', async () =>
      whoami(await as('alice', { database: 'postgres' })).then(
        () => undefined,
        () => true as const,
      ),
    );
    assert.equal(await roleOf('alice'), 't');
    await model.active(['postgresql', 'directory']);
  });

  test('a user made by SQL comes in both ways, to the databases that they may enter', async () => {
    await psql("CREATE ROLE dave LOGIN PASSWORD 'of-dave'");
    await psql('CREATE DATABASE his OWNER dave');
    await psql('REVOKE CONNECT ON DATABASE his FROM PUBLIC');
    passwords['dave'] = 'of-dave';
    const dave = await as('dave', { database: 'his' });
    const direct = await model.until('dave let in', () => whoami(dave).catch(() => undefined));
    assert.equal(direct, 'dave');
    const pooled = { ...dave, endpoints: (await accessOf(model)).endpoints };
    assert.equal(
      await model.until('dave let in by the pooler', () => whoami(pooled).catch(() => undefined)),
      'dave',
    );
    await assert.rejects(whoami({ ...dave, database: 'shop' }), /no pg_hba.conf entry/);
  });

  test('PostgreSQL loads the entries of an operator; a bad one changes nothing', async () => {
    const entries = [
      'host all dave 0.0.0.0/0 reject',
      'hostssl "a b","c""d",his +reporting,alice fd00::/8 scram-sha-256',
      'hostnossl all all 203.0.113.7 reject',
    ].join('\n');
    await model.pgcharm(['config', 'postgresql', `access-hba-entries=${entries}`]);
    const dave = await as('dave', { database: 'his' });
    await refused('dave refused', dave, /rejects connection/);
    const faults = "error IS NOT NULL AND error NOT LIKE 'hostssl record cannot match%'";
    assert.equal(await psql(`SELECT count(*) FROM pg_hba_file_rules WHERE ${faults}`), '0');
    const pooled = { ...dave, endpoints: (await accessOf(model)).endpoints };
    // The pooler has rules of its own, and may still hold a connection of before.
    await refused('dave refused by the pooler', pooled, /./);
    const bad = 'host all all 0.0.0.0/0 trust';
    await model.pgcharm(['config', 'postgresql', `access-hba-entries=${bad}`]);
    await model.until('the bad line told', async () =>
      (await message()).includes(bad) ? true : undefined,
    );
    await assert.rejects(whoami(dave), /rejects connection/);
    await model.pgcharm(['config', 'postgresql', '--reset', 'access-hba-entries']);
    await model.until('dave let in again', () => whoami(dave).catch(() => undefined));
    await model.active(['postgresql']);
  });
});

type Results = Record<string, string>;

/** Arguments and environment of every process that may be looked at. */
async function processes(): Promise<string> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const read = (path: string) => readFile(path, 'utf8').catch(() => '');
  const texts = ids.flatMap((id) => [read(`/proc/${id}/cmdline`), read(`/proc/${id}/environ`)]);
  return (await Promise.all(texts)).join('\n');
}
