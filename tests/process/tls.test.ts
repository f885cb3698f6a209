/**
 * TLS around a cluster of one, as its operator and its clients see it: brought by an authority
 * under writing clients, checked by psql, rotated with its authority, revoked, and given up again.
 * All tests share one deployment; each goes on where the last one ended.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import pg from 'pg';
import { systemRandom } from '../../lib/std/random.ts';
import { createAuthority, issueCertificate } from '../../lib/x509/authority.ts';
import { startWriters, type Writers } from '../../src/chaos/writers.ts';
import { charmArchive } from '../support/build.ts';
import { startDeployment } from '../support/deployment.ts';
import { leaksBelow, secretsOf } from '../support/leaks.ts';
import { type Access, accessOf, connect, query } from '../support/sql.ts';

interface Answer {
  status: string;
  results?: Record<string, string>;
}

describe('tls', async () => {
  const model = await startDeployment();
  const given: { access?: Access; direct?: pg.Client; plain?: Writers; secure?: Writers } = {};
  const before: Record<string, string> = {};
  after(async () => {
    given.plain?.abandon();
    given.secure?.abandon();
    await given.direct?.end().catch(() => undefined);
    await model.end();
  });

  const access = (): Access => {
    assert.ok(given.access !== undefined, 'there are no credentials');
    return given.access;
  };
  const host = () => access().endpoints[0]?.split(':')[0] ?? '';
  const run = async (unit: string, words: string): Promise<Record<string, string>> => {
    const answers = await model.json<Record<string, Answer>>(`run ${unit} ${words} --wait 100s`);
    assert.equal(answers[unit]?.status, 'completed', JSON.stringify(answers));
    return answers[unit]?.results ?? {};
  };
  const roots = async (): Promise<string[]> => {
    const { 'ca-certificate': text = '' } = await run('ca/0', 'get-ca-certificate');
    return text.split(/(?<=-----END CERTIFICATE-----)\s*/).filter((pem) => pem !== '');
  };
  /** What the client has been told of TLS. */
  const told = async () => {
    const answers = await model.json<
      Record<string, { results: { postgresql: Answer['results'] } }>
    >('run data-integrator/0 get-credentials --wait 100s');
    const { tls = '', 'tls-ca': ca = '' } = answers['data-integrator/0']?.results.postgresql ?? {};
    return { tls, ca };
  };
  /** @returns what psql prints; throws with its error */
  const psql = async (port: number, mode: string, ca = 'none'): Promise<string> => {
    const file = join(model.root, 'trusted.pem');
    await writeFile(file, ca);
    const { database, username, password } = access();
    const words = `host=${host()} port=${port} dbname=${database} user=${username}`;
    const verify = mode === 'disable' ? '' : ` sslrootcert=${file}`;
    const options = { env: { ...process.env, PGPASSWORD: password } };
    const args = [`${words} sslmode=${mode}${verify}`, '-Atc', 'SELECT 1'];
    const { stdout } = await promisify(execFile)('psql', args, options);
    return stdout.trim();
  };
  const refused = (attempt: () => Promise<unknown>, reason: RegExp) =>
    model.until(`a refusal: ${reason}`, () =>
      attempt().then(
        () => undefined,
        (error: Error) => (reason.test(error.message) ? true : undefined),
      ),
    );
  /** Fingerprint of what Patroni shows, to somebody who trusts these only. */
  const shownByPatroni = (ca: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connectTls({ host: host(), port: 8008, ca }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.once('error', reject);
    });
  const processes = async (): Promise<Record<string, string>> => {
    const [row] = await query(
      access(),
      'SELECT pg_postmaster_start_time()::text AS started',
      [],
    ).catch(() => [{ started: '' }]);
    const pids = ['patroni', 'pgbouncer', 'agent'].map(async (name) => {
      const place = `agents/unit-postgresql-0/pg/service/${name}/supervise/pid`;
      return [name, (await readFile(join(model.root, place), 'utf8')).trim()];
    });
    return { ...Object.fromEntries(await Promise.all(pids)), started: String(row?.['started']) };
  };

  test('a plain cluster has plain writers, through the pooler and past it', async () => {
    const options = ['--config', 'profile=testing', '--config', 'pooler-mode=transaction'];
    await model.pgcharm(['deploy', charmArchive('postgresql'), ...options]);
    await model.pgcharm(['deploy', charmArchive('certificate-authority'), 'ca']);
    const name = ['--config', 'database-name=shop'];
    await model.pgcharm(['deploy', charmArchive('data-integrator'), ...name]);
    await model.pgcharm('integrate postgresql:database data-integrator:postgresql');
    await model.active(['postgresql', 'ca', 'data-integrator']);
    given.access = await accessOf(model);
    given.plain = await startWriters([given.access.uris], 2);
    given.direct = await connect(given.access, `${host()}:5432`);
    assert.deepEqual(await told(), { tls: 'False', ca: '' });
    Object.assign(before, await processes());
  });

  test('related to an authority, it serves verified TLS and refuses everything else', async () => {
    await model.pgcharm('integrate postgresql:client-certificates ca:certificates');
    await model.pgcharm('integrate postgresql:peer-certificates ca:certificates');
    const { ca } = await model.until('TLS is told', async () => {
      const said = await told();
      return said.tls === 'True' ? said : undefined;
    });
    assert.deepEqual(await roots(), [ca.trim()]);
    for (const port of [5432, 6432]) {
      const answer = await model.until('verified TLS', () =>
        psql(port, 'verify-full', ca).catch(() => undefined),
      );
      assert.equal(answer, '1');
    }
    // To serve TLS and to refuse all else may come one after the other.
    await refused(
      () => psql(5432, 'disable'),
      /no pg_hba\.conf entry for host ".*", user ".*", database "shop", no encryption/,
    );
    await refused(() => psql(6432, 'disable'), /SSL required/);
    // Its certificate comes by another relation, in its own time.
    await model.until('Patroni with its certificate', () =>
      shownByPatroni(ca).catch(() => undefined),
    );
    await model.active(['postgresql', 'ca', 'data-integrator']);
    const file = join(model.root, 'first.pem');
    await writeFile(file, ca);
    const uri = `${access().uris}?sslmode=verify-full&sslrootcert=${file}`;
    given.secure = await startWriters([uri], 2);
  });

  test('another root is followed; in between both are trusted', async () => {
    const [old = ''] = await roots();
    const shown = await shownByPatroni(old);
    await run('ca/0', 'rotate-ca');
    const [present = ''] = await roots();
    const both = await model.until('both roots told, and the new one in use', async () => {
      const { ca } = await told();
      for (const port of [5432, 6432]) {
        const verified = await psql(port, 'verify-full', present).catch(() => undefined);
        if (verified !== '1') return undefined;
      }
      return ca.includes(present) ? ca : undefined;
    });
    for (const port of [5432, 6432]) {
      for (const ca of [old, present, both]) assert.equal(await psql(port, 'verify-full', ca), '1');
    }
    await model.until('Patroni with another certificate', async () => {
      const now = await shownByPatroni(present).catch(() => shown);
      return now === shown ? undefined : now;
    });
    await run('ca/0', 'retire-previous-ca');
    await model.until('the old root is trusted no more', async () => {
      const gone = await psql(5432, 'verify-full', old).then(
        () => false,
        (error: Error) => /certificate verify failed/.test(error.message),
      );
      return gone && (await told()).ca.trim() === present ? true : undefined;
    });
    for (const port of [5432, 6432]) assert.equal(await psql(port, 'verify-full', present), '1');
  });

  test('a revoked certificate is replaced by one for another key', async () => {
    const serials = async () => (await run('ca/0', 'list-certificates'))['certificates'] ?? '';
    const old = await serials();
    assert.equal(old.split('\n').length, 2);
    await run('ca/0', 'revoke unit=postgresql/0');
    const renewed = await model.until('two others', async () => {
      const now = await serials();
      const lines = now.split('\n');
      const fresh = lines.every((line) => line.includes(', valid,') && !old.includes(line));
      return lines.length === 2 && fresh ? now : undefined;
    });
    assert.notEqual(renewed, old);
    await model.active(['postgresql', 'ca', 'data-integrator']);
    assert.ok(given.secure !== undefined);
    const [present = ''] = await roots();
    await writeFile(join(model.root, 'first.pem'), present);
    const { errors, lost, acknowledged } = await given.secure.stop();
    assert.deepEqual({ errors, lost }, { errors: 0, lost: [] });
    assert.ok(acknowledged > 50);
  });

  test('the internal CA changes, too, and its old one is trusted no more', async () => {
    const trusted = () =>
      readFile(join(model.root, 'agents/unit-postgresql-0/pg/tls/ca.pem'), 'utf8');
    const old = await trusted();
    await run('postgresql/0', 'rotate-internal-ca');
    await model.until('another CA, alone', async () => {
      const text = await trusted();
      return text !== old && text.split('BEGIN CERTIFICATE').length === 2 ? true : undefined;
    });
    await model.active(['postgresql', 'ca', 'data-integrator']);
    const [root = ''] = await roots();
    assert.equal(await psql(6432, 'verify-full', root), '1');
  });

  test('a client that offers a certificate is asked for it; the others are not', async () => {
    const validity = { days: 2, random: systemRandom };
    const [own, stranger] = await Promise.all(
      ['own', 'stranger'].map(async (name) => {
        const authority = await createAuthority(name, validity);
        const client = await issueCertificate(
          authority,
          { member: `${name} client`, addresses: [] },
          validity,
        );
        return { ca: authority.certificate, cert: client.certificate, key: client.key };
      }),
    );
    assert.ok(own !== undefined && stranger !== undefined);
    const offer = (...pems: string[]) => `mtls-cert=${pems.join('\n')}`;
    const options = ['--config', 'database-name=vault', '--config', offer(own.cert, own.ca)];
    await model.pgcharm(['deploy', charmArchive('data-integrator'), 'guarded', ...options]);
    await model.pgcharm('integrate postgresql:database guarded:postgresql');
    await model.active(['guarded']);
    const guarded = await accessOf(model, 'guarded/0');
    assert.deepEqual(guarded.endpoints, [`${host()}:5432`]);
    const [root = ''] = await roots();
    const login = async (port: number, shown: { cert?: string; key?: string } = {}) => {
      const { database, username: user, password } = guarded;
      const ssl = { ca: root, cert: shown.cert, key: shown.key };
      const client = new pg.Client({ host: host(), port, database, user, password, ssl });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return (await client.query('SELECT current_database() AS name')).rows[0]?.name;
      } finally {
        await client.end().catch(() => undefined);
      }
    };
    const name = await model.until('a login', () => login(5432, own).catch(() => undefined));
    assert.equal(name, 'vault');
    await assert.rejects(login(5432), /connection requires a valid client certificate/);
    // The server says why and hangs up: who still sends may hear the second only.
    await assert.rejects(login(5432, stranger), /unknown ca|ECONNRESET|EPIPE/);
    await refused(() => login(5432, stranger), /unknown ca/);
    await assert.rejects(login(6432), /login rejected|no authentication method/i);
    assert.equal(await psql(5432, 'verify-full', root), '1');

    const known = await secretsOf(model);
    assert.ok(known.length > 6, 'passwords, keys of the unit and of authorities');
    assert.deepEqual(await leaksBelow(model.root, known), []);

    await model.pgcharm(['config', 'guarded', offer(stranger.cert)]);
    const said = await model.until('the reason why another cannot be used', async () => {
      const { message = '' } =
        (await model.units('postgresql'))['postgresql/0']?.['workload-status'] ?? {};
      return message.startsWith('guarded offers') ? message : undefined;
    });
    assert.match(said, /the CA that issued it is missing/);
    assert.equal(await login(5432, own), 'vault');
    await model.pgcharm('config guarded --reset mtls-cert');
    await model.until('the password alone', () => login(6432).catch(() => undefined));
    await model.active(['postgresql', 'guarded']);
    await model.until('the pooler told', async () =>
      (await accessOf(model, 'guarded/0')).endpoints[0]?.endsWith(':6432') ? true : undefined,
    );
  });

  test('given up, plain works again, and no connection was lost on the way', async () => {
    await model.pgcharm('remove-relation postgresql:client-certificates ca:certificates');
    await model.pgcharm('remove-relation postgresql:peer-certificates ca:certificates');
    await model.until('plain logins', () => psql(5432, 'disable').catch(() => undefined));
    await model.until('plain logins at the pooler', () =>
      psql(6432, 'disable').catch(() => undefined),
    );
    await model.until('no TLS told', async () => ((await told()).tls === 'False' ? 1 : undefined));
    await model.active(['postgresql', 'ca', 'data-integrator']);
    assert.ok(given.plain !== undefined && given.direct !== undefined);
    assert.equal((await given.direct.query('SELECT 1 AS one')).rows[0]?.one, 1);
    const { errors, lost, acknowledged } = await given.plain.stop();
    assert.deepEqual({ errors, lost }, { errors: 0, lost: [] });
    assert.ok(acknowledged > 100);
    assert.deepEqual(await processes(), before, 'nothing was restarted');
    await model.until('no secret of a private key', async () => {
      const secrets = await model.json<Record<string, { label?: string }>>('secrets');
      const labels = Object.values(secrets).map((secret) => secret.label ?? '');
      return labels.some((label) => label.includes('private-key')) ? undefined : true;
    });
  });
});
