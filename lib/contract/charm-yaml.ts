/**
 * YAML files of a charm, read as Juju's own library reads them (YAML 1.1, `yes` is a boolean), and
 * the words in which Juju refuses a value of the wrong type.
 */
import { isScalar, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { OperatorError } from '../std/errors.ts';

/** @param file for the message: `metadata.yaml` @throws OperatorError `charm-invalid` */
export function parseCharmYaml(text: string, file: string): unknown {
  const document = parseDocument(text, {
    version: '1.1',
    uniqueKeys: true,
    // Go's library leaves dates as text.
    customTags: (tags) =>
      tags.filter((tag) => typeof tag === 'string' || !String(tag.tag).endsWith(':timestamp')),
  });
  const [error] = document.errors;
  if (error !== undefined) throw charmError(`cannot parse ${file}: ${firstLine(error.message)}`);
  visit(document, {
    // A key is a name, also where it looks like something else: an option may be called `on`.
    Pair(_, { key }) {
      if (isScalar(key) && typeof key.value !== 'string') key.value = key.source ?? '';
    },
  });
  return document.toJS({ maxAliasCount: 100 }) ?? undefined;
}

/** Checks a value. @throws OperatorError with `<what>: <path>: expected …, got …` */
export function checkCharm<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue === undefined ? [] : issue.path.map(String);
  throw charmError(
    [what, ...(path.length === 0 ? [] : [path.join('.')]), say(issue, value)].join(': '),
  );
}

export function charmError(message: string, hint?: string): OperatorError {
  const base = { code: 'charm-invalid', message, retry: 'never' as const };
  return new OperatorError(hint === undefined ? base : { ...base, hint });
}

function say(issue: z.core.$ZodIssue | undefined, root: unknown): string {
  if (issue === undefined) return 'not valid';
  const got = issue.path.reduce<unknown>(
    (value, key) => (isRecord(value) || Array.isArray(value) ? Reflect.get(value, key) : undefined),
    root,
  );
  if (issue.code === 'invalid_type') {
    const expected = {
      record: 'map',
      object: 'map',
      array: 'list',
      boolean: 'bool',
      number: 'int',
    };
    const name = Object.entries(expected).find(([key]) => key === issue.expected)?.[1];
    return `expected ${name ?? issue.expected}, got ${goTyped(got)}`;
  }
  if (issue.code === 'invalid_value') {
    return `unexpected value ${goTyped(got)}`;
  }
  return issue.message;
}

/** A value with its type, as Go's `%T(%#v)` shows it: `nothing`, `int(5)`, `string("x")`. */
function goTyped(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (typeof value === 'string') return `string(${JSON.stringify(value)})`;
  if (typeof value === 'number') {
    return Number.isInteger(value) ? `int(${value})` : `float64(${value})`;
  }
  if (typeof value === 'boolean') return `bool(${value})`;
  return Array.isArray(value) ? 'list' : 'map';
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.replace(/:$/, '') ?? text;
}
