/** `targets`: what is scraped and how that goes, as Prometheus sees it. */
import {
  type Accepted,
  type Action,
  accept,
  type Refused,
  refuse,
} from '../../../lib/charm/action.ts';
import { type Steps, type Target, urlOf, type World } from './world.ts';

export const targets: Action<World, Steps, Record<string, never>> = {
  name: 'targets',
  parse: () => ({}),
  plan({ targets: found, address }): Accepted<Steps> | Refused {
    if ('unknown' in found) return refuse('targets-unknown', found.unknown);
    const up = found.filter((target) => target.health === 'up').length;
    return accept<Steps>([], {
      total: String(found.length),
      up: String(up),
      targets: found.map(line).join('\n'),
      json: JSON.stringify(found),
      url: urlOf('prometheus', address ?? ''),
    });
  },
};

function line({ health, unit, url, error }: Target): string {
  return [health.padEnd(7), unit, url, ...(error === '' ? [] : [`(${error})`])].join(' ');
}
