/** What a bundle loads of Node: nothing that its source does not name. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { build } from 'esbuild';
import { builtinImports } from '../../../scripts/lib/builtin-imports.mjs';

const SOURCE = `
  import http, { STATUS_CODES } from 'node:http';
  import * as path from 'node:path';
  import { promisify } from 'util';
  const { createServer } = await import('node:net');
  const loaded = process.moduleLoadList.filter((name) => name.includes('undici'));
  const kinds = [http.request, promisify, createServer].map((each) => typeof each);
  const [word, base] = [STATUS_CODES[404], path.basename("/a")];
  console.log(JSON.stringify({ loaded, kinds, word, base }));
`;

test('modules of Node are used by name, and no property is read that nobody names', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'pgct-bundle-'));
  try {
    const [entry, outfile] = [join(directory, 'entry.mjs'), join(directory, 'out.mjs')];
    writeFileSync(entry, SOURCE);
    await build({
      ...{ entryPoints: [entry], outfile, bundle: true, format: 'esm', platform: 'node' },
      plugins: [builtinImports()],
    });
    const said = JSON.parse(execFileSync(process.execPath, [outfile], { encoding: 'utf8' }));
    const kinds = ['function', 'function', 'function'];
    assert.deepEqual(said, { loaded: [], kinds, word: 'Not Found', base: 'a' });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
