/**
 * A small model in memory for the hook tools: application `web` (units 0 and 1) with a peer
 * relation and a relation to `pg` (unit 0); and a tool server with the tools on their own PATH.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach } from 'node:test';
import { parseConfig } from '../../lib/contract/config.ts';
import { parseMetadata } from '../../lib/contract/metadata.ts';
import { Store } from '../../src/controller/state/store.ts';
import { TOOL_NAMES, ToolServer } from '../../src/controller/tools/server.ts';
import {
  failed,
  Session,
  type SessionSpec,
  type ToolResult,
} from '../../src/controller/tools/session.ts';
import { projectRoot } from './source-tree.ts';

/** 2026-01-02T03:04:05Z; the model's clock stands there unless a test moves it. */
export const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
export const DB = 3;
export const PEERS = 1;

const METADATA = `
name: web
summary: s
description: d
provides: {site: {interface: http}}
requires: {db: {interface: postgresql_client, limit: 1}}
peers: {cluster: {interface: web_peers}}
extra-bindings: {admin: null}
storage: {data: {type: filesystem, multiple: {range: 0-}}}
resources: {page: {type: file, filename: page.html}}
`;
const CONFIG = `
options:
  max: {type: int, default: 5}
  name: {type: string, default: x}
  tls: {type: boolean, default: true}
  ratio: {type: float}
`;

export interface Model {
  store: Store;
  /** Moves the clock of the sessions. */
  clock: { now: number };
  logged: string[];
  /** For a unit of `web`, `web/0` unless told otherwise. */
  session(spec?: Partial<SessionSpec>): Session;
  dir: string;
  close(): void;
}

