/** `alerts`: what fires and was not silenced, as Alertmanager knows it. */
import {
  type Accepted,
  type Action,
  accept,
  type Refused,
  refuse,
} from '../../../lib/charm/action.ts';
import { type Alert, type Steps, urlOf, type World } from './world.ts';

export const alerts: Action<World, Steps, Record<string, never>> = {
  name: 'alerts',
  parse: () => ({}),
  plan({ alerts: found, address }): Accepted<Steps> | Refused {
    if ('unknown' in found) return refuse('alerts-unknown', found.unknown);
    return accept<Steps>([], {
      total: String(found.length),
      alerts: found.map(line).join('\n'),
      json: JSON.stringify(found),
      url: urlOf('alertmanager', address ?? ''),
    });
  },
};

function line({ severity, name, subject, summary, since }: Alert): string {
  return `${severity.padEnd(8)} ${since} ${name} ${subject}: ${summary}`;
}
