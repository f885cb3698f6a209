/** Alertmanager's configuration, as text. Pure. JSON, which is YAML. */

/**
 * One receiver, which tells a webhook or nobody; people look at Alertmanager itself.
 *
 * @param webhookUrl empty: nobody is told
 */
export function alertmanagerConfig(webhookUrl: string): string {
  const webhook = webhookUrl === '' ? {} : { webhook_configs: [{ url: webhookUrl }] };
  const config = {
    route: {
      receiver: 'people',
      group_by: ['juju_model', 'juju_application', 'alertname'],
      group_wait: '10s',
      group_interval: '1m',
      repeat_interval: '12h',
    },
    receivers: [{ name: 'people', ...webhook }],
    inhibit_rules: [
      {
        // A unit that is gone explains what cannot be seen of it.
        source_matchers: ['alertname="PostgresqlTargetDown"'],
        target_matchers: ['severity="warning"'],
        equal: ['juju_model', 'juju_application', 'juju_unit'],
      },
    ],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
