/** Differences between trees of settings, as merge patches. Pure. */
export type Tree = Record<string, unknown>;

/** What of `wanted` `actual` does not have, as a merge patch; undefined when it has everything. */
export function differing(wanted: Tree, actual: Tree): Tree | undefined {
  const patch: Tree = {};
  for (const [key, value] of Object.entries(wanted)) {
    const found = actual[key];
    if (isTree(value)) {
      const below = differing(value, isTree(found) ? found : {});
      if (below !== undefined) patch[key] = below;
    } else if (String(value) !== String(found)) {
      patch[key] = value;
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
