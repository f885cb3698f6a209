/** A service's logger as runsv starts it: what is to be concealed does not reach the disk. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { logScript, runitServices } from '../../../lib/machine/services.ts';
import { serviceSpec } from '../../../src/charm/decide/services.ts';
import { missing } from '../../support/programs.ts';
import { UnitWorld } from '../../support/world.ts';

const skip = missing('svlogd');

describe('a service whose log conceals something', async () => {
  const place = await mkdtemp(join(tmpdir(), 'log-'));
  after(() => rm(place, { recursive: true, force: true }));

  test('writes every line, and stars for what nobody shall read', { skip }, async () => {
    const conceal = serviceSpec('patroni', new UnitWorld().snapshot())?.conceal;
    const log = join(place, 'log');
    await mkdir(log);
    await writeFile(join(place, 'run'), logScript(log, conceal), { mode: 0o755 });
    const logger = spawn('./run', { cwd: place, stdio: ['pipe', 'ignore', 'inherit'] });
    const rule = 'ldapbinddn="cn=x" ldapbindpasswd="a""b, c\\" ldapsearchfilter="(uid=$username)"';
    logger.stdin.end(`db="db\n line 3: "host all +identity_access ${rule}"\nafter\n`);
    await once(logger, 'exit');
    const written = await readFile(join(log, 'current'), 'utf8');
    const lines = written
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(line.indexOf(' ') + 1));
    assert.deepEqual(lines, [
      'db="db',
      ` line 3: "host all +identity_access ${rule.replace(/ldapbindpasswd=.* /, '*** ')}"`,
      'after',
    ]);
  });

  test('conceals it also where the service was defined by an older revision', async () => {
    const services = runitServices({ directory: join(place, 'service'), logs: place, label: 'x' });
    const logger = () => readFile(join(place, 'service', 'db', 'log', 'run'), 'utf8');
    await services.define('db', { command: ['/bin/true'], env: {} });
    assert.equal(await logger(), logScript(join(place, 'db')));
    await services.define('db', { command: ['/bin/true'], env: {}, conceal: 'secret' });
    assert.equal(await logger(), logScript(join(place, 'db'), 'secret'));
  });

  test('is plain where nothing is to be concealed', () => {
    assert.equal(logScript('/log/x'), '#!/bin/sh\nexec svlogd -tt /log/x\n');
  });
});
