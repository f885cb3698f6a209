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

const cluster = 'juju_model, juju_model_uuid, juju_application, scope';

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
        'Members disagree about who leads. Stop writing until it is clear which one holds the data.',
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

export const alertRules: RuleGroup[] = [patroni, hosts];
