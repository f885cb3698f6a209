/** etcd in memory: keys with revisions, transactions and leases; membership is left out. */
import type { EtcdPort, EtcdValue } from '../../../src/charm/workload/ports.ts';

type Fake = Pick<
  EtcdPort,
  'get' | 'range' | 'put' | 'delete' | 'deletePrefix' | 'txn' | 'grant' | 'keepAlive' | 'revoke'
>;

/** Membership calls throw: whoever needs them uses a real etcd. */
export function fakeEtcd(): EtcdPort {
  const keys = new Map<string, EtcdValue & { lease: string | undefined }>();
  const leases = new Set<string>();
  let revision = 1;

  const put = (key: string, value: string, lease?: string) => {
    const modRevision = ++revision;
    const createRevision = keys.get(key)?.createRevision ?? modRevision;
    keys.set(key, { key, value, createRevision, modRevision, lease });
  };
  const fake: Fake = {
    get: async (key) => keys.get(key),
    range: async (prefix) => [...keys.values()].filter(({ key }) => key.startsWith(prefix)),
    put: async (key, value, lease) => put(key, value, lease),
    async delete(key) {
      keys.delete(key);
    },
    async deletePrefix(prefix) {
      for (const key of keys.keys()) if (key.startsWith(prefix)) keys.delete(key);
    },
    async txn(compare, operations) {
      const holds = compare.every((each) => {
        return (keys.get(each.key)?.modRevision ?? 0) === each.modRevision;
      });
      if (!holds) return false;
      for (const operation of operations) {
        if ('put' in operation) put(operation.put, operation.value, operation.lease);
        else keys.delete(operation.delete);
      }
      return true;
    },
    async grant() {
      const lease = String(++revision);
      leases.add(lease);
      return lease;
    },
    keepAlive: async (lease) => (leases.has(lease) ? 10 : 0),
    async revoke(lease) {
      leases.delete(lease);
      for (const [key, entry] of keys) if (entry.lease === lease) keys.delete(key);
    },
  };
  return fake as EtcdPort;
}
