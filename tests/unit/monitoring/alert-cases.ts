/**
 * For each alert rule of the charm: samples under which it fires, and samples, as close to those
 * as they can be, under which it does not. Values are in promtool's notation, one per minute;
 * labels of the application are added by the test.
 */
export interface AlertCase {
  /** When it is looked at. */
  at: string;
  fires: Readonly<Record<string, string>>;
  silent: Readonly<Record<string, string>>;
}

const unit = 'juju_unit="pg/0"';
const other = 'juju_unit="pg/1"';
const database = `${unit}, datname="shop"`;
const stanza = `${unit}, stanza="main.pg"`;
const scope = `${unit}, scope="pg"`;
const otherScope = `${other}, scope="pg"`;

/** One gauge that is too much for as long as it takes, and one that is not. */
function gauge(series: string, [bad, good]: [string, string], at: string): AlertCase {
  const minutes = Number.parseInt(at, 10);
  return {
    at,
    fires: { [series]: `${bad}x${minutes}` },
    silent: { [series]: `${good}x${minutes}` },
  };
}

const postgresql: Record<string, AlertCase> = {
  PostgresqlDown: gauge(`pg_up{${unit}}`, ['0', '1'], '2m'),
  PostgresqlExporterError: gauge(`pg_exporter_last_scrape_error{${unit}}`, ['1', '0'], '6m'),
  PostgresqlTooManyConnections: {
    at: '4m',
    fires: {
      [`pg_stat_activity_count{${database}, state="idle"}`]: '41x10',
      [`pg_stat_activity_count{${database}, state="active"}`]: '40x10',
      [`pg_settings_max_connections{${unit}}`]: '100x10',
    },
    silent: {
      [`pg_stat_activity_count{${database}, state="idle"}`]: '40x10',
      [`pg_stat_activity_count{${database}, state="active"}`]: '40x10',
      [`pg_settings_max_connections{${unit}}`]: '100x10',
    },
  },
  PostgresqlDeadlocks: {
    at: '8m',
    fires: { [`pg_stat_database_deadlocks{${database}}`]: '0+2x10' },
    silent: { [`pg_stat_database_deadlocks{${database}}`]: '0+1x10' },
  },
  PostgresqlLongTransaction: {
    at: '10m',
    fires: {
      [`pg_stat_activity_max_tx_duration{${database}, state="idle in transaction"}`]: '3601x10',
    },
    silent: {
      [`pg_stat_activity_max_tx_duration{${database}, state="idle in transaction"}`]: '3600x10',
      [`pg_stat_activity_max_tx_duration{${database}, state="disabled"}`]: '9000x10',
    },
  },
  PostgresqlManyRollbacks: {
    at: '20m',
    fires: {
      [`pg_stat_database_xact_rollback{${database}}`]: '0+300x30',
      [`pg_stat_database_xact_commit{${database}}`]: '0+600x30',
    },
    silent: {
      [`pg_stat_database_xact_rollback{${database}}`]: '0+300x30',
      [`pg_stat_database_xact_commit{${database}}`]: '0+3000x30',
    },
  },
  PostgresqlTooManyLocks: {
    at: '4m',
    fires: {
      [`pg_locks_count{${database}, mode="accesssharelock"}`]: '3201x10',
      [`pg_settings_max_locks_per_transaction{${unit}}`]: '64x10',
      [`pg_settings_max_connections{${unit}}`]: '100x10',
    },
    silent: {
      [`pg_locks_count{${database}, mode="accesssharelock"}`]: '3200x10',
      [`pg_settings_max_locks_per_transaction{${unit}}`]: '64x10',
      [`pg_settings_max_connections{${unit}}`]: '100x10',
    },
  },
  PostgresqlTemporaryFiles: {
    at: '12m',
    fires: { [`pg_stat_database_temp_bytes{${database}}`]: '0+3000000000x20' },
    silent: { [`pg_stat_database_temp_bytes{${database}}`]: '0+1000000000x20' },
  },
  PostgresqlLowCacheHits: {
    at: '50m',
    fires: {
      [`pg_stat_database_blks_hit{${database}}`]: '0+70000x60',
      [`pg_stat_database_blks_read{${database}}`]: '0+70000x60',
    },
    silent: {
      [`pg_stat_database_blks_hit{${database}}`]: '0+700000x60',
      [`pg_stat_database_blks_read{${database}}`]: '0+70000x60',
    },
  },
  PostgresqlDamagedPages: {
    at: '30m',
    fires: { [`pgcharm_server_damaged_pages{${unit}}`]: '0x20 1x20' },
    silent: { [`pgcharm_server_damaged_pages{${unit}}`]: '1x40' },
  },
  PostgresqlArchivingFails: {
    at: '20m',
    fires: { [`pg_stat_archiver_failed_count{${unit}}`]: '0+1x30' },
    silent: { [`pg_stat_archiver_failed_count{${unit}}`]: '0x10 1x20' },
  },
};

