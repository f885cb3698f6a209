/** The step that makes a file of this unit say what it should, when it does not yet. */
import { digestOf } from '../../../lib/std/digest.ts';
import { Secret } from '../../../lib/std/secret.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { type Decision, type FileWish, step } from '../model/steps.ts';

export function fileStep(
  world: Snapshot,
  file: { path: string; text: string; owner: FileWish['owner']; mode?: number },
  why: string,
): Decision[] {
  const { path, text, owner, mode = 0o600 } = file;
  if (world.files[path] === text) return [];
  const args = { path, content: new Secret(text), digest: digestOf(text), mode, owner };
  return [step('write-file', args, why)];
}