export function aModel(): Model {
  const dir = mkdtempSync(join(tmpdir(), 'm-'));
  const store = new Store(':memory:');
  const clock = { now: NOW };
  const logged: string[] = [];
  fill(store);
  return {
    store,
    clock,
    logged,
    dir,
    session: (spec = {}) =>
      new Session(
        store,
        { contextId: 'c-1', unit: 'web/0', charmDir: dir, resourcesDir: join(dir, 'res'), ...spec },
        {
          log: (level, module, message) => logged.push(`${level} ${module}: ${message}`),
          now: () => clock.now,
          addStorage: (unit, name, count) => logged.push(`storage ${unit} ${name} ${count}`),
        },
      ),
    close: () => {
      store.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function fill(store: Store): void {
  store.tx(() => {
    store.setMeta('model-uuid', '11111111-2222-4333-8444-555555555555');
    const metadata = JSON.stringify(parseMetadata(METADATA));
    const config = JSON.stringify(parseConfig(CONFIG));
    store.run(
      `INSERT INTO charm (id, name, revision, sha256, metadata, config, actions, manifest, created)
       VALUES (1, 'web', 0, 'x', ?, ?, '{}', '{}', 0)`,
      metadata,
      config,
    );
    for (const [app, units] of [
      ['web', 2],
      ['pg', 1],
    ] as const) {
      store.run('INSERT INTO application (name, charm_id, created) VALUES (?, 1, 0)', app);
      for (let number = 0; number < units; number += 1) addUnit(store, app, number);
    }
    store.run(`UPDATE unit SET workload_status = 'active', workload_message = 'all well'`);
    store.run('INSERT INTO lease VALUES (?, ?, ?)', 'web', 'web/0', NOW + 60_000);
    addRelations(store);
  });
}

function addUnit(store: Store, app: string, number: number): void {
  const machine = store.nextNumber('machine');
  store.run(
    `INSERT INTO machine (id, address, hostname, created, status_since) VALUES (?, ?, 'h', 0, 0)`,
    String(machine),
    `127.9.8.${10 + machine}`,
  );
  store.run(
    `INSERT INTO unit (name, application, number, machine_id, created, workload_since, agent_since)
     VALUES (?, ?, ?, ?, 0, ?, 0)`,
    `${app}/${number}`,
    app,
    number,
    String(machine),
    NOW,
  );
}

function addRelations(store: Store): void {
  store.run(
    `INSERT INTO relation (id, kind, interface, created) VALUES (?, 'peer', 'web_peers', 0),
     (?, 'regular', 'postgresql_client', 0)`,
    PEERS,
    DB,
  );
  store.run(
    `INSERT INTO relation_endpoint VALUES (1, 'web', 'cluster', 'peer'),
     (3, 'web', 'db', 'requirer'), (3, 'pg', 'database', 'provider')`,
  );
  for (const [relation, unit, members] of [
    [PEERS, 'web/0', { 'web/1': 0 }],
    [PEERS, 'web/1', { 'web/0': 0 }],
    [DB, 'web/0', { 'pg/0': 0 }],
    [DB, 'web/1', {}],
    [DB, 'pg/0', {}],
  ] as const) {
    store.run(
      'INSERT INTO relation_unit (relation_id, unit, members) VALUES (?, ?, ?)',
      relation,
      unit,
      JSON.stringify(members),
    );
    store.run(
      'INSERT INTO databag (relation_id, owner, data) VALUES (?, ?, ?)',
      relation,
      unit,
      JSON.stringify({ 'ingress-address': unit }),
    );
  }
  store.run(
    `INSERT INTO databag (relation_id, owner, version, data)
     VALUES (3, 'pg', 1, '{"endpoints":"<1>"}'), (1, 'web', 1, '{"shared":"yes"}')`,
  );
}

/** Commits a session as the uniter does. */
export function commit(model: Model, session: Session): void {
  model.store.tx(() => session.commit());
}

export function run(session: Session, ...words: string[]): ToolResult {
  const [tool = '', ...args] = words;
  return session.run({ tool, args, dir: '/' });
}

/** The standard output of a tool that must succeed. */
export function out(session: Session, ...words: string[]): string {
  const { code, stdout, stderr } = run(session, ...words);
  if (code !== 0) throw new Error(`${words.join(' ')}: ${code} ${stderr}`);
  return stdout;
}

export interface Served {
  server: ToolServer;
  socket: string;
  /** Where the tools are. */
  bin: string;
  /** As a hook gets it. */
  env: Record<string, string>;
  close(): Promise<void>;
}

/** Serves whatever session `current` gives, below a directory of its own laid out like D. */
export async function serve(
  current: () => Session | undefined,
  exec: (unit: string, command: string) => Promise<ToolResult>,
): Promise<Served> {
  const root = mkdtempSync(join(tmpdir(), 'd-'));
  const agent = join(root, 'agents', 'unit-web-0');
  const bin = join(root, 'bin');
  for (const dir of [agent, bin]) mkdirSync(dir, { recursive: true });
  const client = join(projectRoot, 'src/controller/tools/client/hook-tool');
  for (const name of [...TOOL_NAMES, 'no-such-tool']) symlinkSync(client, join(bin, name));
  const socket = join(agent, 'agent.socket');
  const server = new ToolServer(socket, {
    session: current,
    exec,
    isPoweredOff: (unit) =>
      unit === 'web/1' ? { code: 0, stdout: 'off\n', stderr: '' } : failed(1, `${unit} is on`),
  });
  await server.listen();
  return {
    server,
    socket,
    bin,
    env: {
      PATH: `${bin}:/usr/bin:/bin`,
      JUJU_CONTEXT_ID: 'c-1',
      JUJU_AGENT_SOCKET_ADDRESS: socket,
      JUJU_AGENT_SOCKET_NETWORK: 'unix',
    },
    close: async () => {
      await server.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** A fresh model for every test after this call. */
export function modelPerTest(): { readonly model: Model } {
  let model: Model | undefined;
  beforeEach(() => {
    model = aModel();
  });
  afterEach(() => model?.close());
  return {
    get model() {
      return present(model);
    },
  };
}

export interface Bench {
  readonly model: Model;
  /** The execution that runs now; a hook of `web/0` when a test begins. */
  current: Session | undefined;
  readonly served: Served;
  /** Commands that reached juju-exec. */
  readonly executed: string[];
}

/** A fresh model for every test, and one server for all of them. */
export function servedPerTest(prepare: (model: Model) => Session): Bench {
  const fresh = modelPerTest();
  const executed: string[] = [];
  let served: Served | undefined;
  const bench: Bench = {
    current: undefined,
    executed,
    get model() {
      return fresh.model;
    },
    get served() {
      return present(served);
    },
  };
  before(async () => {
    served = await serve(
      () => bench.current,
      async (unit, command) => {
        executed.push(command);
        await new Promise((resolve) => setImmediate(resolve));
        return { code: 3, stdout: `${unit}\n`, stderr: `${command}\n` };
      },
    );
  });
  after(() => served?.close());
  beforeEach(() => {
    bench.current = prepare(fresh.model);
  });
  return bench;
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('only within a test');
  return value;
}
