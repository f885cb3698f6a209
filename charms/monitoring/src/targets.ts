/** `targets`: what is scraped and how that goes, as Prometheus sees it. */
import { listing } from './listing.ts';

export const targets = listing({
  name: 'targets',
  service: 'prometheus',
  line: ({ health, unit, url, error }) =>
    [health.padEnd(7), unit, url, ...(error === '' ? [] : [`(${error})`])].join(' '),
  facts: (found) => ({ up: String(found.filter(({ health }) => health === 'up').length) }),
});
