/**
 * What every codec of a relation needs: the shape of a databag, and which keys of one are out of
 * date. Knows no interface.
 */
export type Databag = Readonly<Record<string, string>>;
export type DatabagChange = Record<string, string | undefined>;

/**
 * The keys of `wanted` that `current` does not hold yet; undefined asks for a key to be absent.
 * Keys that `wanted` does not name are left alone.
 */
export function changedKeys(wanted: DatabagChange, current: Databag): DatabagChange {
  return Object.fromEntries(
    Object.entries(wanted).filter(([key, value]) => current[key] !== value),
  );
}

/** JSON with sorted keys: equal databags give equal texts, so nothing changes without cause. */
export function databagJson(bag: Databag): string {
  return JSON.stringify(Object.fromEntries(Object.entries(bag).sort(([a], [b]) => order(a, b))));
}

/** A list of strings out of JSON text, or undefined when it is none. */
export function stringList(json: string): string[] | undefined {
  const parsed = parseJson(json);
  if (!Array.isArray(parsed)) return undefined;
  return parsed.every((item): item is string => typeof item === 'string') ? parsed : undefined;
}

/** The value of JSON text, or undefined when it is none. */
export function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
