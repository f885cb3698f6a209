/**
 * actions.yaml: the actions of a charm, and the check of their parameters, done once when an action
 * is asked for. Parameters follow JSON Schema draft 4; what Juju adds: other parameters than the
 * declared ones are refused unless `additionalProperties` says otherwise.
 */
import { z } from 'zod';
import { OperatorError } from '../std/errors.ts';
import { charmError, checkCharm, isRecord, parseCharmYaml } from './charm-yaml.ts';
import { type JsonSchema, schemaProblems, withDefaults } from './json-schema.ts';

export interface ActionSpec {
  description: string;
  parallel: boolean;
  executionGroup: string;
  /** Of the parameters: an object schema. */
  schema: JsonSchema;
}
export type ActionSpecs = Record<string, ActionSpec>;

const NAME = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

const raw = z.looseObject({
  description: z.string().nullish(),
  title: z.string().nullish(),
  params: z.record(z.string(), z.looseObject({})).nullish(),
  required: z.array(z.string()).nullish(),
  additionalProperties: z.boolean().nullish(),
  parallel: z.boolean().nullish(),
  'execution-group': z.string().nullish(),
});

/** @throws OperatorError `charm-invalid` */
export function parseActions(text: string): ActionSpecs {
  const given = parseCharmYaml(text, 'actions.yaml') ?? {};
  if (!isRecord(given)) throw charmError('cannot parse actions.yaml: expected a map of actions');
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, actionOf(name, value ?? {})]),
  );
}

function actionOf(name: string, value: unknown): ActionSpec {
  if (!NAME.test(name)) throw charmError(`bad action name ${name}`);
  if (name === 'juju' || name.startsWith('juju-')) {
    throw charmError(`cannot use action name ${name}: "juju" is a reserved name`);
  }
  refuseReferences(name, value);
  const { params, parallel, description, ...rest } = checkCharm(raw, value, `action ${name}`);
  const { 'execution-group': executionGroup, ...schema } = rest;
  return {
    description: description ?? 'No description',
    parallel: parallel ?? false,
    executionGroup: executionGroup ?? '',
    schema: {
      ...schema,
      title: rest.title ?? name,
      type: 'object',
      properties: params ?? {},
      required: rest.required ?? [],
      additionalProperties: rest.additionalProperties ?? false,
    },
  };
}

function refuseReferences(name: string, value: unknown): void {
  if (Array.isArray(value)) for (const item of value) refuseReferences(name, item);
  if (!isRecord(value)) return;
  for (const [key, member] of Object.entries(value)) {
    if (key === '$schema' || key === '$ref') {
      throw charmError(`schema key "${key}" not compatible with this version of juju`);
    }
    refuseReferences(name, member);
  }
}

/**
 * The parameters that the action gets: what was given, and defaults for the rest.
 *
 * @throws OperatorError `action-params-invalid`, with the words that Juju's validator uses
 */
export function actionParams(
  action: ActionSpec,
  given: Record<string, unknown>,
): Record<string, unknown> {
  const problems = schemaProblems(action.schema, given);
  if (problems.length > 0) {
    const message = `validation failed: ${problems.join('; ')}`;
    throw new OperatorError({ code: 'action-params-invalid', message, retry: 'never' });
  }
  const complete = withDefaults(action.schema, given);
  return isRecord(complete) ? complete : given;
}
