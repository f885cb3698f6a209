/**
 * The part of JSON Schema draft 4 that charms use for action parameters, with the messages of the
 * validator that Juju carries: `(root).count : must be of type integer, given "x"`.
 */
import { isRecord } from './charm-yaml.ts';
import { goJson, type Value } from './format.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** @returns one text per problem; none when the value is valid */
export function schemaProblems(schema: JsonSchema, value: unknown, path = '(root)'): string[] {
  const problems: string[] = [];
  const given = goJson(value as Value);
  const complain = (why: string) => problems.push(`${path} : ${why}, given ${given}`);

  const types = typesOf(schema['type']);
  if (types.length > 0 && !types.some((type) => hasType(value, type))) {
    complain(`must be of type ${types.join(' or ')}`);
    return problems;
  }
  const allowed = schema['enum'];
  if (Array.isArray(allowed) && !allowed.some((one) => goJson(one) === given)) {
    complain(`must match one of the enum values [${allowed.map((one) => goJson(one)).join(',')}]`);
  }
  if (typeof value === 'number') for (const why of numberProblems(schema, value)) complain(why);
  if (typeof value === 'string') for (const why of stringProblems(schema, value)) complain(why);
  if (Array.isArray(value)) {
    for (const why of listProblems(schema, value)) complain(why);
    const items = schema['items'];
    if (isRecord(items)) {
      for (const [index, item] of value.entries()) {
        problems.push(...schemaProblems(items, item, `${path}.${index}`));
      }
    }
  }
  if (isRecord(value)) {
    for (const why of keyProblems(schema, value)) complain(why);
    for (const [name, member] of Object.entries(propertiesOf(schema))) {
      if (Object.hasOwn(value, name)) {
        problems.push(...schemaProblems(member, value[name], `${path}.${name}`));
      }
    }
  }
  return problems;
}

function typesOf(type: unknown): string[] {
  if (typeof type === 'string') return [type];
  return Array.isArray(type) ? type.filter((one) => typeof one === 'string') : [];
}

function hasType(value: unknown, type: string): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isRecord(value);
  if (type === 'null') return value === null;
  return typeof value === type;
}

function* numberProblems(schema: JsonSchema, value: number): Generator<string> {
  const { minimum, maximum, multipleOf } = schema;
  if (typeof minimum === 'number') {
    if (schema['exclusiveMinimum'] === true && value <= minimum) {
      yield `must be greater than ${minimum}`;
    } else if (value < minimum) yield `must be greater than or equal to ${minimum}`;
  }
  if (typeof maximum === 'number') {
    if (schema['exclusiveMaximum'] === true && value >= maximum) {
      yield `must be less than ${maximum}`;
    } else if (value > maximum) yield `must be less than or equal to ${maximum}`;
  }
  if (typeof multipleOf === 'number' && !isMultiple(value, multipleOf)) {
    yield `must be a multiple of ${multipleOf}`;
  }
}

/** In decimal: binary fractions make 0.3 no multiple of 0.1. */
function isMultiple(value: number, of: number): boolean {
  const quotient = value / of;
  return Math.abs(quotient - Math.round(quotient)) <= 1e-9 * Math.max(1, Math.abs(quotient));
}

function* stringProblems(schema: JsonSchema, value: string): Generator<string> {
  const { minLength, maxLength, pattern } = schema;
  const length = [...value].length;
  if (typeof minLength === 'number' && length < minLength) {
    yield `length must be greater than or equal to ${minLength}`;
  }
  if (typeof maxLength === 'number' && length > maxLength) {
    yield `length must be less than or equal to ${maxLength}`;
  }
  if (typeof pattern !== 'string') return;
  const expression = expressionOf(pattern);
  if (expression === undefined) yield `cannot be checked: "${pattern}" is no pattern`;
  else if (!expression.test(value)) yield `does not match pattern "${pattern}"`;
}

/** Go's flags at the start, `(?i)`, are ours behind the end; undefined when it cannot be read. */
function expressionOf(pattern: string): RegExp | undefined {
  const [, flags = '', rest = pattern] = /^\(\?([ims]+)\)(.*)$/s.exec(pattern) ?? [];
  try {
    return new RegExp(rest, `u${flags}`);
  } catch {
    return undefined;
  }
}

function* listProblems(schema: JsonSchema, value: readonly unknown[]): Generator<string> {
  const { minItems, maxItems } = schema;
  if (typeof minItems === 'number' && value.length < minItems) {
    yield `must have at least ${minItems} items`;
  }
  if (typeof maxItems === 'number' && value.length > maxItems) {
    yield `must have at most ${maxItems} items`;
  }
  const texts = value.map((item) => goJson(item as Value));
  if (schema['uniqueItems'] === true && new Set(texts).size < texts.length) {
    yield 'items must be unique';
  }
}

function* keyProblems(schema: JsonSchema, value: Record<string, unknown>): Generator<string> {
  const { required } = schema;
  for (const name of Array.isArray(required) ? required : []) {
    if (!Object.hasOwn(value, String(name))) yield `"${name}" property is missing and required`;
  }
  if (schema['additionalProperties'] !== false) return;
  const declared = propertiesOf(schema);
  for (const name of Object.keys(value).sort()) {
    if (!Object.hasOwn(declared, name)) yield `additional property "${name}" is not allowed`;
  }
}

function propertiesOf(schema: JsonSchema): Record<string, JsonSchema> {
  const { properties } = schema;
  if (!isRecord(properties)) return {};
  return Object.fromEntries(
    Object.entries(properties).filter((entry): entry is [string, Record<string, unknown>] =>
      isRecord(entry[1]),
    ),
  );
}

/** A copy with the defaults of the schema where nothing was given, at every depth. */
export function withDefaults(schema: JsonSchema, value: unknown): unknown {
  const properties = propertiesOf(schema);
  if (value !== undefined && !isRecord(value)) return value;
  const complete: Record<string, unknown> = { ...value };
  for (const [name, member] of Object.entries(properties)) {
    const given = Object.hasOwn(complete, name) ? complete[name] : member['default'];
    const filled = given === undefined ? nestedDefaults(member) : withDefaults(member, given);
    if (filled !== undefined) complete[name] = filled;
  }
  return complete;
}

/** An object that was left out appears only where something within has a default. */
function nestedDefaults(schema: JsonSchema): unknown {
  const filled = withDefaults(schema, undefined);
  return isRecord(filled) && Object.keys(filled).length > 0 ? filled : undefined;
}
