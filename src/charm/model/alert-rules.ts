/**
 * The alert rules that the charm ships, as data. Each is about a metric that Patroni or the agent
 * really exposes; `%%topology%%` becomes matchers of this application's labels.
 */
import type { Rule, RuleGroup } from '../../../lib/relations/cos-agent.ts';

type Severity = 'critical' | 'warning';

function alert(
  name: string,
  { expr, after, severity }: { expr: string; after: string; severity: Severity },
  [summary, description]: [summary: string, description: string],
): Rule {
  return {
    alert: name,
    expr,
    for: after,
    labels: { severity },
    annotations: { summary, description },
  };
}

/** One result for a cluster, however many units report it. */
const application = 'juju_model, juju_application';
const cluster = `${application}, scope`;

const patroni: RuleGroup = {
  name: 'patroni',
  rules: [
    alert(
      'PatroniPostgresqlDown',
      { expr: 'patroni_postgres_running{%%topology%%} == 0', after: '1m', severity: 'critical' },
      [
        'PostgreSQL is down on {{ $labels.juju_unit }}',
        'Patroni runs there and PostgreSQL does not. See the log of the unit.',
      ],
    ),
    alert(
      'PatroniHasNoLeader',
      {
        expr:
          `(max by (${cluster}) (patroni_primary{%%topology%%}) < 1) and ` +
          `(max by (${cluster}) (patroni_standby_leader{%%topology%%}) < 1)`,
        after: '1m',
        severity: 'critical',
      },
      [
        'Cluster {{ $labels.scope }} has no primary',
        'No member takes writes. Look at get-primary and at the units that are down.',
      ],
    ),
    alert(
      'PatroniMultipleLeaders',
      {
        expr: `sum by (${cluster}) (patroni_primary{%%topology%%}) > 1`,
        // Two members are scraped at different moments of a switchover.
        after: '1m',
        severity: 'critical',
      },
      [
        'Cluster {{ $labels.scope }} has more than one primary',
        'Members disagree about who leads. Stop writing until it is clear which holds the data.',
      ],
    ),
    alert(
      'PatroniClusterUnlocked',
      {
        expr: `max by (${cluster}) (patroni_cluster_unlocked{%%topology%%}) > 0`,
        after: '2m',
        severity: 'warning',
      },
      [
        'Nobody holds the leader lock of cluster {{ $labels.scope }}',
        'etcd cannot be reached or has no majority. In failsafe mode the primary goes on alone.',
      ],
    ),
    alert(
      'PatroniStoreUnreachable',
      {
        expr: 'time() - patroni_dcs_last_seen{%%topology%%} > 60',
        after: '1m',
        severity: 'warning',
      },
      [
        '{{ $labels.juju_unit }} has not reached etcd for a minute',
        'A member that does not reach etcd takes no part in a failover.',
      ],
    ),
    alert(
      'PatroniReplicaLagging',
      {
        expr:
          `max by (${cluster}) (patroni_xlog_location{%%topology%%}) ` +
          `- on (${cluster}) group_right () ` +
          '(patroni_xlog_replayed_location{%%topology%%} and patroni_replica{%%topology%%} == 1) ' +
          '> 104857600',
        after: '5m',
        severity: 'warning',
      },
      [
        'Replica {{ $labels.juju_unit }} is more than 100 MiB behind',
        'Reads there are old, and a failover to it would take long or be refused.',
      ],
    ),
    alert(
      'PatroniFailoverPaused',
      { expr: 'patroni_is_paused{%%topology%%} == 1', after: '30m', severity: 'warning' },
      [
        'Automatic failover of cluster {{ $labels.scope }} is switched off',
        'Somebody has paused Patroni. Resume it when the maintenance is over.',
      ],
    ),
    alert(
      'PatroniPendingRestart',
      { expr: 'patroni_pending_restart{%%topology%%} == 1', after: '1h', severity: 'warning' },
      [
        'PostgreSQL on {{ $labels.juju_unit }} waits for a restart',
        'A changed setting takes effect only after a restart.',
      ],
    ),
  ],
};

