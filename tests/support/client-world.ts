/**
 * A world for the deciders about clients: databases and roles that change at once, databags and
 * secrets that change when a hook succeeds, poolers that learn of users when agents get to it.
 */
import { reconcile as run, type StepTable } from '../../lib/charm/reconcile.ts';
import { loginOf, loginSecret } from '../../lib/relations/postgresql-client.ts';
import { grantedObject } from '../../lib/relations/postgresql-client-permissions.ts';
import { parseRequests } from '../../lib/relations/postgresql-client-request.ts';
import { accessRules } from '../../src/charm/decide/access.ts';
import { clientNames } from '../../src/charm/decide/client-names.ts';
import { clients } from '../../src/charm/decide/clients.ts';
import { roles } from '../../src/charm/decide/roles.ts';
import { type Certificates, NO_CERTIFICATES } from '../../src/charm/model/certificates.ts';
import { clientTrust, type OfferedCertificate } from '../../src/charm/model/client-certificates.ts';
import {
  DATABASES_OWNER,
  ROLES_MARK,
  ROLES_REVISION,
  rolesOf,
} from '../../src/charm/model/client-roles.ts';
import type { Relation, Snapshot } from '../../src/charm/model/snapshot.ts';
import type { Steps } from '../../src/charm/model/steps.ts';
import {
  type DatabaseRole,
  known,
  type Observed,
  type PeerView,
  unknown,
} from '../../src/charm/model/world.ts';
import { optionsOf } from './machine.ts';

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
  peers: Bag;
  secrets: Record<string, { id: string; content: Bag; grants: number[] }>;
}

export class ClientWorld {
  clients: Client[] = [];
  databases: string[] = ['postgres'];
  /** Of `databases`: made by a client, and open to everybody. */
  clientDatabases: string[] = [];
  openDatabases: string[] = [];
  roles: DatabaseRole[] = [];
  /** Certificates that clients offer, by mark. */
  offered: Record<string, OfferedCertificate> = {};
  /** What the unit shows clients: nothing, nothing yet though an authority is related, or TLS. */
  tls: 'off' | 'awaited' | 'on' = 'off';
  /** Grants that each role has been given by the charm's record, and those that it really has. */
  granting: Record<string, { recorded: string[]; held: string[] }> = {};
  /** Objects that do not exist, as grants name them. */
  absent: string[] = [];
  /** Files of the unit, by path. */
  files: Record<string, string> = {};
  /** What clients have granted, by URI. */
  granted: Record<string, Bag> = {};
  config: Record<string, string | number | boolean> = {};
  /** The password that each login really has. */
  passwords: Record<string, string> = {};
  committed: Committed = { bags: {}, peers: {}, secrets: {} };
  primary: string | undefined = 'postgresql-0';
  unreachable: string[] = [];
  poolerUsers: string[] = [];
  /** Users that access rules in force name. */
  ruledUsers: string[] = [];
  /** Roles that the own PostgreSQL's access rules name; undefined: those the pooler knows. */
  ownRules: string[] | undefined;
  isLeader = true;
  /** Client address of a unit, by its number. */
  address = (unit: number): string => `10.0.0.1${unit}`;
  #made = 0;

