/**
 * Loaded before each test file: properties try the same cases in every run, so that a failure is
 * found again. `PGCHARM_TEST_SEED` chooses other cases; `random` new ones each time.
 */
import fc from 'fast-check';

const DEFAULT_SEED = 20_261_120;

const chosen = process.env['PGCHARM_TEST_SEED'] ?? String(DEFAULT_SEED);
if (chosen !== 'random') fc.configureGlobal({ seed: Number(chosen) });