const patroni: Record<string, AlertCase> = {
  PatroniPostgresqlDown: gauge(`patroni_postgres_running{${scope}}`, ['0', '1'], '2m'),
  PatroniHasNoLeader: {
    at: '3m',
    fires: {
      [`patroni_primary{${scope}}`]: '0x10',
      [`patroni_primary{${otherScope}}`]: '0x10',
      [`patroni_standby_leader{${scope}}`]: '0x10',
    },
    silent: {
      [`patroni_primary{${scope}}`]: '0x10',
      [`patroni_primary{${otherScope}}`]: '1x10',
      [`patroni_standby_leader{${scope}}`]: '0x10',
    },
  },
  PatroniMultipleLeaders: {
    at: '3m',
    fires: { [`patroni_primary{${scope}}`]: '1x10', [`patroni_primary{${otherScope}}`]: '1x10' },
    silent: { [`patroni_primary{${scope}}`]: '1x10', [`patroni_primary{${otherScope}}`]: '0x10' },
  },
  PatroniClusterUnlocked: gauge(`patroni_cluster_unlocked{${scope}}`, ['1', '0'], '4m'),
  PatroniStoreUnreachable: {
    at: '5m',
    fires: { [`patroni_dcs_last_seen{${scope}}`]: '0x10' },
    silent: { [`patroni_dcs_last_seen{${scope}}`]: '0+60x10' },
  },
  PatroniReplicaLagging: {
    at: '8m',
    fires: {
      [`patroni_xlog_location{${scope}}`]: '300000000x10',
      [`patroni_xlog_replayed_location{${otherScope}}`]: '100000000x10',
      [`patroni_replica{${otherScope}}`]: '1x10',
    },
    silent: {
      [`patroni_xlog_location{${scope}}`]: '300000000x10',
      [`patroni_xlog_replayed_location{${otherScope}}`]: '299000000x10',
      [`patroni_replica{${otherScope}}`]: '1x10',
    },
  },
  PatroniFailoverPaused: gauge(`patroni_is_paused{${scope}}`, ['1', '0'], '35m'),
  PatroniPendingRestart: gauge(`patroni_pending_restart{${scope}}`, ['1', '0'], '65m'),
};

const pgbouncer: Record<string, AlertCase> = {
  PgbouncerDown: gauge(`pgbouncer_up{${unit}}`, ['0', '1'], '4m'),
  PgbouncerPaused: gauge(`pgbouncer_databases_paused{${unit}, name="shop"}`, ['1', '0'], '4m'),
  PgbouncerNoPrimary: gauge(`pgcharm_pooler_has_primary{${unit}}`, ['0', '1'], '4m'),
  PgbouncerClientsWaiting: gauge(
    `pgbouncer_pools_client_waiting_connections{${unit}, database="shop"}`,
    ['3', '0'],
    '7m',
  ),
  PgbouncerLongWait: gauge(
    `pgbouncer_pools_client_maxwait_seconds{${unit}, database="shop"}`,
    ['31', '30'],
    '3m',
  ),
  PgbouncerClientLimit: {
    at: '4m',
    fires: {
      [`pgbouncer_used_clients{${unit}}`]: '81x10',
      [`pgbouncer_config_max_client_connections{${unit}}`]: '100x10',
    },
    silent: {
      [`pgbouncer_used_clients{${unit}}`]: '80x10',
      [`pgbouncer_config_max_client_connections{${unit}}`]: '100x10',
    },
  },
};

