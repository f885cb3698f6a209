/** Applications and units as rows, each unit on a machine of its own. */
import type { Store } from '../../src/controller/state/store.ts';

/** @param applications how many units each has */
export function fillModel(store: Store, applications: Record<string, number>): void {
  store.run(
    `INSERT INTO charm (id, name, revision, sha256, metadata, config, actions, manifest, created)
     VALUES (1, 'tiny', 1, 'x', '{}', '{}', '{}', '{}', 0)`,
  );
  let machine = 0;
  for (const [application, units] of Object.entries(applications)) {
    const sql = 'INSERT INTO application (name, charm_id, created) VALUES (?, 1, 0)';
    store.run(sql, application);
    for (let number = 0; number < units; number += 1) {
      const id = String(machine++);
      store.run(
        `INSERT INTO machine (id, address, hostname, created, status_since)
         VALUES (?, ?, 'h', 0, 0)`,
        id,
        `127.99.1.${10 + Number(id)}`,
      );
      store.run(
        `INSERT INTO unit (name, application, number, machine_id, created, workload_since,
           agent_since) VALUES (?, ?, ?, ?, 0, 0, 0)`,
        `${application}/${number}`,
        application,
        number,
        id,
      );
    }
  }
}
