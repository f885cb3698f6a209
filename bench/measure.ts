/**
 * What a benchmark is and what it answers. Every figure comes with the floor that it is compared
 * to, measured in the same run on the same machine.
 */
export interface Measurement {
  id: string;
  what: string;
  value: number;
  unit: 'µs' | 'ms' | 's' | 'MiB' | 'x' | '%' | 'errors';
  /** The same quantity for the least that could do the job; `floorOf` says what that is. */
  floor: number | null;
  floorOf: string;
  /** value / floor */
  ratio: number | null;
  /** The largest value that passes, in the unit of `targetOf`. */
  target: number;
  targetOf: 'value' | 'ratio';
  pass: boolean;
}

export interface Benchmark {
  /** One or several measurements come out of one run; these are their ids. */
  ids: readonly string[];
  run(ids: readonly string[], say: (line: string) => void): Promise<Measurement[]>;
}

type Figures = Pick<Measurement, 'id' | 'what' | 'value' | 'unit' | 'target' | 'targetOf'> & {
  floor?: number;
  floorOf?: string;
};

/** Rounds, compares with the floor and with the target. */
export function judge({ floor, floorOf = '', ...figures }: Figures): Measurement {
  const ratio = floor === undefined ? null : round(figures.value / floor);
  const compared = figures.targetOf === 'ratio' ? ratio : figures.value;
  return {
    ...figures,
    value: round(figures.value),
    floor: floor === undefined ? null : round(floor),
    floorOf,
    ratio,
    pass: compared !== null && compared <= figures.target,
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}