const pgbackrest: Record<string, AlertCase> = {
  PgBackRestStanzaError: gauge(`pgbackrest_stanza_status{${stanza}}`, ['1', '2'], '7m'),
  PgBackRestRepoError: gauge(`pgbackrest_repo_status{${stanza}, repo_key="1"}`, ['99', '0'], '7m'),
  PgBackRestNoBackup: gauge(`pgbackrest_stanza_status{${stanza}}`, ['2', '0'], '1500m'),
  PgBackRestBackupError: gauge(
    `pgbackrest_backup_last_error_status{${stanza}, backup_type="full"}`,
    ['1', '0'],
    '7m',
  ),
  PgBackRestBackupTooOld: {
    at: '15m',
    fires: {
      [`pgbackrest_backup_since_last_completion_seconds{${stanza}, backup_type="incr"}`]:
        '604801x20',
    },
    silent: {
      [`pgbackrest_backup_since_last_completion_seconds{${stanza}, backup_type="full"}`]:
        '900000x20',
      [`pgbackrest_backup_since_last_completion_seconds{${stanza}, backup_type="incr"}`]: '60x20',
    },
  },
  PgBackRestExporterError: {
    at: '15m',
    fires: { [`pgbackrest_exporter_status{${unit}}`]: '0x20' },
    silent: {
      [`pgbackrest_exporter_status{${unit}}`]: '0x20',
      [`pgbackrest_exporter_status{${other}}`]: '1x20',
    },
  },
  PgBackRestNotArchiving: {
    at: '15m',
    fires: {
      [`pgcharm_backup_archiving{${unit}}`]: '0x20',
      [`pgcharm_backup_repository_ok{${unit}}`]: '1x20',
    },
    silent: {
      [`pgcharm_backup_archiving{${unit}}`]: '0x20',
      [`pgcharm_backup_repository_ok{${unit}}`]: '0x20',
    },
  },
};

const etcd: Record<string, AlertCase> = {
  EtcdNoLeader: gauge(`etcd_server_has_leader{${unit}}`, ['0', '1'], '3m'),
  EtcdMemberUnhealthy: gauge(
    `pgcharm_etcd_member_healthy{${unit}, member="pg-1"}`,
    ['0', '1'],
    '4m',
  ),
  EtcdLeaderChanges: {
    at: '30m',
    fires: { [`etcd_server_leader_changes_seen_total{${unit}}`]: '0+1x40' },
    silent: { [`etcd_server_leader_changes_seen_total{${unit}}`]: '0x10 1x40' },
  },
  EtcdSlowDisk: {
    at: '25m',
    fires: {
      [`etcd_disk_wal_fsync_duration_seconds_bucket{${unit}, le="0.512"}`]: '0+90x40',
      [`etcd_disk_wal_fsync_duration_seconds_bucket{${unit}, le="1.024"}`]: '0+100x40',
      [`etcd_disk_wal_fsync_duration_seconds_bucket{${unit}, le="+Inf"}`]: '0+100x40',
    },
    silent: {
      [`etcd_disk_wal_fsync_duration_seconds_bucket{${unit}, le="0.128"}`]: '0+100x40',
      [`etcd_disk_wal_fsync_duration_seconds_bucket{${unit}, le="0.512"}`]: '0+100x40',
      [`etcd_disk_wal_fsync_duration_seconds_bucket{${unit}, le="+Inf"}`]: '0+100x40',
    },
  },
  EtcdProposalsFail: {
    at: '15m',
    fires: { [`etcd_server_proposals_failed_total{${unit}}`]: '0+60x20' },
    silent: { [`etcd_server_proposals_failed_total{${unit}}`]: '0+1x20' },
  },
  EtcdAlmostFull: {
    at: '15m',
    fires: {
      [`etcd_mvcc_db_total_size_in_bytes{${unit}}`]: '81x20',
      [`etcd_server_quota_backend_bytes{${unit}}`]: '100x20',
    },
    silent: {
      [`etcd_mvcc_db_total_size_in_bytes{${unit}}`]: '80x20',
      [`etcd_server_quota_backend_bytes{${unit}}`]: '100x20',
    },
  },
};

const agent: Record<string, AlertCase> = {
  PostgresqlReplicaNotStreaming: {
    at: '8m',
    fires: {
      [`pgcharm_cluster_member_streaming{${unit}, member="pg-1"}`]: '0x10',
      [`pgcharm_cluster_member_role{${unit}, member="pg-1", role="replica"}`]: '1x10',
    },
    silent: {
      [`pgcharm_cluster_member_streaming{${unit}, member="pg-1"}`]: '0x10',
      [`pgcharm_cluster_member_role{${unit}, member="pg-1", role="primary"}`]: '1x10',
    },
  },
  AgentKnowsNoCluster: gauge(`pgcharm_cluster_known{${unit}}`, ['0', '1'], '7m'),
  AgentCannotWakeCharm: gauge(`pgcharm_agent_wake_failures{${unit}}`, ['4', '3'], '12m'),
  PostgresqlTargetDown: gauge(`up{${unit}, job="pg_patroni"}`, ['0', '1'], '4m'),
};

export const alertCases: Readonly<Record<string, AlertCase>> = {
  ...postgresql,
  ...patroni,
  ...pgbouncer,
  ...pgbackrest,
  ...etcd,
  ...agent,
};
