/**
 * A unit in memory that is related to providers of certificates: what it asks, what they answer,
 * and which of its files count. Certificates are words here; real ones are tested elsewhere.
 */
import { requestsData } from '../../lib/relations/tls-certificates.ts';
import { digestOf } from '../../lib/std/digest.ts';
import { Secret } from '../../lib/std/secret.ts';
import {
  CERTIFICATE_ENDPOINTS,
  type CertificateEndpoint,
  type CertificateState,
  certificateFiles,
  type Fault,
  markerFile,
} from '../../src/charm/model/certificates.ts';
import type { Relation, Snapshot } from '../../src/charm/model/snapshot.ts';
import { type Committed, type Effects, UnitWorld } from './world.ts';

type Bag = Record<string, string>;

interface TlsCommitted extends Committed {
  /** Content of the unit's secrets, by endpoint. */
  requests: Record<string, Bag>;
  /** The unit's databags, by endpoint. */
  bags: Record<string, Bag>;
}

export interface Provider {
  /** Name of the CA that signs; undefined: it signs nothing. */
  authority: string | undefined;
  revoked: string[];
  fault: Fault | undefined;
  /** Certificates are near their end, or past it. */
  age: 'young' | 'due' | 'expired';
  ending: boolean;
}

export const provider = (change: Partial<Provider> = {}): Provider => ({
  authority: 'first CA',
  revoked: [],
  fault: undefined,
  age: 'young',
  ending: false,
  ...change,
});

export class TlsWorld extends UnitWorld {
  providers: Partial<Record<CertificateEndpoint, Provider>> = {};
  hostName: string | undefined = 'machine-1';
  settled = true;
  #asked = 0;
  override committed: TlsCommitted = { ...new UnitWorld().committed, requests: {}, bags: {} };

  /** Whom the unit shows to clients: the CA of the certificate that its configurations name. */
  shown(): { postgres: boolean; pooler: boolean; ca: string | undefined; files: string[] } {
    const { layout } = this.snapshot();
    const patroni = this.files[layout.patroniConfig] ?? '';
    const cert = /"ssl_cert_file": "([^"]*)"/.exec(patroni)?.[1];
    return {
      postgres: cert !== undefined && this.files[cert] !== undefined,
      pooler: cert !== undefined && this.desired()?.pooler.tls?.cert === cert,
      ca: / of (.*) for /.exec(this.files[cert ?? ''] ?? '')?.[1],
      files: Object.keys(this.files).filter((path) => /\/tls\/(client|peer)-/.test(path)),
    };
  }

  override secrets(): string[] {
    const keys = Object.values(this.committed.requests).map((each) => each['private-key'] ?? '');
    return [...super.secrets(), ...keys];
  }

  override snapshot(from: Committed = this.committed): Snapshot {
    const pending = from as TlsCommitted;
    const base = super.snapshot(from);
    const related = CERTIFICATE_ENDPOINTS.filter((endpoint) => this.providers[endpoint]);
    const relations = related.map(
      (endpoint, index): Relation => ({
        endpoint,
        id: 10 + index,
        app: 'ca',
        ending: this.providers[endpoint]?.ending ?? false,
        localApp: {},
        localUnit: pending.bags[endpoint] ?? {},
        remoteApp: {},
        units: [],
      }),
    );
    const endpoints = CERTIFICATE_ENDPOINTS.map((endpoint) => [
      endpoint,
      this.#state(endpoint, pending, base),
    ]);
    return {
      ...base,
      relations,
      certificates: {
        endpoints: Object.fromEntries(endpoints),
        hostName: this.hostName,
        received: [],
        settled: this.settled,
      },
    };
  }

  #state(endpoint: CertificateEndpoint, { requests, bags }: TlsCommitted, { layout }: Snapshot) {
    const { csr = '', names = '', 'private-key': key = '' } = requests[endpoint] ?? {};
    const asked = requestsData([{ csr, isCa: false }]);
    const answers = JSON.stringify(bags[endpoint]) === JSON.stringify(asked);
    const { authority, revoked, fault, age } = this.providers[endpoint] ?? provider();
    const id = digestOf(`${csr} ${authority}`);
    const marker = JSON.parse(this.files[markerFile(layout, endpoint)] ?? '{}');
    const files = certificateFiles(layout, endpoint, marker.id);
    const present = this.files[files.cert] !== undefined && this.files[files.key] !== undefined;
    const state: CertificateState = {
      request: csr === '' ? undefined : { csr, names },
      offer:
        authority === undefined || csr === '' || !answers
          ? undefined
          : {
              id,
              chain: `certificate of ${authority} for ${csr}`,
              key: new Secret(key),
              authority,
              revoked: revoked.includes(csr),
              fault: age === 'expired' ? 'expired' : fault,
              due: age !== 'young',
            },
      held: present ? { ...marker, expired: age === 'expired', lookAt: [1000, 2000] } : undefined,
    };
    return state;
  }

  protected override effects(): Effects {
    return {
      ...super.effects(),
      'request-certificate': ({ endpoint, names }, pending) => {
        const number = ++this.#asked;
        (pending as TlsCommitted).requests[endpoint] = {
          csr: `request ${number}`,
          names: JSON.stringify(names),
          'private-key': `secret key number ${number}`,
        };
      },
      'forget-request': ({ endpoint }, pending) => {
        delete (pending as TlsCommitted).requests[endpoint];
      },
      'relation-set': ({ endpoint, data }, pending) => {
        const set = Object.entries(data).filter((entry): entry is [string, string] => !!entry[1]);
        (pending as TlsCommitted).bags[endpoint] = Object.fromEntries(set);
      },
      'remove-files': ({ paths }) => {
        const kept = Object.entries(this.files).filter(([path]) => !paths.includes(path));
        this.files = Object.fromEntries(kept);
      },
    };
  }
}
