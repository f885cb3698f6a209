/** What the CLI prints: status tables, Go's JSON and times, shell words, what wait waits for. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { goJson } from '../../../src/cli/go-json.ts';
import { LiveLines } from '../../../src/cli/live-lines.ts';
import { shellWords } from '../../../src/cli/shell-words.ts';
import { statusText } from '../../../src/cli/status-text.ts';
import { columns } from '../../../src/cli/table.ts';
import { goTime } from '../../../src/cli/times.ts';
import {
  blocks,
  failures,
  lasting,
  progress,
  stuck,
  unknownTargets,
} from '../../../src/cli/waiting.ts';
import { anApplication, anOutput, aStatus, aUnit } from './surface.ts';

describe('status as text', () => {
  const document = aStatus({
    web: anApplication({
      version: '1.2',
      'application-status': { current: 'active', message: 'fine' },
      units: {
        'web/0': { ...aUnit('active', 'fine'), leader: true, 'open-ports': ['80/tcp', '443/tcp'] },
        'web/1': { ...aUnit('waiting', 'for a friend', 'executing'), machine: '1' },
      },
    }),
  });

  test('has the tables of Juju, with a star for the leader', () => {
    const text = statusText({ document, relations: [] }, { relations: false, storage: false });
    assert.equal(
      text,
      [
        'Model  Controller  Cloud/Region  Version  Timestamp',
        'test   pgcharm     localhost     4.0.15   12:04:55Z',
        '',
        'App  Version  Status  Scale  Charm  Channel  Rev  Exposed  Message',
        'web  1.2      active      2  web               0  no       fine',
        '',
        'Unit    Workload  Agent      Machine  Public address  Ports           Message',
        'web/0*  active    idle       0        127.0.0.1       80/tcp,443/tcp  fine',
        'web/1   waiting   executing  1        127.0.0.1                       for a friend',
        '',
      ].join('\n'),
    );
  });

  test('shows relations and storage when asked', () => {
    const relation = {
      id: 0,
      provider: 'pg:db',
      requirer: 'web:db',
      interface: 'sql',
      type: 'regular' as const,
      message: '',
    };
    const text = statusText(
      { document, relations: [relation] },
      { relations: true, storage: true },
    );
    assert.match(text, /^pg:db +web:db +sql +regular$/m);
    assert.doesNotMatch(text, /Storage Unit/);
  });
});

describe('tables', () => {
  test('no line ends in a blank, whatever the cells', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.string())), (rows) => {
        const lines = columns(['A', 'B'], rows).split('\n');
        assert.ok(lines.every((line) => line === line.trimEnd()));
      }),
    );
  });
});

describe('what jubilant and shells read', () => {
  test('JSON is one line, without what HTML would misread', () => {
    assert.equal(goJson({ b: '<&>\u2028', a: 1 }), '{"b":"\\u003c\\u0026\\u003e\\u2028","a":1}');
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.deepEqual(JSON.parse(goJson(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('words survive a shell', () => {
    const words = ['a b', "it's", '$HOME', '', '*', '--x=1', 'ä"`\\', 'new\nline'];
    const script = `for word in ${shellWords(words)}; do printf '%s\\0' "$word"; done`;
    const seen = execFileSync('sh', ['-c', script], { encoding: 'utf8' });
    assert.deepEqual(seen.split('\0').slice(0, -1), words);
  });

  test('times are Go’s', () => {
    const text = goTime(Date.UTC(2026, 0, 2, 3, 4, 5));
    assert.match(text, /^2026-01-0\d \d\d:\d\d:05 [+-]\d{4} ([A-Z]{2,5}|[+-]\d{4})$/);
  });
});

describe('wait', () => {
  const lines = (status: string, message: string, agent = 'idle', app = status) =>
    progress(
      aStatus({
        web: anApplication({
          'application-status': { current: app },
          units: { 'web/0': aUnit(status, message, agent) },
        }),
      }),
      [],
      'active',
    );

  test('active means the workload, its agent at rest, and the application', () => {
    assert.deepEqual(
      lines('active', 'ok').map(({ reached }) => reached),
      [true],
    );
    assert.deepEqual(
      lines('active', 'ok', 'executing').map(({ reached }) => reached),
      [false],
    );
    assert.deepEqual(
      lines('waiting', 'no').map(({ reached }) => reached),
      [false],
    );
    const held = lines('active', 'ok', 'idle', 'blocked');
    assert.deepEqual(
      held.map(({ name, reached }) => [name, reached]),
      [
        ['web/0', true],
        ['web', false],
      ],
    );
  });

  test('an application without units has nothing to wait for', () => {
    const document = aStatus({ web: anApplication({ units: {} }) });
    assert.deepEqual(progress(document, [], 'active'), []);
  });

  test('removed means that nothing of it is left', () => {
    const document = aStatus({ web: anApplication({ units: { 'web/0': aUnit('active', '') } }) });
    assert.equal(progress(document, ['web'], 'removed').length, 2);
    assert.equal(progress(document, ['web/1'], 'removed').length, 0);
    assert.equal(progress(aStatus({}), ['web'], 'removed').length, 0);
  });

  test('a failing hook counts on through its retries, and ends with a unit at rest', () => {
    const hook = 'hook failed: "start"';
    const seen = (status: string, message: string, agent: string, at: number) => {
      const now = lines(status, message, agent);
      found = failures(found, now, at);
      return lasting(found, now, at - 60).map(({ name }) => name);
    };
    let found: ReturnType<typeof failures> = new Map();
    assert.deepEqual(seen('error', hook, 'idle', 0), []);
    assert.deepEqual(seen('waiting', 'trying', 'executing', 60), []);
    assert.deepEqual(seen('error', hook, 'idle', 70), ['web/0']);
    assert.deepEqual(seen('error', 'hook failed: "stop"', 'idle', 80), []);
    assert.deepEqual(seen('active', '', 'idle', 90), []);
    assert.deepEqual(seen('error', 'hook failed: "stop"', 'idle', 145), []);
  });

  test('a block counts while it says the same, and only when nothing else is on its way', () => {
    const seen = (units: Record<string, [status: string, message: string]>, at: number) => {
      const entries = Object.entries(units).map(([name, [status, message]]) => {
        return [name, aUnit(status, message)] as const;
      });
      const web = anApplication({ units: Object.fromEntries(entries) });
      const now = progress(aStatus({ web }), [], 'active');
      found = blocks(found, now, at);
      return stuck(found, now, at - 60).map(({ name }) => name);
    };
    let found: ReturnType<typeof blocks> = new Map();
    const one: [string, string] = ['blocked', 'no key'];
    assert.deepEqual(seen({ 'web/0': one }, 0), []);
    assert.deepEqual(seen({ 'web/0': one }, 59), []);
    assert.deepEqual(seen({ 'web/0': one }, 60), ['web/0']);
    assert.deepEqual(seen({ 'web/0': one, 'web/1': ['maintenance', 'cloning'] }, 70), []);
    assert.deepEqual(seen({ 'web/0': one, 'web/1': ['blocked', 'me too'] }, 80), []);
    assert.deepEqual(seen({ 'web/0': one, 'web/1': ['active', ''] }, 90), ['web/0']);
    assert.deepEqual(seen({ 'web/0': ['blocked', 'a wrong key'] }, 100), []);
    assert.deepEqual(seen({ 'web/0': ['waiting', ''] }, 150), []);
    assert.deepEqual(seen({ 'web/0': ['blocked', 'a wrong key'] }, 165), []);
    assert.deepEqual(seen({ 'web/0': ['active', ''] }, 300), []);
  });

  test('names what is not there', () => {
    const document = aStatus({ web: anApplication({ units: { 'web/0': aUnit('active', '') } }) });
    assert.deepEqual(unknownTargets(document, ['web', 'web/0', 'web/1', 'pg']), ['web/1', 'pg']);
  });
});

describe('progress', () => {
  const line = (text: string, state = text) => ({ name: 'web/0', text, state });

  test('off a terminal each line comes once, until it says something else', () => {
    const out = anOutput();
    const live = new LiveLines(out);
    live.show([line('1s waiting', 'waiting')]);
    live.show([line('2s waiting', 'waiting')]);
    live.show([line('3s active', 'active')]);
    assert.equal(out.stderr(), '1s waiting\n3s active\n');
  });

  test('on a terminal lines are redrawn in place and never wrap', () => {
    const out = { ...anOutput(), liveProgress: true, columns: 30 };
    const live = new LiveLines(out);
    live.show([line('x'.repeat(80))]);
    live.show([line('y')]);
    assert.ok(out.stderr().includes('\x1b[1A'));
    assert.ok(!out.stderr().includes('x'.repeat(30)));
  });
});
