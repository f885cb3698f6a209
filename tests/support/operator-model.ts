/**
 * A model without an engine, for tests of operations and views: a store in memory, a directory for
 * charm archives, and charms packed from a few lines of YAML.
 */
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';
import { deployCharm } from '../../src/controller/operations/deploy.ts';
import type { Model } from '../../src/controller/operations/model.ts';
import { Layout } from '../../src/controller/state/layout.ts';
import { Store } from '../../src/controller/state/store.ts';

/** 2026-01-02T03:04:05Z, where the model's clock stands unless a test moves it. */
export const START = Date.UTC(2026, 0, 2, 3, 4, 5);

const METADATA = `
summary: s
description: d
provides:
  site: http
requires:
  db: {interface: sql, limit: 1}
peers:
  crew: web_crew
`;
const CONFIG = `
options:
  profile: {type: string, default: production, description: How much it takes}
  max: {type: int, default: 5}
  tls: {type: boolean}
  ratio: {type: float}
`;
const ACTIONS = `
greet:
  description: Says it
  params:
    who: {type: string, default: you}
`;

export interface CharmFiles {
  /** What stands in metadata.yaml below `name`. */
  metadata?: string;
  config?: string;
  actions?: string;
  manifest?: string;
  version?: string;
  /** Default 0o755. */
  dispatchMode?: number;
  /** More files: name -> text. */
  more?: Record<string, string>;
  /** Names that are left out. */
  without?: readonly string[];
}

export class OperatorModel {
  readonly directory: string;
  readonly model: Model;
  readonly store: Store;
  now = START;

  static async make(): Promise<OperatorModel> {
    return new OperatorModel(await mkdtemp(join(tmpdir(), 'pgc-')));
  }

  private constructor(directory: string) {
    this.directory = directory;
    this.store = new Store(':memory:');
    this.store.setMeta('subnet', '127.9.9');
    this.store.setMeta('model-name', 'test');
    this.store.setMeta('model-uuid', '00000000-0000-4000-8000-000000000000');
    this.model = { store: this.store, layout: new Layout(directory), now: () => this.now };
  }

  /** Packs a charm. @returns the path of the .charm file */
  async pack(name: string, files: CharmFiles = {}): Promise<string> {
    const contents: Record<string, string> = {
      'metadata.yaml': `name: ${name}\n${files.metadata ?? METADATA}`,
      'config.yaml': files.config ?? CONFIG,
      'actions.yaml': files.actions ?? ACTIONS,
      'manifest.yaml':
        files.manifest ?? 'bases: [{name: ubuntu, channel: "24.04", architectures: [amd64]}]',
      ...(files.version === undefined ? {} : { version: files.version }),
      ...files.more,
    };
    const zip = new ZipFile();
    for (const [file, text] of Object.entries(contents)) {
      if (files.without?.includes(file) !== true) zip.addBuffer(Buffer.from(text), file);
    }
    zip.addBuffer(Buffer.from('#!/bin/sh\n'), 'dispatch', {
      mode: 0o100000 | (files.dispatchMode ?? 0o755),
    });
    zip.end();
    const path = join(this.directory, `${name}-${this.#packed++}.charm`);
    await pipeline(zip.outputStream, createWriteStream(path));
    return path;
  }
  #packed = 0;

  /** Packs and deploys under the charm's name. */
  async deploy(name: string, files: CharmFiles & { units?: number } = {}): Promise<string[]> {
    const path = await this.pack(name, files);
    return deployCharm(this.model, { path, shown: `./${name}.charm`, numUnits: files.units ?? 1 });
  }

  async end(): Promise<void> {
    this.store.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
