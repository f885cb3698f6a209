/**
 * What an event costs that finds nothing to do, with 1, 10 and 100 related clients: the whole
 * process on the leader, over the hook-tool socket. The floor is the event with one client.
 */
import { join } from 'node:path';
import { charmArchive } from '../tests/support/build.ts';
import { type Deployment, withDeployment } from '../tests/support/deployment.ts';
import { packShellCharm } from '../tests/support/shell-charm.ts';
import { probe } from './dispatch-noop.ts';
import { type Benchmark, judge, type Measurement, median } from './measure.ts';

const COUNTS = [1, 10, 100];
const ID = 'clients-1-10-100';
/** A hundred relations are made by as many commands and a few hundred events. */
const SERVED_WITHIN_MS = 1_200_000;

export const clientCount: Benchmark = {
  ids: [ID],
  run: (_ids, say) =>
    withDeployment({ model: { 'update-status-hook-interval': '60m' } }, async (model) => {
      say(`${ID}: deploying one unit, and a charm with a hundred endpoints`);
      await model.pgcharm(['deploy', charmArchive('postgresql'), '--config', 'profile=testing']);
      const charm = join(model.root, 'many.charm');
      await packShellCharm(charm, manyClients());
      await model.pgcharm(['deploy', charm, 'many']);
      await model.active(['postgresql']);
      const costs: number[] = [];
      let related = 0;
      for (const count of COUNTS) {
        say(`${ID}: ${count} clients`);
        for (; related < count; related++) {
          await model.pgcharm(`integrate postgresql:database many:db${related}`);
        }
        await served(model, count);
        const setting = 'JUJU_DISPATCH_PATH=hooks/update-status';
        costs.push(median((await probe(model, setting, ['./dispatch'])).map(({ ms }) => ms)));
      }
      return compare(costs);
    }),
};

/** Growing less than linearly: a tenfold of clients costs less than ten times as much. */
function compare(costs: readonly number[]): Measurement[] {
  const [one = Number.NaN] = costs;
  return costs.map((value, at) => {
    const count = COUNTS[at] ?? 1;
    const what = `update-status with nothing to do, ${count} related clients, median`;
    const floorOf = 'the same with one client';
    const figures = { id: ID, what, value, floor: one, floorOf, unit: 'ms' } as const;
    return judge({ ...figures, target: count, targetOf: 'ratio' });
  });
}

/** Each endpoint asks for a database of its name. */
function manyClients(): Record<string, string> {
  const endpoints = Array.from({ length: Math.max(...COUNTS) }, (_, at) => `db${at}`);
  const requires = endpoints.map((name) => `  ${name}: {interface: postgresql_client}`);
  const metadata = ['name: many', 'summary: many clients', 'description: many clients'];
  const dispatch = [
    '#!/bin/sh',
    'case "$JUJU_DISPATCH_PATH" in',
    '*-relation-created) relation-set --app "database=$JUJU_RELATION" ;;',
    'esac',
    'status-set active',
    '',
  ];
  return {
    'metadata.yaml': [...metadata, 'requires:', ...requires, ''].join('\n'),
    dispatch: dispatch.join('\n'),
  };
}

/** Until every client has been told its secret and nothing is left to run. */
async function served(model: Deployment, count: number): Promise<void> {
  const ready = async () => {
    const secrets = await model.json<Record<string, { label?: string }>>('secrets');
    const labels = Object.values(secrets).map(({ label = '' }) => label);
    const issued = labels.filter((label) => label.endsWith('.user.secret')).length;
    return issued === count ? true : undefined;
  };
  await model.until(`${count} clients served`, ready, SERVED_WITHIN_MS);
  await model.active(['postgresql', 'many'], SERVED_WITHIN_MS);
}
