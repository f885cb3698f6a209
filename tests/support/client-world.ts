/**
 * A world for the deciders about clients: databases and roles that change at once, databags and
 * secrets that change when a hook succeeds, poolers that learn of users when agents get to it.
 */
import { reconcile as run, type StepTable } from '../../lib/charm/reconcile.ts';
import { userSecret } from '../../lib/relations/postgresql-client.ts';
import { clients } from '../../src/charm/decide/clients.ts';
import { NO_CERTIFICATES } from '../../src/charm/model/certificates.ts';
import type { Relation, Snapshot } from '../../src/charm/model/snapshot.ts';
import type { Steps } from '../../src/charm/model/steps.ts';
import { known, type Observed, type PeerView, unknown } from '../../src/charm/model/world.ts';

type Bag = Record<string, string>;
export interface Client {
  id: number;
  app: string;
  remoteApp: Bag;
  units: { name: string; data: Bag }[];
  ending?: boolean;
}

/** What a hook writes and what is lost when it fails. */
interface Committed {
  bags: Record<number, Bag>;
  secrets: Record<string, { id: string; content: Bag; grants: number[] }>;
}

export class ClientWorld {
  clients: Client[] = [];
  databases: string[] = ['postgres'];
  roles: { name: string; login: boolean; superuser: boolean; memberOf: string[] }[] = [];
  /** The password that each login really has. */
  passwords: Record<string, string> = {};
  committed: Committed = { bags: {}, secrets: {} };
  primary: string | undefined = 'postgresql-0';
  unreachable: string[] = [];
  poolerUsers: string[] = [];
  /** Roles that the own PostgreSQL's access rules name; undefined: those the pooler knows. */
  ownRules: string[] | undefined;
  isLeader = true;
  #made = 0;

  /** One hook on the leader. @param dieBefore number of the step before which the process dies */
  async hook(dieBefore = Number.POSITIVE_INFINITY) {
    const pending = structuredClone(this.committed);
    let steps = 0;
    const plan: string[] = [];
    try {
      const outcome = await run<Snapshot, Steps, Committed>({
        observe: async () => this.snapshot(pending),
        deciders: [clients],
        steps: this.#table(),
        tools: pending,
        onStep: (step) => {
          if (steps++ === dieBefore) throw new Error('killed');
          plan.push(JSON.stringify(step));
        },
      });
      this.committed = pending;
      return { findings: outcome.findings, plan, kinds: outcome.applied.map((step) => step.kind) };
    } catch (error) {
      if (!(error instanceof Error && error.message === 'killed')) throw error;
      return { findings: [], plan, kinds: [] };
    }
  }

  /** The agents of all units that are reachable take over what the databases say. */
  agentsCatchUp(): void {
    this.poolerUsers = this.roles.filter((role) => role.login).map((role) => role.name);
  }

  /** Hooks and agents until nothing changes; at most ten rounds. */
  async settle(): Promise<void> {
    for (let round = 0; round < 10; round++) {
      const { kinds } = await this.hook();
      this.agentsCatchUp();
      if (kinds.length === 0 && round > 0) return;
    }
    throw new Error('does not settle');
  }

