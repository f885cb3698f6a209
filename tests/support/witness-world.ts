/** A witness as its deciders see it: a prepared machine on which nothing has happened yet. */
import type { World } from '../../charms/witness/src/world.ts';

export const WITNESS_ADDRESS = '10.0.1.10';

export function aWitness(change: Partial<World> = {}): World {
  return {
    model: { name: 'm', uuid: '00000000-0000-4000-8000-000000000000' },
    app: 'witness',
    unit: 'witness/0',
    address: WITNESS_ADDRESS,
    zone: undefined,
    sources: [WITNESS_ADDRESS],
    missingPackages: [],
    user: 'etcd',
    places: {
      config: '/w/etcd.yaml',
      data: '/w/data',
      requestKey: '/w/request/key.pem',
      request: '/w/request/request.json',
      tls: { ca: '/w/tls/ca.pem', cert: '/w/tls/cert.pem', key: '/w/tls/key.pem' },
    },
    relation: undefined,
    metrics: [],
    request: undefined,
    answer: undefined,
    held: undefined,
    loadedAuthority: undefined,
    config: undefined,
    hasData: false,
    counts: false,
    ending: 'none',
    services: {},
    supervised: false,
    openPorts: [],
    ...change,
  };
}
