/** Packs a charm that is a shell script, for tests of what runs any charm. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';

const MANIFEST = 'bases: [{name: ubuntu, channel: "24.04", architectures: [amd64, arm64]}]\n';

/** @param files name in the archive -> text; `dispatch` becomes executable, a manifest is added */
export async function packShellCharm(
  path: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const zip = new ZipFile();
  for (const [name, text] of Object.entries({ 'manifest.yaml': MANIFEST, ...files })) {
    zip.addBuffer(Buffer.from(text), name, { mode: name === 'dispatch' ? 0o100755 : 0o100644 });
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(path));
}