  /** One hook on the leader. @param dieBefore number of the step before which the process dies */
  async hook(dieBefore = Number.POSITIVE_INFINITY) {
    const pending = structuredClone(this.committed);
    let steps = 0;
    const plan: string[] = [];
    try {
      const outcome = await run<Snapshot, Steps, Committed>({
        observe: async () => this.snapshot(pending),
        deciders: [roles, clientNames, clients],
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
    const declared = accessRules(this.snapshot()).map((rule) => rule.user);
    this.poolerUsers = this.roles
      .filter((role) => role.login && (!role.superuser || declared.includes(role.name)))
      .map((role) => role.name);
    this.ruledUsers = declared;
  }

  /** Roles of clients, by name. */
  clientRoles(): string[] {
    return this.roles.filter(({ comment }) => comment?.startsWith('relation-')).map((r) => r.name);
  }

  role(name: string): DatabaseRole | undefined {
    return this.roles.find((role) => role.name === name);
  }

  /** A client, or an operator, makes a database by SQL. */
  makeDatabase(name: string, owner = DATABASES_OWNER): void {
    this.databases.push(name);
    this.openDatabases.push(name);
    if (owner === DATABASES_OWNER) this.clientDatabases.push(name);
  }

  /** Hooks and agents until nothing changes; at most ten rounds. */
  async settle(): Promise<void> {
    for (let round = 0; round < 10; round++) {
      const { kinds } = await this.hook();
      this.writeTrust();
      this.agentsCatchUp();
      if (kinds.length === 0 && round > 0) return;
    }
    throw new Error('does not settle');
  }

  snapshot(from: Committed = this.committed): Snapshot {
    const peer = (name: string): Observed<PeerView> =>
      this.unreachable.includes(name)
        ? unknown('no answer')
        : known({ generation: 1, poolerUsers: this.poolerUsers, hbaUsers: this.ruledUsers });
    const members = [0, 1, 2].map((n) => ({
      name: `postgresql-${n}`,
      role: this.primary === `postgresql-${n}` ? 'primary' : 'replica',
      streaming: this.primary !== `postgresql-${n}`,
      tags: {},
    }));
    const agent = {
      cluster: known({ members }),
      database:
        this.primary === undefined
          ? unknown('no primary')
          : known({
              serverVersion: '15.18 (Debian 15.18-0)',
              databases: [...this.databases],
              clientDatabases: [...this.clientDatabases],
              openDatabases: [...this.openDatabases],
              roles: structuredClone(this.roles),
            }),
      pooler: known({ users: this.poolerUsers }),
      local: known({ hbaUsers: this.ownRules ?? this.ruledUsers }),
      peers: { 'postgresql/1': peer('postgresql/1'), 'postgresql/2': peer('postgresql/2') },
    };
    return {
      app: 'postgresql',
      unit: {
        name: 'postgresql/0',
        isLeader: this.isLeader,
        clientAddress: this.address(0),
        egress: ['10.0.0.10/32'],
        dying: false,
      },
      options: optionsOf(this.config),
      peers: {
        app: from.peers,
        others: [1, 2].map((n) => ({
          name: `postgresql/${n}`,
          data: { 'database-address': this.address(n), 'egress-subnets': `10.0.0.1${n}/32` },
          dying: false,
        })),
      },
      relations: [...this.#related(from), ...this.#authority()],
      certificates: this.#certificates(),
      offered: this.offered,
      permissions: this.#permissions(from),
      machine: { memoryBytes: 4 * 1024 ** 3, cpus: 2, packages: {} },
      named: { 'time-zone': [], locale: [], library: [] },
      relationSecrets: from.secrets,
      grantedSecrets: this.granted,
      files: this.files,
      layout: {
        desired: '/b/pg/desired.json',
        patroniConfig: '/b/pg/patroni.yaml',
        tlsDirectory: '/b/pg/tls',
      },
      agent: known(agent),
    } as unknown as Snapshot;
  }

  /** As src/charm/observe looks: by the fact, and only for roles that exist. */
  #permissions({ peers }: Committed): NonNullable<Snapshot['permissions']> {
    const facts = JSON.parse(peers['clients'] ?? '{}');
    const asking = this.clients.flatMap(({ id, ending, remoteApp }) =>
      ending ? [] : [{ mark: `relation-${id}`, wanted: permissionsIn(remoteApp) }],
    );
    const seen = asking.flatMap(({ mark, wanted }) => {
      if (wanted.length === 0 && facts[mark]?.permissions !== true) return [];
      if (this.primary === undefined || this.role(mark) === undefined) return [];
      const { recorded, held } = this.granting[mark] ?? { recorded: [], held: [] };
      const absent = wanted.filter((line) => this.absent.includes(grantedObject(line)));
      const state = { recorded, absent, held: held.filter((line) => wanted.includes(line)) };
      return [[mark, known(state)] as const];
    });
    return Object.fromEntries(seen);
  }

  #related({ bags }: Committed): Relation[] {
    return this.clients.map(({ id, app, ending = false, remoteApp, units }) => {
      const localApp = bags[id] ?? {};
      return { endpoint: 'database', id, app, ending, localApp, localUnit: {}, remoteApp, units };
    });
  }

  #authority(): Relation[] {
    if (this.tls === 'off') return [];
    const bags = { localApp: {}, localUnit: {}, remoteApp: {}, units: [] };
    return [{ endpoint: 'client-certificates', id: 90, app: 'ca', ending: false, ...bags }];
  }

  #certificates(): Certificates {
    if (this.tls !== 'on') return NO_CERTIFICATES;
    const held = { id: 'own', authority: 'the CA', expired: false, lookAt: [] };
    const { endpoints } = NO_CERTIFICATES;
    const state = { ...endpoints['client-certificates'], held };
    return { ...NO_CERTIFICATES, endpoints: { ...endpoints, 'client-certificates': state } };
  }

