/**
 * Through whom the writers write: a client of the database that hands out its credentials, as
 * data-integrator does. Keeps them in memory and shows them to nobody.
 */
import { OperatorError } from '../../lib/std/errors.ts';
import type { Model } from './model.ts';
import { singleHosts } from './writers.ts';

const ACTION = 'get-credentials';
const INTERFACE = 'postgresql_client';

/**
 * Connection strings, one for each unit's pooler.
 *
 * @throws OperatorError `no-client` when nobody related has that action, `no-credentials`
 */
export async function writersUris(model: Model, application: string): Promise<string[]> {
  const unit = await clientOf(model, application);
  const results = await model.act(unit, ACTION);
  const given = Object.values(results).find(
    (value): value is { uris: string } =>
      typeof value === 'object' &&
      value !== null &&
      'uris' in value &&
      typeof value.uris === 'string',
  );
  if (given !== undefined) return singleHosts(given.uris);
  throw new OperatorError({
    code: 'no-credentials',
    message: `cannot write to ${application}: ${unit} has no credentials yet`,
    hint: `wait until it is active, with \`pgcharm wait ${unit}\``,
    retry: 'now',
  });
}

async function clientOf(model: Model, application: string): Promise<string> {
  for (const related of await model.related(application)) {
    const [unit] = related.units;
    if (related.interface !== INTERFACE || unit === undefined) continue;
    if ((await model.actions(related.application)).includes(ACTION)) return unit;
  }
  throw new OperatorError({
    code: 'no-client',
    message: `cannot write to ${application}: no related application has the action ${ACTION}`,
    hint:
      'deploy ./dist/data-integrator.charm with --config database-name=chaos, and integrate it ' +
      `with ${application}:database`,
    retry: 'never',
  });
}
