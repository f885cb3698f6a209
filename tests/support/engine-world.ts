/**
 * A small installation for tests of the engine: a store, and applications whose charm is a shell
 * script that writes down every event and fails or hangs when a file beside its directory says so.
 */
import { createHash } from 'node:crypto';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { poll } from '../../lib/std/clock.ts';
import { bootMarker } from '../../src/controller/machines/boot.ts';
import { endProcesses } from '../../src/controller/machines/processes.ts';
import { Layout } from '../../src/controller/state/layout.ts';
import { Store } from '../../src/controller/state/store.ts';

/** Writes the event down, then does what `fail-<hook>`, `hang-<hook>` or `leave-<hook>` ask for. */
const DISPATCH = `#!/bin/sh
place="$JUJU_CHARM_DIR/.."
name="\${JUJU_DISPATCH_PATH##*/}"
echo "$name\${JUJU_REMOTE_UNIT:+ $JUJU_REMOTE_UNIT}" >> "$place/events"
env > "$place/environment-$name"
[ -e "$place/leave-$name" ] && (cd "$place" && setsid sleep 300 > /dev/null 2>&1 &)
[ -e "$place/hang-$name" ] && { rm "$place/hang-$name"; sleep 300; }
[ -e "$place/fail-$name" ] && { echo "as asked" >&2; exit 3; }
exit 0
`;

export interface CharmSpec {
  files?: Record<string, { text: string; mode?: number }>;
  peers?: boolean;
}

export class EngineWorld {
  readonly root: string;
  readonly layout: Layout;
  readonly store: Store;

  static async make(): Promise<EngineWorld> {
    return new EngineWorld(await mkdtemp(join(tmpdir(), 'pgc-')));
  }

  private constructor(root: string) {
    this.root = root;
    this.layout = new Layout(root);
    this.store = new Store(this.layout.database);
    this.store.setMeta('model-name', 'test');
    this.store.setMeta('model-uuid', '00000000-0000-4000-8000-000000000000');
    this.store.setMeta('subnet', '127.99.1');
    // Nothing but what a test asks for.
    this.store.run(`INSERT INTO model_config VALUES ('update-status-hook-interval', '1h')`);
    mkdirSync(join(root, 'bin'), { recursive: true });
    mkdirSync(join(root, 'charms'), { recursive: true });
  }

  async addCharm(spec: CharmSpec = {}): Promise<number> {
    const zip = new ZipFile();
    const files = { dispatch: { text: DISPATCH, mode: 0o755 }, ...spec.files };
    for (const [name, { text, mode }] of Object.entries(files)) {
      zip.addBuffer(Buffer.from(text), name, { mode: 0o100000 | (mode ?? 0o644) });
    }
    zip.end();
    const id = this.store.nextNumber('test-charm', 1);
    const temporary = join(this.root, `charm-${id}`);
    await pipeline(zip.outputStream, createWriteStream(temporary));
    const bytes = readFileSync(temporary);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(this.layout.charmArchive(sha256), bytes);
    this.store.run(
      `INSERT INTO charm (id, name, revision, sha256, metadata, config, actions, manifest, created)
       VALUES (?, 'tiny', ?, ?, '{}', '{}', '{}', '{}', 0)`,
      id,
      id,
      sha256,
    );
    return id;
  }

  addApplication(name: string, charmId: number): void {
    this.store.tx(() => {
      this.store.run(
        'INSERT INTO application (name, charm_id, created) VALUES (?, ?, 0)',
        name,
        charmId,
      );
      this.addRelation('peer', [[name, 'peers']]);
    });
  }

  addRelation(kind: 'peer' | 'regular', endpoints: [application: string, name: string][]): number {
    const id = this.store.nextNumber('relation');
    this.store.run(
      `INSERT INTO relation (id, kind, interface, created) VALUES (?, ?, 'test', 0)`,
      id,
      kind,
    );
    for (const [application, name] of endpoints) {
      this.store.run(
        'INSERT INTO relation_endpoint VALUES (?, ?, ?, ?)',
        id,
        application,
        name,
        kind === 'peer' ? 'peer' : 'provider',
      );
    }
    return id;
  }

  /** @returns the unit's name */
  addUnit(application: string, storage: string[] = []): string {
    return this.store.tx(() => {
      const machine = String(this.store.nextNumber('machine'));
      const number = this.store.nextNumber(`unit/${application}`);
      const unit = `${application}/${number}`;
      this.store.run(
        `INSERT INTO machine (id, address, hostname, created, status_since)
         VALUES (?, ?, 'h', 0, 0)`,
        machine,
        `127.99.1.${10 + Number(machine)}`,
      );
      this.store.run(
        `INSERT INTO unit (name, application, number, machine_id, created, workload_since,
         agent_since) VALUES (?, ?, ?, ?, 0, 0, 0)`,
        unit,
        application,
        number,
        machine,
      );
      for (const name of storage) {
        const id = `${name}/${this.store.nextNumber('storage')}`;
        this.store.run(
          `INSERT INTO storage (id, name, kind, application, unit, machine_id, location, size_mib,
           created) VALUES (?, ?, 'filesystem', ?, ?, ?, ?, 1, 0)`,
          id,
          name,
          application,
          unit,
          machine,
          this.layout.storageDir(id),
        );
      }
      return unit;
    });
  }

  /** Tells the charm of a unit to fail, hang in, or leave a process behind in a hook. */
  tell(unit: string, what: 'fail' | 'hang' | 'leave', hook: string): void {
    mkdirSync(this.layout.agentDir(unit), { recursive: true });
    writeFileSync(join(this.layout.agentDir(unit), `${what}-${hook}`), '');
  }

  /** Whether the charm has come to hang, as it was told. */
  hangs(unit: string, hook: string): boolean {
    return !existsSync(join(this.layout.agentDir(unit), `hang-${hook}`));
  }

  untell(unit: string, what: 'fail' | 'hang' | 'leave', hook: string): void {
    rmSync(join(this.layout.agentDir(unit), `${what}-${hook}`), { force: true });
  }

  async events(unit: string): Promise<string[]> {
    const text = await readFile(join(this.layout.agentDir(unit), 'events'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  unit(name: string): Record<string, unknown> | undefined {
    return this.store.get('SELECT * FROM unit WHERE name = ?', name);
  }

  operation(name: string): Record<string, unknown> | null {
    const row = this.store.get<{ operation: string | null }>(
      'SELECT operation FROM unit WHERE name = ?',
      name,
    );
    return JSON.parse(row?.operation ?? 'null') as Record<string, unknown> | null;
  }

  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const probe = async () => ((await holds()) ? true : undefined);
    const done = await poll(probe, { timeoutMs: 60_000, everyMs: 20 });
    if (done === undefined) throw new Error(`did not come about: ${what}`);
  }

  untilIdle(...units: string[]): Promise<void> {
    return this.until(`${units.join(', ')} idle`, () =>
      units.every((unit) => this.unit(unit)?.['agent_status'] === 'idle'),
    );
  }

  async remove(): Promise<void> {
    this.store.close();
    await endProcesses([this.root]);
    rmSync(this.root, { recursive: true, force: true });
    const marker = bootMarker(this.root, process.env);
    if (marker !== undefined) rmSync(marker, { force: true });
  }
}
