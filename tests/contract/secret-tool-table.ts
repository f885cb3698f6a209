/** The rows of hook-tool-table.ts for secrets and actions. */
import type { SessionSpec } from '../../src/controller/tools/session.ts';
import type { Row } from './hook-tool-table.ts';

const minion: Partial<SessionSpec> = { unit: 'web/1' };
const action: Partial<SessionSpec> = { action: { taskId: 7 } };
const json = ['--format', 'json'];

export const secretRows: Record<string, Row[]> = {
  secrets: [
    { run: ['secret-ids', ...json], out: 'null\n' },
    { run: ['secret-add'], code: 2, err: 'ERROR missing secret value or filename\n' },
    { run: ['secret-add', 'token'], code: 2, err: 'ERROR key value "token" not valid\n' },
    { run: ['secret-add', 'to=x'], code: 1, err: 'ERROR key "to" not valid\n' },
    {
      run: ['secret-add', '--owner', 'me', 'token=x'],
      code: 2,
      err: 'ERROR secret owner "me" not valid\n',
    },
    {
      run: ['secret-add', '--rotate', 'often', 'token=x'],
      code: 2,
      err: 'ERROR rotate policy "often" not valid\n',
    },
    {
      run: ['secret-add', '--expire', 'soon', 'token=x'],
      code: 2,
      err: 'ERROR expire time or duration "soon" not valid\n',
    },
    {
      run: ['secret-add', 'token=x'],
      in: minion,
      code: 1,
      err: 'ERROR this unit is not the leader\n',
    },
    {
      run: [
        ['secret-add', '--label', 'l', 'token=x'],
        ['secret-add', '--label', 'l', 'token=y'],
      ],
      code: 1,
      err: 'ERROR secret with label "l" already exists\n',
    },
    {
      run: [
        ['secret-add', '--label', 'l', 'token=x'],
        ['secret-get', '--label', 'l', ...json],
      ],
      out: '{"token":"x"}\n',
    },
    // The first word is always the secret, also beside a label.
    {
      run: ['secret-get', '--label', 'l', 'token'],
      code: 2,
      err: 'ERROR secret URI "token" not valid\n',
    },
    { run: ['secret-get'], code: 2, err: 'ERROR require either a secret URI or label\n' },
    {
      run: ['secret-get', '--peek', '--refresh', '--label', 'l'],
      code: 2,
      err: 'ERROR specify one of --peek or --refresh but not both\n',
    },
    { run: ['secret-get', '--label', 'nope'], code: 1, err: /not found/ },
    {
      run: ['secret-get', 'secret:0123456789abcdefghij'],
      code: 1,
      err: 'ERROR secret "0123456789abcdefghij" not found\n',
    },
    { run: ['secret-get', 'x'], code: 2, err: 'ERROR secret URI "x" not valid\n' },
    {
      run: ['secret-info-get', 'secret:0123456789abcdefghij', '--label', 'l'],
      code: 2,
      err: 'ERROR specify either a secret URI or label but not both\n',
    },
    {
      run: ['secret-grant', '0123456789abcdefghij'],
      code: 2,
      err: 'ERROR no relation id specified\n',
    },
    {
      run: ['secret-grant', '0123456789abcdefghij', '-r', '3'],
      code: 1,
      err: 'ERROR secret "0123456789abcdefghij" not found\n',
    },
    {
      run: ['secret-grant', '0123456789abcdefghij', '-r', '3', '--unit', 'web/1'],
      code: 2,
      err: 'ERROR cannot specify unit "web/1" in relation to application "pg"\n',
    },
    {
      run: ['secret-revoke', '0123456789abcdefghij', '--app', 'a', '--unit', 'a/0'],
      code: 2,
      err: 'ERROR specify only one of application or unit\n',
    },
    {
      run: ['secret-revoke', '0123456789abcdefghij'],
      code: 2,
      err: 'ERROR missing relation or application or unit\n',
    },
  ],
  actions: [
    { run: ['action-get'], code: 1, err: 'ERROR not running an action\n' },
    { run: ['action-get', ...json], in: action, out: '{"deep":{"er":1},"type":"full"}\n' },
    { run: ['action-get', 'type'], in: action, out: 'full\n' },
    { run: ['action-get', 'deep.er'], in: action, out: '1\n' },
    { run: ['action-get', 'none.x', ...json], in: action, out: 'null\n' },
    { run: ['action-set', 'a.b=1', 'c=2'], in: action, out: '' },
    {
      run: ['action-set', 'Bad=1'],
      in: action,
      code: 2,
      err:
        'ERROR key "Bad" must start and end with lowercase alphanumeric, ' +
        'and contain only lowercase alphanumeric, hyphens and periods\n',
    },
    {
      run: ['action-set', 'stdout=1'],
      in: action,
      code: 2,
      err: 'ERROR cannot set reserved action key "stdout"\n',
    },
    {
      run: ['action-set', 'x'],
      in: action,
      code: 2,
      err: 'ERROR argument "x" must be of the form key...=value\n',
    },
    { run: ['action-fail', 'because'], in: action, out: '' },
    { run: ['action-log', 'half', 'way'], in: action, out: '' },
  ],
};
