/**
 * `pgbackrest info` for the metrics: asked at most once a minute, and again after each job, for
 * every answer reads the object store. Several scrapes at once share one answer.
 */
import { messageOf } from '../../../lib/std/errors.ts';
import type { Log } from '../../../lib/std/log.ts';
import type { Desired } from '../../charm/model/desired.ts';
import { createPgBackRest } from '../../charm/workload/pgbackrest.ts';

const FRESH_MS = 60_000;

export class RepositoryInfo {
  readonly #log: Log;
  #key = '';
  #askedAt = 0;
  #answer: Promise<string | undefined> = Promise.resolve(undefined);

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * @param jobs grows when a job has changed
   * @returns JSON; undefined when pgBackRest has failed
   */
  read(desired: Desired, jobs: number): Promise<string | undefined> {
    const { backup, serverUser } = desired;
    if (backup === undefined) return Promise.resolve(undefined);
    const key = JSON.stringify([backup, jobs]);
    if (key === this.#key && Date.now() - this.#askedAt < FRESH_MS) return this.#answer;
    this.#key = key;
    this.#askedAt = Date.now();
    const user = process.getuid?.() === 0 ? serverUser : undefined;
    const { config, stanza } = backup;
    this.#answer = createPgBackRest({ config, stanza, user })
      .info()
      .catch((error: unknown) => {
        this.#log.warning(`metrics of backups: ${messageOf(error)}`);
        return undefined;
      });
    return this.#answer;
  }
}