  /** The hook has written whom to trust, and PostgreSQL has read it. */
  writeTrust(): void {
    const world = this.snapshot();
    const trust = clientTrust(world);
    if (trust === undefined) return;
    this.files[trust.path] = trust.text;
    this.files[world.layout.patroniConfig] = `"ssl_ca_file": "${trust.path}"`;
  }

  /** The steps' effects, as src/charm/apply has them. */
  #table(): StepTable<Steps, Committed> {
    const table: Partial<StepTable<Steps, Committed>> = {
      'ensure-instance-roles': this.#step(() => {
        this.#put({ name: ROLES_MARK, comment: ROLES_REVISION });
      }),
      'ensure-database': this.#step(({ database }) => {
        if (!this.databases.includes(database)) {
          this.databases.push(database);
          this.clientDatabases.push(database);
        }
        this.openDatabases = this.openDatabases.filter((name) => name !== database);
        this.#put({ name: rolesOf(database).owner, comment: ROLES_REVISION });
      }),
      'issue-credentials': this.#step((wish, { secrets }) => {
        const { label, role, given } = wish;
        const kept = loginOf(secrets[label]?.content)?.password;
        const password = kept || this.granted[given ?? '']?.['password'] || `made-${this.#made++}`;
        const { mark, ...rest } = role;
        this.#put({ ...rest, comment: mark });
        if (role.login) this.passwords[role.name] = password;
        const login = { username: role.name, password };
        const content = loginSecret(login, wish.facts, wish.request);
        secrets[label] = { id: idOf(label), content, grants: secrets[label]?.grants ?? [] };
      }),
      'update-credentials': this.#step((wish, { secrets }) => {
        const secret = secrets[wish.label];
        const login = loginOf(secret?.content);
        if (secret === undefined || login === undefined) return;
        secret.content = loginSecret(login, wish.facts, wish.request);
      }),
      'adjust-role': this.#step(({ role: { mark, ...role } }) => {
        this.#put({ ...role, comment: mark });
      }),
      'set-permissions': this.#step(({ role, grant, revoke, record }) => {
        const before = this.granting[role]?.held ?? [];
        const held = [...before.filter((line) => !revoke.includes(line)), ...grant];
        this.granting[role] = { recorded: record, held };
      }),
      'assume-roles': this.#step(({ role, assumes }) => {
        this.#put({ ...this.role(role), name: role, assumes });
      }),
      'issue-tls-secret': this.#step(({ label, content }, { secrets }) => {
        secrets[label] = { id: idOf(label), content, grants: secrets[label]?.grants ?? [] };
      }),
      'grant-secret': this.#step(({ relationId, label }, { secrets }) => {
        const secret = secrets[label];
        if (secret === undefined) throw new Error(`there is no ${label}`);
        secret.grants = [...new Set([...secret.grants, relationId])];
      }),
      'peer-set': this.#step(({ data }, pending) => {
        const merged = Object.entries({ ...pending.peers, ...data });
        const kept = merged.filter((entry): entry is [string, string] => entry[1] !== undefined);
        pending.peers = Object.fromEntries(kept);
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

  #put(role: Partial<DatabaseRole> & { name: string }): void {
    const before = this.roles.filter(({ name }) => name !== role.name);
    const empty = { login: false, superuser: false, memberOf: [], connectionLimit: -1 };
    this.roles = [...before, { ...empty, assumes: {}, ...structuredClone(role) }];
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

function permissionsIn(remoteApp: Bag): string[] {
  const [parsed] = parseRequests(remoteApp)?.requests ?? [];
  return (parsed?.ok ? parsed.request.permissions : undefined) ?? [];
}

/** `database.7.user.secret` -> `user7` */
function idOf(label: string): string {
  const [, relation = '', ...rest] = label.split('.');
  return `${rest.slice(0, -1).reverse().join('-')}${relation}`;
}
