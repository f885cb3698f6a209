/** `alerts`: what fires and was not silenced, as Alertmanager knows it. */
import { listing } from './listing.ts';

export const alerts = listing({
  name: 'alerts',
  service: 'alertmanager',
  line: ({ severity, name, subject, summary, since }) =>
    `${severity.padEnd(8)} ${since} ${name} ${subject}: ${summary}`,
});
