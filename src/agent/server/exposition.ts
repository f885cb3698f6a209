/**
 * Families of samples in Prometheus' text format, for what is read anew with every scrape. The
 * library does the writing; nothing is kept between two scrapes.
 */
export interface Family {
  name: string;
  help: string;
  /** Default gauge. */
  type?: 'gauge' | 'counter';
  /** Every sample of a family carries the same labels. */
  samples: { labels?: Readonly<Record<string, string>>; value: number }[];
}

/** Families without a sample are left out, samples that are no number too. */
export async function exposition(families: readonly Family[]): Promise<string> {
  const { Counter, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  for (const { name, help, type, samples } of families) {
    const numbers = samples.filter(({ value }) => Number.isFinite(value));
    if (numbers.length === 0) continue;
    const labelNames = Object.keys(numbers[0]?.labels ?? {});
    const options = { name, help, labelNames, registers: [registry] };
    if (type === 'counter') {
      const counter = new Counter(options);
      for (const { labels, value } of numbers) counter.inc(labels ?? {}, Math.max(0, value));
    } else {
      const gauge = new Gauge(options);
      for (const { labels, value } of numbers) gauge.set(labels ?? {}, value);
    }
  }
  return registry.metrics();
}
