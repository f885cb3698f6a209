/**
 * What each hook tool prints and how it exits, as Juju's do. Every row starts from the same model
 * (tests/support/contract-model.ts) in a hook of `web/0`, the leader, unless it names another hook.
 */
import type { SessionSpec } from '../../src/controller/tools/session.ts';
import { DB, PEERS } from '../support/contract-model.ts';

export interface Row {
  /** Tool and words; a list of lists runs all of them in one hook and looks at the last. */
  run: string[] | string[][];
  stdin?: string;
  in?: Partial<SessionSpec>;
  code?: number;
  out?: string;
  err?: string | RegExp;
}

const changed: Partial<SessionSpec> = {
  hook: {
    kind: 'relation-changed',
    name: 'db-relation-changed',
    relationId: DB,
    endpoint: 'db',
    remoteApp: 'pg',
    remoteUnit: 'pg/0',
  },
};
const broken: Partial<SessionSpec> = {
  hook: {
    kind: 'relation-broken',
    name: 'db-relation-broken',
    relationId: DB,
    endpoint: 'db',
    remoteApp: 'pg',
  },
};
const departed: Partial<SessionSpec> = {
  hook: {
    kind: 'relation-departed',
    name: 'db-relation-departed',
    relationId: DB,
    endpoint: 'db',
    remoteApp: 'pg',
    remoteUnit: 'pg/0',
    departingUnit: 'pg/0',
  },
};
const minion: Partial<SessionSpec> = { unit: 'web/1' };
const action: Partial<SessionSpec> = { action: { taskId: 7 } };
const json = ['--format', 'json'];

