/**
 * What the installed versions can and cannot do. The only place of the charm where a version is
 * compared: deciders ask this table, and a new release is one row.
 */
export interface Capabilities {
  /** Shortest `ttl` that Patroni accepts, in seconds. */
  readonly minimumTtlSeconds: number;
  readonly minimumRetryTimeoutSeconds: number;
  /** `synchronous_mode: quorum` (Patroni 4.0). */
  readonly quorumCommit: boolean;
  readonly failoverPriority: boolean;
  /** Protocol-level prepared statements in transaction pooling (PgBouncer 1.21). */
  readonly pooledPreparedStatements: boolean;
  /** Block incremental backups that are not a preview (pgBackRest 2.46). */
  readonly blockIncrement: boolean;
}

export type Version = readonly [major: number, minor: number];

export function capabilitiesOf(versions: Readonly<Record<string, string>>): Capabilities {
  const patroni = versionOf(versions['patroni']);
  const pgbouncer = versionOf(versions['pgbouncer']);
  const pgbackrest = versionOf(versions['pgbackrest']);
  // One that is not known counts as strict.
  const strictClocks = atLeast(patroni, [3, 1]) || patroni[0] === 0;
  return {
    minimumTtlSeconds: strictClocks ? 20 : 5,
    minimumRetryTimeoutSeconds: strictClocks ? 3 : 1,
    quorumCommit: atLeast(patroni, [4, 0]),
    failoverPriority: atLeast(patroni, [3, 2]),
    pooledPreparedStatements: atLeast(pgbouncer, [1, 21]),
    blockIncrement: atLeast(pgbackrest, [2, 46]),
  };
}

/** The first two numbers of a version text; [0, 0] when there are none, which allows nothing. */
export function versionOf(text: string | undefined): Version {
  const match = /(\d+)\.(\d+)/.exec(text ?? '');
  return match === null ? [0, 0] : [Number(match[1]), Number(match[2])];
}

function atLeast(version: Version, wanted: Version): boolean {
  return version[0] > wanted[0] || (version[0] === wanted[0] && version[1] >= wanted[1]);
}