const hosts: RuleGroup = {
  name: 'hosts',
  rules: [
    alert(
      'PostgresqlTargetDown',
      { expr: 'up{%%topology%%} == 0', after: '2m', severity: 'critical' },
      [
        '{{ $labels.instance }} of {{ $labels.juju_unit }} does not answer',
        'The unit is down or cannot be reached from the monitoring.',
      ],
    ),
  ],
};

const members: RuleGroup = {
  name: 'members',
  rules: [
    alert(
      'PostgresqlReplicaNotStreaming',
      {
        expr:
          `max by (${application}, member) (pgcharm_cluster_member_streaming{%%topology%%}) == 0 ` +
          `unless max by (${application}, member) ` +
          '(pgcharm_cluster_member_role{%%topology%%, role=~"primary|standby-leader"}) == 1',
        after: '5m',
        severity: 'warning',
      },
      [
        'Replica {{ $labels.member }} does not stream from the primary',
        'It cannot take over, and with synchronous replication commits may wait for it.',
      ],
    ),
    alert(
      'EtcdMemberUnhealthy',
      {
        expr: `max by (${application}, member) (pgcharm_etcd_member_healthy{%%topology%%}) == 0`,
        after: '2m',
        severity: 'warning',
      },
      [
        'No unit reaches the etcd voter {{ $labels.member }}',
        'With a majority of the voters lost no failover can happen.',
      ],
    ),
    alert(
      'AgentCannotWakeCharm',
      { expr: 'pgcharm_agent_wake_failures{%%topology%%} > 3', after: '10m', severity: 'warning' },
      [
        'The agent of {{ $labels.juju_unit }} cannot reach its controller',
        'The database goes on; changes wait until the controller is back.',
      ],
    ),
  ],
};

const pooler: RuleGroup = {
  name: 'pooler',
  rules: [
    alert(
      'PgbouncerDown',
      { expr: 'pgcharm_pooler_up{%%topology%%} == 0', after: '2m', severity: 'critical' },
      [
        'The pooler of {{ $labels.juju_unit }} does not answer',
        'Clients that name one host only cannot connect there.',
      ],
    ),
    alert(
      'PgbouncerPaused',
      { expr: 'pgcharm_pooler_paused{%%topology%%} == 1', after: '2m', severity: 'critical' },
      [
        'The pooler of {{ $labels.juju_unit }} holds its clients',
        'A switchover pauses for seconds. Somebody else has paused it, or a switchover hangs.',
      ],
    ),
    alert(
      'PgbouncerClientsWaiting',
      {
        expr: 'pgcharm_pooler_clients{%%topology%%, state="waiting"} > 0',
        after: '5m',
        severity: 'warning',
      },
      [
        'Clients of {{ $labels.juju_unit }} wait for a server connection',
        'All connections of a pool are in use: look for long transactions.',
      ],
    ),
  ],
};

const backup: RuleGroup = {
  name: 'backup',
  rules: [
    alert(
      'BackupTooOld',
      {
        expr:
          `(time() - max by (${application}) ` +
          '(pgcharm_backup_last_stop_timestamp_seconds{%%topology%%}) > 604800) ' +
          `and on (${application}) ` +
          `(max by (${application}) (pgcharm_backup_count{%%topology%%}) > 0)`,
        after: '10m',
        severity: 'warning',
      },
      [
        'The newest backup of {{ $labels.juju_application }} is older than a week',
        'Run create-backup, and find out why none was made.',
      ],
    ),
    alert(
      'BackupNotArchiving',
      {
        expr:
          `(max by (${application}) (pgcharm_backup_archiving{%%topology%%}) == 0) ` +
          `and on (${application}) ` +
          `(max by (${application}) (pgcharm_backup_repository_ok{%%topology%%}) == 1)`,
        after: '10m',
        severity: 'critical',
      },
      [
        'The write-ahead log of {{ $labels.juju_application }} is not archived',
        'Nothing after the newest backup could be restored, and the log fills the disk.',
      ],
    ),
  ],
};

export const alertRules: RuleGroup[] = [patroni, members, pooler, backup, hosts];