export const rows: Record<string, Row[]> = {
  'flags and errors': [
    { run: ['is-leader', '--no'], code: 2, err: 'ERROR option provided but not defined: --no\n' },
    { run: ['is-leader', '-z'], code: 2, err: 'ERROR option provided but not defined: -z\n' },
    { run: ['is-leader', 'x', 'y'], code: 2, err: 'ERROR unrecognized args: ["x" "y"]\n' },
    {
      run: ['is-leader', '--format', 'foo'],
      code: 2,
      err: 'ERROR invalid value "foo" for option --format: unknown format "foo"\n',
    },
    { run: ['is-leader', '--format'], code: 2, err: 'ERROR option needs an argument: --format\n' },
    { run: ['is-leader', '--help'], out: /^Usage: is-leader \[options\]/.source },
    { run: ['no-such-tool'], code: 1, err: 'ERROR bad request: unknown command: no-such-tool\n' },
    { run: ['relation-list', '--app=True', '-r', 'db:3'], out: 'pg\n' },
    { run: ['relation-list', '--app=False', '-r', 'db:3'], out: 'pg/0\n' },
    {
      run: ['relation-list', '--app=yes', '-r', '3'],
      code: 2,
      err: /^ERROR invalid boolean value "yes" for option --app: strconv.ParseBool/,
    },
  ],
  leadership: [
    { run: ['is-leader'], out: 'True\n' },
    { run: ['is-leader', ...json], out: 'true\n' },
    { run: ['is-leader'], in: minion, out: 'False\n' },
  ],
  configuration: [
    { run: ['config-get', ...json], out: '{"max":5,"name":"x","tls":true}\n' },
    {
      run: ['config-get', '--all', ...json],
      out: '{"max":5,"name":"x","ratio":null,"tls":true}\n',
    },
    { run: ['config-get'], out: 'max: 5\nname: x\ntls: true\n' },
    { run: ['config-get', 'tls'], out: 'True\n' },
    { run: ['config-get', 'max'], out: '5\n' },
    { run: ['config-get', 'ratio'], out: '' },
    { run: ['config-get', 'unknown', ...json], out: 'null\n' },
    {
      run: ['config-get', '--all', 'max'],
      code: 2,
      err: 'ERROR cannot use argument --all together with key "max"\n',
    },
  ],
  relations: [
    { run: ['relation-ids', 'db', ...json], out: '["db:3"]\n' },
    { run: ['relation-ids', 'nothing', ...json], out: '[]\n' },
    { run: ['relation-ids'], code: 2, err: 'ERROR no endpoint name specified\n' },
    { run: ['relation-ids'], in: changed, out: 'db:3\n' },
    { run: ['relation-list', ...json], in: changed, out: '["pg/0"]\n' },
    { run: ['relation-list', ...json], in: departed, out: '[]\n' },
    { run: ['relation-list', '--app', '-r', `${PEERS}`, ...json], out: '"web"\n' },
    { run: ['relation-list'], code: 2, err: 'ERROR no relation id specified\n' },
    {
      run: ['relation-list', '-r', 'db:9'],
      code: 2,
      err: 'ERROR invalid value "db:9" for option -r: relation not found\n',
    },
    {
      run: ['relation-list', '--relation', 'x'],
      code: 2,
      err: 'ERROR invalid value "x" for option --relation: invalid relation id\n',
    },
    { run: ['relation-get', ...json], in: changed, out: '{"ingress-address":"pg/0"}\n' },
    { run: ['relation-get', 'ingress-address'], in: changed, out: 'pg/0\n' },
    { run: ['relation-get', 'none'], in: changed, out: '' },
    { run: ['relation-get', 'none', ...json], in: changed, out: 'null\n' },
    // Without a remote unit the remote application's databag is meant.
    { run: ['relation-get', ...json], in: broken, out: '{"endpoints":"\\u003c1\\u003e"}\n' },
    { run: ['relation-get', '-r', '3', '--app', '-', 'pg'], out: 'endpoints: <1>\n' },
    { run: ['relation-get', '-r', '3', '--app', '-', 'pg/0'], out: 'endpoints: <1>\n' },
    { run: ['relation-get', '-r', '3'], code: 2, err: 'ERROR no unit or application specified\n' },
    {
      run: ['relation-get', '-r', '3', '-', 'pg'],
      code: 2,
      err: 'ERROR expected unit name, got application name "pg"\n',
    },
    { run: ['relation-get', '-r', '3', '-', '?'], code: 2, err: 'ERROR invalid unit name "?"\n' },
    {
      run: ['relation-get', '-r', '3', '-', 'pg/9'],
      code: 1,
      err:
        'ERROR cannot read settings for unit "pg/9" in relation "db:3": ' +
        'unit "pg/9": settings not found\n',
    },
    {
      run: ['relation-get', '-r', '3', '--app', '-', 'web'],
      in: minion,
      code: 1,
      err: 'ERROR permission denied\n',
    },
    // Everybody may read the application's databag of a peer relation.
    { run: ['relation-get', '-r', '1', '--app', '-', 'web'], in: minion, out: 'shared: "yes"\n' },
    {
      run: [
        ['relation-set', '-r', '3', 'a=1', 'ingress-address='],
        ['relation-get', '-r', '3', '-', 'web/0', ...json],
      ],
      out: '{"a":"1"}\n',
    },
    {
      run: [
        ['relation-set', '-r', '3', '--app', 'a=b=c'],
        ['relation-get', '-r', '3', '--app', '-', 'web', ...json],
      ],
      out: '{"a":"b=c"}\n',
    },
    { run: ['relation-set', '-r', '3'], out: '' },
    {
      run: ['relation-set', '-r', '3', '--app', 'a=1'],
      in: minion,
      code: 1,
      err: 'ERROR cannot write relation settings\n',
    },
    {
      run: ['relation-set', '-r', '3', 'foo'],
      code: 2,
      err: 'ERROR expected "key=value", got "foo"\n',
    },
    {
      run: ['relation-set', '-r', '3', 'a=1', 'a=2'],
      code: 2,
      err: 'ERROR key "a" specified more than once\n',
    },
    {
      run: ['relation-set', '-r', '3', '--format', 'json', 'a=1'],
      err: '--format flag deprecated for command "relation-set"',
    },
    { run: ['relation-set', '-r', '3', '--file', '-'], stdin: '{"a":"ü\\n"}', out: '' },
    {
      run: ['relation-set', '-r', '3', '--file', '-'],
      stdin: '{"a":["b"]}',
      code: 1,
      err: /^ERROR yaml: unmarshal errors:/,
    },
    {
      run: ['relation-set', '-r', '3', '--file', '/no/such'],
      code: 1,
      err: 'ERROR open /no/such: no such file or directory\n',
    },
    {
      run: ['relation-model-get', '-r', '3', ...json],
      out: '{"uuid":"11111111-2222-4333-8444-555555555555"}\n',
    },
  ],
  network: [
    {
      run: ['network-get', 'db', ...json],
      out: [
        '{"bind-addresses":[{"mac-address":"","interface-name":"lo","addresses":',
        '[{"hostname":"","value":"127.9.8.10","cidr":"127.9.8.0/24"}]}],',
        '"egress-subnets":["127.0.0.1/32","127.9.8.10/32"],"ingress-addresses":["127.9.8.10"]}\n',
      ].join(''),
    },
    { run: ['network-get', 'admin', '--bind-address'], out: '127.9.8.10\n' },
    { run: ['network-get', 'juju-info', '--primary-address'], out: '127.9.8.10\n' },
    {
      run: ['network-get', 'db', '--ingress-address', '--egress-subnets', ...json],
      out: '{"egress-subnets":["127.0.0.1/32","127.9.8.10/32"],"ingress-address":"127.9.8.10"}\n',
    },
    { run: ['network-get'], code: 2, err: 'ERROR no arguments specified\n' },
    {
      run: ['network-get', 'nope'],
      code: 1,
      err: 'ERROR no network config found for binding "nope"\n',
    },
    { run: ['unit-get', 'private-address'], out: '127.9.8.10\n' },
  ],
  ports: [
    { run: ['open-port'], code: 2, err: 'ERROR no port or range specified\n' },
    { run: ['open-port', '80/sctp'], code: 2, err: /invalid protocol "sctp"/ },
    { run: ['open-port', '90-80'], code: 2, err: /invalid port range 90-80/ },
    { run: ['open-port', '65536'], code: 2, err: /between 1 and 65535/ },
    // Pending changes are not shown.
    {
      run: [
        ['open-port', '80'],
        ['opened-ports', ...json],
      ],
      out: '[]\n',
    },
    {
      run: [
        ['open-port', '80-90'],
        ['open-port', '85-95/tcp'],
      ],
      code: 1,
      err:
        'ERROR cannot open 85-95/tcp (unit "web/0"): ' +
        'port range conflicts with 80-90/tcp (unit "web/0")\n',
    },
    {
      run: [
        ['open-port', '80-90'],
        ['open-port', '85/udp'],
      ],
      out: '',
    },
  ],
  status: [
    { run: ['status-get'], out: 'active\n' },
    { run: ['status-get', ...json], out: '{"status":"active"}\n' },
    {
      run: ['status-get', '--include-data', ...json],
      out: '{"message":"all well","status":"active","status-data":{}}\n',
    },
    {
      run: [
        ['status-set', 'blocked', 'no db'],
        ['status-get', '--include-data'],
      ],
      out: 'message: no db\nstatus: blocked\nstatus-data: {}\n',
    },
    {
      run: [
        ['status-set', '--application', 'waiting', 'x'],
        ['status-get', '--application', ...json],
      ],
      out: [
        '{"application-status":{"status":"waiting","units":',
        '{"web/0":{"status":"active"},"web/1":{"status":"active"}}}}\n',
      ].join(''),
    },
    {
      run: ['status-set', 'error'],
      code: 2,
      err: 'ERROR invalid status "error", expected one of [maintenance blocked waiting active]\n',
    },
    { run: ['status-set'], code: 2, err: 'ERROR invalid args, require <status> [message]\n' },
    {
      run: ['status-set', '--application', 'active'],
      in: minion,
      code: 1,
      err: 'ERROR this unit is not the leader\n',
    },
    { run: ['application-version-set', '16.2'], out: '' },
    { run: ['application-version-set'], code: 2, err: 'ERROR no version specified\n' },
    { run: ['juju-log', '-l', 'WARNING', 'a', 'b'], out: '' },
    { run: ['juju-log'], code: 2, err: 'ERROR no message specified\n' },
    {
      run: ['juju-reboot'],
      in: action,
      code: 1,
      err: 'ERROR juju-reboot is not supported when running an action.\n',
    },
    {
      run: ['goal-state', ...json],
      out: [
        '{"units":{"web/0":{"status":"active","since":"2026-01-02 03:04:05Z"},',
        '"web/1":{"status":"active","since":"2026-01-02 03:04:05Z"}},"relations":{"db":',
        '{"pg":{"status":"joined","since":"1970-01-01 00:00:00Z"},',
        '"pg/0":{"status":"active","since":"2026-01-02 03:04:05Z"}}}}\n',
      ].join(''),
    },
    {
      run: ['credential-get'],
      code: 1,
      err: 'ERROR cannot access cloud credentials: permission denied\n',
    },
  ],
  'unit state': [
    { run: ['state-get', ...json], out: '{}\n' },
    { run: ['state-get', 'k', ...json], out: '""\n' },
    { run: ['state-get', 'k', '--strict'], code: 1, err: 'ERROR "k" not found\n' },
    {
      run: [
        ['state-set', 'k=v', 'e='],
        ['state-get', ...json],
      ],
      out: '{"e":"","k":"v"}\n',
    },
    {
      run: [
        ['state-set', 'k=v'],
        ['state-delete', 'k'],
        ['state-get', ...json],
      ],
      out: '{}\n',
    },
    { run: ['state-set', '--file', '-'], stdin: 'k: v\n', out: '' },
    { run: ['state-delete'], code: 2, err: 'ERROR missing key\n' },
  ],
  'storage and resources': [
    { run: ['storage-list', ...json], out: '[]\n' },
    { run: ['storage-get'], code: 2, err: 'ERROR no storage instance specified\n' },
    { run: ['storage-add', 'data=2'], out: '' },
    {
      run: ['storage-add', 'data=rootfs,1G'],
      code: 2,
      err: 'ERROR only count can be specified for "data"\n',
    },
    { run: ['storage-add', 'nope'], code: 1, err: /"nope" not found/ },
    { run: ['resource-get', 'page'], code: 1, err: /^ERROR could not download resource: / },
    { run: ['resource-get', '../../etc/passwd'], code: 1, err: /could not download resource/ },
  ],
};
