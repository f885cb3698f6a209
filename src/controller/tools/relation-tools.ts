/** relation-ids, relation-list, relation-get, relation-set, relation-model-get. */
import { goQuote, UsageError } from '../../../lib/contract/gnuflag.ts';
import { isUnitName } from '../../../lib/contract/tools/schema.ts';
import { type Execution, type RelationView, ToolFailure } from './execution.ts';
import type { Handlers } from './handler.ts';
import { mergeBag } from './pending.ts';

type Bag = Record<string, string>;

export const relationTools: Handlers<
  'relation-ids' | 'relation-list' | 'relation-get' | 'relation-set' | 'relation-model-get'
> = {
  'relation-ids': (run, { endpoint = run.spec.hook?.endpoint }) => {
    if (endpoint === undefined || endpoint === '') {
      throw new UsageError('no endpoint name specified');
    }
    const ids = run.relations().filter((relation) => relation.endpoint === endpoint);
    return { value: ids.map((relation) => `${relation.endpoint}:${relation.id}`).sort() };
  },

  'relation-list': (run, call) => {
    const relation = run.relationOf(call);
    if (call.app) return { value: relation.remoteApp };
    return { value: membersOf(run, relation).sort() };
  },

  'relation-get': (run, call) => {
    const relation = run.relationOf(call);
    const [who, app] = whoIsMeant(run, call.who, call.app);
    const bag = app ? readAppBag(run, relation, who) : readUnitBag(run, relation, who);
    if (call.key === undefined) return { value: bag };
    return { value: Object.hasOwn(bag, call.key) ? bag[call.key] : null };
  },

  'relation-set': (run, call, caller) => {
    const relation = run.relationOf(call);
    const changes = { ...caller.settings(call.file), ...call.settings };
    if (Object.keys(changes).length === 0) return undefined;
    if (call.app && !run.isLeader()) throw new ToolFailure('cannot write relation settings');
    const bags = call.app ? run.pending.appBags : run.pending.unitBags;
    bags.set(relation.id, { ...bags.get(relation.id), ...changes });
    return undefined;
  },

  'relation-model-get': (run, call) => {
    run.relationOf(call);
    return { value: { uuid: run.store.meta('model-uuid') ?? '' } };
  },
};

/**
 * Members are the units whose -joined has run; the unit of a running -joined already counts, that
 * of a running -departed no longer.
 */
function membersOf(run: Execution, relation: RelationView): string[] {
  const row = run.store.get<{ members: string }>(
    'SELECT members FROM relation_unit WHERE relation_id = ? AND unit = ?',
    relation.id,
    run.unit,
  );
  const members = new Set(Object.keys(JSON.parse(row?.members ?? '{}') as object));
  const { hook } = run.spec;
  if (hook?.relationId === relation.id && hook.remoteUnit !== undefined) {
    if (hook.kind === 'relation-departed') members.delete(hook.remoteUnit);
    else members.add(hook.remoteUnit);
  }
  return [...members];
}

function whoIsMeant(
  run: Execution,
  who: string | undefined,
  app: boolean,
): [who: string, app: boolean] {
  const { hook } = run.spec;
  if (who !== undefined) return [who, app];
  if (!app && hook?.remoteUnit !== undefined) return [hook.remoteUnit, false];
  if (hook?.remoteApp !== undefined) return [hook.remoteApp, true];
  throw new UsageError('no unit or application specified');
}

function readUnitBag(run: Execution, relation: RelationView, unit: string): Bag {
  if (unit === run.unit) {
    const changes = run.pending.unitBags.get(relation.id) ?? {};
    return mergeBag(storedBag(run, relation, unit) ?? {}, changes);
  }
  const load = () => {
    const bag = isUnitName(unit) ? storedBag(run, relation, unit) : undefined;
    if (bag !== undefined) return bag;
    const who = `unit ${goQuote(unit)}`;
    const where = `in relation "${relation.endpoint}:${relation.id}"`;
    throw new ToolFailure(`cannot read settings for ${who} ${where}: ${who}: settings not found`);
  };
  if (run.remoteBags !== undefined && membersOf(run, relation).includes(unit)) {
    return run.remoteBags.read(relation.id, unit, load);
  }
  return once(run, relation, unit, load);
}

function readAppBag(run: Execution, relation: RelationView, app: string): Bag {
  if (app === run.application) {
    const leads = run.isLeader();
    if (!leads && !relation.peer) throw new ToolFailure('permission denied');
    if (!leads) return once(run, relation, app, () => storedBag(run, relation, app) ?? {});
    const changes = run.pending.appBags.get(relation.id) ?? {};
    return mergeBag(storedBag(run, relation, app) ?? {}, changes);
  }
  if (app !== relation.remoteApp) throw new ToolFailure('permission denied');
  return once(run, relation, app, () => storedBag(run, relation, app) ?? {});
}

function once(run: Execution, relation: RelationView, owner: string, load: () => Bag): Bag {
  const key = `${relation.id} ${owner}`;
  const bag = run.bagsRead.get(key) ?? load();
  run.bagsRead.set(key, bag);
  return bag;
}

function storedBag(run: Execution, relation: RelationView, owner: string): Bag | undefined {
  const row = run.store.get<{ data: string }>(
    'SELECT data FROM databag WHERE relation_id = ? AND owner = ?',
    relation.id,
    owner,
  );
  return row === undefined ? undefined : (JSON.parse(row.data) as Bag);
}
