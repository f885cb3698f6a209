/**
 * Makes this unit's Patroni begin its next round at once: a changed file is read at the beginning
 * of a round, which is up to ten seconds away. Best effort; the round comes by itself.
 */
import { restFiles } from '../model/certificates.ts';
import { PORTS } from '../model/patroni-config.ts';
import type { Snapshot } from '../model/snapshot.ts';

const TIMEOUT_MS = 1000;

export async function beginRound(world: Snapshot): Promise<void> {
  const { unit, appSecret, layout } = world;
  if (unit.address === undefined) return;
  const { createPatroni } = await import('../workload/patroni.ts');
  const patroni = createPatroni({
    addresses: [unit.address],
    port: PORTS.patroni,
    username: 'patroni',
    password: appSecret?.content['patroni-password'] ?? '',
    tls: { ...layout.tls, ca: restFiles(world).ca },
  });
  try {
    // A patch wakes it, also this one, which takes away what nobody has set (patroni/api.py).
    await patroni.patchConfig({ pgcharm: null }, TIMEOUT_MS);
  } catch {
    // It may just be starting, or etcd may be away.
  } finally {
    patroni.close();
  }
}
