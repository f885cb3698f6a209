/** manifest.yaml: the bases a charm is built for; and the one line of `version`. */
import { z } from 'zod';
import { charmError, checkCharm, parseCharmYaml } from './charm-yaml.ts';

export interface CharmBase {
  /** `ubuntu` */
  name: string;
  /** `24.04`: the track of the channel; `24.04/stable` in the file means the same. */
  channel: string;
  architectures: string[];
}

export interface CharmManifest {
  bases: CharmBase[];
}

const raw = z.object({
  bases: z
    .array(
      z.object({
        name: z.string(),
        channel: z.union([z.string(), z.number()]),
        architectures: z.array(z.string()).optional(),
      }),
    )
    .nullish(),
});

/** @throws OperatorError `charm-invalid`; a charm needs at least one base */
export function parseManifest(text: string): CharmManifest {
  const { bases } = checkCharm(raw, parseCharmYaml(text, 'manifest.yaml'), 'manifest');
  if (bases === undefined || bases === null || bases.length === 0) {
    throw charmError('manifest: expected at least one base, got none');
  }
  return {
    bases: bases.map(({ name, channel, architectures }) => {
      if (name !== 'ubuntu') throw charmError(`manifest: os "${name}" not valid`);
      const text = typeof channel === 'number' ? channel.toFixed(2) : channel;
      return {
        name,
        channel: text.replace(/\/stable$/, ''),
        architectures: architectures ?? ['amd64'],
      };
    }),
  };
}

/** The first line of the file `version`; undefined when it says nothing. */
export function parseVersion(text: string): string | undefined {
  return text.split('\n')[0]?.trim() || undefined;
}
