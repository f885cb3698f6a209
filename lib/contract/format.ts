/**
 * Values as the hook tools print them: `json` byte for byte like Go's encoding/json, `yaml` in
 * yaml.v2's look, `smart` as Juju defines it. A Map keeps its order (a Go struct), an object is
 * sorted (a Go map).
 *
 * Lines are never folded: yaml.v2 breaks plain text beyond 80 columns, which only changes the look.
 */
import { yamlScalar } from './yaml-scalar.ts';

export type Format = 'smart' | 'yaml' | 'json';
export const FORMATS: readonly Format[] = ['json', 'smart', 'yaml'];

export type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  /** A point in time, to the second, in UTC. */
  | Date
  | readonly Value[]
  | { readonly [key: string]: Value }
  | ReadonlyMap<string, Value>;

/** What a tool writes to its output, final newline included; nothing at all gives ''. */
export function formatValue(value: Value, format: Format): string {
  if (format === 'json') return `${goJson(value)}\n`;
  return format === 'yaml' ? goYaml(value) : smart(value);
}

/** One line, no blanks, keys sorted; `<`, `>`, `&`, U+2028 and U+2029 escaped as Go does. */
export function goJson(value: Value): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'string') return jsonString(value);
  if (typeof value !== 'object') return JSON.stringify(value);
  if (value instanceof Date) return jsonString(rfc3339(value));
  if (isList(value)) return `[${value.map(goJson).join(',')}]`;
  const members = entriesOf(value).map(([key, member]) => `${jsonString(key)}:${goJson(member)}`);
  return `{${members.join(',')}}`;
}

function jsonString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Block style; null and undefined print nothing, as the tools do. */
export function goYaml(value: Value): string {
  if (value === null || value === undefined) return '';
  return `${yamlLines(value, 0).replace(/^\n/, '').replace(/\n+$/, '')}\n`;
}

/** Text that follows `key:` or `- `, starting with a line break where the value is a block. */
function yamlLines(value: Value, depth: number): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value !== 'object') return yamlScalar(value, depth);
  if (value instanceof Date) return rfc3339(value);
  const pad = '  '.repeat(depth);
  if (isList(value)) {
    if (value.length === 0) return '[]';
    return value.map((item) => `\n${pad}- ${compact(item, depth + 1)}`).join('');
  }
  const entries = entriesOf(value);
  if (entries.length === 0) return '{}';
  return entries
    .map(([key, member]) => {
      // yaml.v2 writes a list at the column of its key.
      const text = isList(member) ? yamlLines(member, depth) : yamlLines(member, depth + 1);
      return `\n${pad}${yamlScalar(key, depth, 'key')}:${text.startsWith('\n') ? '' : ' '}${text}`;
    })
    .join('');
}

/** A block inside a list item starts on the item's own line. */
function compact(item: Value, depth: number): string {
  const text = yamlLines(item, depth);
  return text.startsWith('\n') ? text.slice(1 + 2 * depth) : text;
}

/** Words as they are, lists one per line, Python's booleans, everything else as yaml. */
export function smart(value: Value): string {
  if (value === null || value === undefined || value === '') return '';
  if (typeof value === 'string') return `${value}\n`;
  if (typeof value === 'boolean') return value ? 'True\n' : 'False\n';
  if (isList(value) && value.every((item) => typeof item === 'string')) {
    return value.length === 0 ? '' : `${value.join('\n')}\n`;
  }
  return goYaml(value);
}

function rfc3339(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

function entriesOf(
  value: { readonly [key: string]: Value } | ReadonlyMap<string, Value>,
): [string, Value][] {
  if (value instanceof Map) return [...value];
  return Object.entries(value).sort(([a], [b]) => compareCodePoints(a, b));
}

/** Byte order of UTF-8, which is how Go sorts; UTF-16 order differs beyond the basic plane. */
export function compareCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let index = 0; index < Math.min(left.length, right.length); index += 1) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
