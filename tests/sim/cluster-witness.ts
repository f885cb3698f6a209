/**
 * A witness beside the simulated cluster: the real decisions of its charm around one member of the
 * simulated etcd, the databags of the relation as each side has heard them, and power that fails.
 */
import { decide } from '../../charms/witness/src/decide.ts';
import type { Steps as WitnessSteps, World } from '../../charms/witness/src/world.ts';
import { isStep, type Step } from '../../lib/charm/decision.ts';
import { peerUrl } from '../../lib/relations/etcd-member.ts';
import {
  AUTHORITY_FIELD,
  certificateField,
  readOffer,
} from '../../lib/relations/postgresql-watcher.ts';
import { digestOf } from '../../lib/std/digest.ts';
import type { Relation } from '../../src/charm/model/snapshot.ts';
import { WITNESS_ENDPOINT } from '../../src/charm/model/witness.ts';
import { aWitness, WITNESS_ADDRESS } from '../support/witness-world.ts';
import { afterWorkload } from '../support/workload.ts';
import type { SimEtcd } from './cluster-etcd.ts';
import type { Bag } from './cluster-unit.ts';
import type { ClusterWorld } from './cluster-world.ts';

export const RELATION_ID = 9;
const PEM = 'CERTIFICATE REQUEST';
const CSR = `-----BEGIN ${PEM}-----\nAAAA\n-----END ${PEM}-----`;
const MAX_ROUNDS = 5;

export class SimWitness {
  readonly name = 'witness/0';
  readonly address = WITNESS_ADDRESS;
  readonly peerUrl = peerUrl(this.address);
  powered = true;
  /** The relation with the cluster is there. */
  related = true;
  /** Its own databag, and what the cluster's leader has heard of it. */
  own: Bag = {};
  heard: Bag = {};
  /** The cluster's databag as it has heard it. */
  offer: Bag = {};
  etcd: { cluster: SimEtcd; memberId: string } | undefined;
  state: World = aWitness();

  /** Its etcd runs and is a member of the cluster whose data it holds. */
  get etcdRuns(): boolean {
    const { etcd, state } = this;
    if (!this.powered || state.services['etcd']?.running !== true) return false;
    return etcd?.cluster.members.some(({ id }) => id === etcd.memberId) === true;
  }

  powerOff(): void {
    this.powered = false;
    const { etcd } = this.state.services;
    const services = etcd && { etcd: { ...etcd, running: false } };
    this.state = { ...this.state, supervised: false, services: services ?? {} };
  }

  /** What the cluster's charm is told by its controller. */
  relation(localApp: Bag): Relation[] {
    if (!this.related) return [];
    const units = [{ name: this.name, data: this.heard }];
    const empty = { localUnit: {}, remoteApp: {}, ending: false };
    return [
      { endpoint: WITNESS_ENDPOINT, id: RELATION_ID, app: 'witness', localApp, units, ...empty },
    ];
  }

  /** One event. @returns how many steps were carried out */
  event(world: ClusterWorld, dieBefore = Number.POSITIVE_INFINITY): number {
    if (!this.powered) return 0;
    let count = 0;
    const own = { ...this.own };
    for (let round = 0; round < MAX_ROUNDS; round++) {
      this.state = { ...this.state, ...this.#seen(world, own) };
      const steps = decide(this.state).filter(isStep);
      for (const step of steps) {
        if (count++ >= dieBefore) return count;
        world.note(`  ${this.name}: ${step.kind} (${step.why})`);
        this.#carryOut(world, step, own);
      }
      if (steps.length === 0) break;
    }
    this.own = own;
    return count;
  }

  #seen(world: ClusterWorld, own: Bag): Partial<World> {
    const said = readOffer(this.offer);
    const relation = { id: RELATION_ID, app: 'postgresql', ending: false, local: own, offer: said };
    const content = world.witnessSecret ?? {};
    const certificate = content[certificateField(digestOf(this.state.request?.csr ?? ''))];
    const authority = content[AUTHORITY_FIELD];
    const isAnswered = this.related && said !== undefined && certificate && authority;
    const cluster = this.etcd?.cluster;
    return {
      relation: this.related ? relation : undefined,
      answer: isAnswered ? { authority, certificate } : undefined,
      counts: this.etcdRuns && cluster !== undefined && world.hasMajority(cluster),
    };
  }

  #carryOut(world: ClusterWorld, step: Step<WitnessSteps>, own: Bag): void {
    const { state } = this;
    const shared = afterWorkload(state, step);
    this.state = { ...state, ...(shared ?? this.#effect(world, step, own)) };
    if (step.kind === 'start-service') this.state = { ...this.state, ...this.#loaded() };
  }

  #loaded(): Partial<World> {
    return { loadedAuthority: this.state.held?.authority };
  }

  #effect(world: ClusterWorld, { kind, args }: Step<WitnessSteps>, own: Bag): Partial<World> {
    switch (kind) {
      case 'make-request':
        return { request: { csr: CSR, names: (args as WitnessSteps['make-request']).names } };
      case 'write-certificate':
        return { held: (args as WitnessSteps['write-certificate']).answer };
      case 'write-config':
        return { config: (args as WitnessSteps['write-config']).config.reveal() };
      case 'let-end': {
        const { etcd } = this.state.services;
        return etcd === undefined ? {} : { services: { etcd: { ...etcd, wantedUp: false } } };
      }
      case 'restart-etcd':
        return this.#loaded();
      case 'remove-data': {
        if (this.related && this.etcdIsMember(world)) {
          world.violation(`${this.name} removes the data of a member`);
        }
        this.etcd = undefined;
        return { config: undefined, hasData: false };
      }
      case 'remove-certificate':
        return { request: undefined, held: undefined };
      case 'tell': {
        const { data } = args as WitnessSteps['tell'];
        for (const [key, value] of Object.entries(data)) {
          if (value === undefined) delete own[key];
          else own[key] = value;
        }
        return {};
      }
      default:
        return world.violation(`${this.name} wants ${String(kind)}`);
    }
  }

  etcdIsMember(world: ClusterWorld): boolean {
    const { etcd } = this;
    if (etcd === undefined || world.isReplaced(etcd.cluster)) return false;
    return etcd.cluster.members.some(({ id }) => id === etcd.memberId);
  }

  /** Time passes: its etcd joins, when it is told to. */
  turn(world: ClusterWorld): void {
    const { state } = this;
    const runs = this.powered && state.services['etcd']?.wantedUp === true && state.supervised;
    if (!runs || this.etcd !== undefined || state.config === undefined) return;
    this.state = { ...state, hasData: true };
    const config = JSON.parse(state.config) as Record<string, string>;
    const peers = (config['initial-cluster'] ?? '').split(',').map((pair) => pair.split('=')[1]);
    const found = world.units.find((unit) => unit.etcdRuns && peers.includes(unit.peerUrl));
    const cluster = found?.etcd?.cluster;
    if (cluster === undefined || !world.hasMajority(cluster)) return;
    const member = cluster.members.find((each) => each.peerUrl === this.peerUrl);
    const actual = cluster.members.map(({ peerUrl: url }) => url);
    if (member?.name !== '' || actual.toSorted().join() !== peers.toSorted().join()) return;
    member.name = config['name'] ?? '';
    member.syncedAt = world.now + world.below(8000);
    this.etcd = { cluster, memberId: member.id };
  }
}