  snapshot(from: Committed = this.committed): Snapshot {
    const peer = (name: string): Observed<PeerView> =>
      this.unreachable.includes(name)
        ? unknown('no answer')
        : known({ generation: 1, poolerUsers: this.poolerUsers, hbaUsers: this.poolerUsers });
    const members = [0, 1, 2].map((n) => ({
      name: `postgresql-${n}`,
      role: this.primary === `postgresql-${n}` ? 'primary' : 'replica',
      streaming: this.primary !== `postgresql-${n}`,
    }));
    const agent = {
      cluster: known({ members }),
      database:
        this.primary === undefined
          ? unknown('no primary')
          : known({
              serverVersion: '15.18 (Debian 15.18-0)',
              databases: [...this.databases],
              roles: structuredClone(this.roles),
            }),
      pooler: known({ users: this.poolerUsers }),
      local: known({ hbaUsers: this.ownRules ?? this.poolerUsers }),
      peers: { 'postgresql/1': peer('postgresql/1'), 'postgresql/2': peer('postgresql/2') },
    };
    return {
      app: 'postgresql',
      unit: {
        name: 'postgresql/0',
        isLeader: this.isLeader,
        clientAddress: '10.0.0.10',
        egress: ['10.0.0.10/32'],
        dying: false,
      },
      peers: {
        others: [1, 2].map((n) => ({
          name: `postgresql/${n}`,
          data: { 'database-address': `10.0.0.1${n}`, 'egress-subnets': `10.0.0.1${n}/32` },
          dying: false,
        })),
      },
      relations: this.clients.map(
        (client): Relation => ({
          endpoint: 'database',
          id: client.id,
          app: client.app,
          ending: client.ending ?? false,
          localApp: from.bags[client.id] ?? {},
          localUnit: {},
          remoteApp: client.remoteApp,
          units: client.units,
        }),
      ),
      ...{ certificates: NO_CERTIFICATES, config: {} },
      machine: { memoryBytes: 4 * 1024 ** 3, cpus: 2, packages: {} },
      named: { 'time-zone': [], locale: [], library: [] },
      relationSecrets: from.secrets,
      grantedSecrets: {},
      agent: known(agent),
    } as unknown as Snapshot;
  }

  /** The steps' effects, as src/charm/apply has them. */
  #table(): StepTable<Steps, Committed> {
    const table: Partial<StepTable<Steps, Committed>> = {
      'ensure-database': this.#step(({ database }) => {
        if (!this.databases.includes(database)) this.databases.push(database);
      }),
      'issue-credentials': this.#step((wish, { secrets }) => {
        const label = `database.${wish.relationId}.user.secret`;
        const password = secrets[label]?.content['password'] ?? `made-${this.#made++}`;
        const memberOf = ['relation_access', `charmed_${wish.facts.database}_admin`];
        this.roles = this.roles.filter((role) => role.name !== wish.role);
        this.roles.push({ name: wish.role, login: true, superuser: false, memberOf });
        this.passwords[wish.role] = password;
        const content = userSecret({ username: wish.role, password }, wish.facts, wish.wants);
        secrets[label] = { id: `user${wish.relationId}`, content, grants: [] };
      }),
      'update-credentials': this.#step((wish, { secrets }) => {
        const secret = secrets[`database.${wish.relationId}.user.secret`];
        const password = secret?.content['password'] ?? '';
        if (secret === undefined) return;
        secret.content = userSecret({ username: wish.role, password }, wish.facts, wish.wants);
      }),
      'issue-tls-secret': this.#step(({ relationId }, { secrets }) => {
        const content = { tls: 'False', 'tls-ca': '' };
        secrets[`database.${relationId}.tls.secret`] = {
          id: `tls${relationId}`,
          content,
          grants: [],
        };
      }),
      'publish-secret': this.#step(({ relationId, key, label }, { secrets, bags }) => {
        const secret = secrets[label];
        if (secret === undefined) throw new Error(`there is no ${label}`);
        secret.grants.push(relationId);
        bags[relationId] = { ...bags[relationId], [key]: `secret:${secret.id}` };
      }),
      'relation-set': this.#step(({ relationId, data }, { bags }) => {
        const merged = Object.entries({ ...bags[relationId], ...data });
        const kept = merged.filter((entry): entry is [string, string] => entry[1] !== undefined);
        bags[relationId] = Object.fromEntries(kept);
      }),
      'drop-client': this.#step(({ role }) => {
        this.roles = this.roles.filter(({ name }) => name !== role);
      }),
      'remove-secret': this.#step(({ label }, { secrets }) => {
        delete secrets[label];
      }),
    };
    return table as StepTable<Steps, Committed>;
  }

  #step<Args>(effect: (args: Args, pending: Committed) => void) {
    return {
      lane: 'all',
      async apply(args: Args, pending: Committed) {
        effect(args, pending);
        return undefined;
      },
    };
  }
}
