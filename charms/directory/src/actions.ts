/** The actions: users and groups. Each plans changes of entries; none carries one out. */
import { type Action, accept, type Planned, refuse } from '../../../lib/charm/action.ts';
import { stepsOf } from '../../../lib/charm/decision.ts';
import { refuse as refuseWorld } from './decide.ts';
import { groupDn, nobodyDn, userDn } from './slapd.ts';
import type { Held, LdifChange, Steps, World } from './world.ts';

const step = stepsOf<Steps>();

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$/;
const FORM = 'letters, digits, dot, dash and underscore, at most 63';

interface Named {
  name: string;
}
interface Membership extends Named {
  members: string[] | undefined;
}

export const addUser: Action<World, Steps, Named & { fullName: string }> = {
  name: 'add-user',
  parse(raw) {
    const name = nameIn(raw['name'], 'name').toLowerCase();
    const full = typeof raw['full-name'] === 'string' ? raw['full-name'].trim() : '';
    if (/[\u0000-\u001f\u007f]/.test(full)) throw new Error('full-name has a control character');
    return { name, fullName: full === '' ? name : full };
  },
  plan: (world, { name, fullName }) =>
    when(world, `add user ${name}`, ({ users }) => {
      const dn = userDn(name, world.config.baseDn);
      const exists = users.some((user) => user.name === name);
      return accept([step('set-user', { dn, name, fullName, exists }, 'an operator asked')]);
    }),
};

export const removeUser: Action<World, Steps, Named> = {
  name: 'remove-user',
  parse: (raw) => ({ name: nameIn(raw['name'], 'name').toLowerCase() }),
  plan: (world, { name }) =>
    when(world, `remove user ${name}`, ({ users }) => {
      if (!users.some((user) => user.name === name)) {
        return refuse('no-such-user', `cannot remove user ${name}: there is none of that name`);
      }
      return change([{ dn: userDn(name, world.config.baseDn), delete: true }], { removed: name });
    }),
};

export const addGroup: Action<World, Steps, Membership> = {
  name: 'add-group',
  parse: membership,
  plan: (world, { name, members = [] }) =>
    when(world, `add group ${name}`, (held) => {
      const unknown = members.filter((member) => !isKnown(member, held));
      if (unknown.length > 0) {
        const who = unknown.join(', ');
        return refuse('no-such-member', `cannot add to group ${name}: there is no ${who}`);
      }
      const { baseDn } = world.config;
      const dn = groupDn(name, baseDn);
      const group = held.groups.find((each) => each.name === name);
      const missing = members.filter((member) => !group?.members.includes(member));
      const dns = missing.map((member) => memberDn(member, baseDn));
      const result = { group: name, members: [...(group?.members ?? []), ...missing].join(',') };
      if (group === undefined) {
        const member = [nobodyDn(baseDn), ...dns];
        return change([{ dn, add: { objectClass: ['groupOfNames'], cn: [name], member } }], result);
      }
      if (dns.length === 0) return accept([], result);
      return change([{ dn, change: [{ how: 'add', attribute: 'member', values: dns }] }], result);
    }),
};

export const removeGroup: Action<World, Steps, Membership> = {
  name: 'remove-group',
  parse: membership,
  plan: (world, { name, members }) =>
    when(world, `remove group ${name}`, ({ groups }) => {
      const group = groups.find((each) => each.name === name);
      if (group === undefined) {
        return refuse('no-such-group', `cannot remove group ${name}: there is none of that name`);
      }
      const { baseDn } = world.config;
      const dn = groupDn(name, baseDn);
      if (members === undefined) return change([{ dn, delete: true }], { removed: name });
      const leave = members.filter((member) => group.members.includes(member));
      const rest = group.members.filter((member) => !leave.includes(member)).join(',');
      if (leave.length === 0) return accept([], { group: name, members: rest });
      const values = leave.map((member) => memberDn(member, baseDn));
      const without = { dn, change: [{ how: 'delete', attribute: 'member', values }] } as const;
      return change([{ dn, change: [...without.change] }], { group: name, members: rest });
    }),
};

export const listUsers: Action<World, Steps, undefined> = {
  name: 'list-users',
  parse: () => undefined,
  plan: (world) =>
    when(world, 'list users', ({ users, groups }) => {
      const of = (member: string) =>
        groups.filter(({ members }) => members.includes(member)).map(({ name }) => name);
      const lines = users.map(({ name, fullName }) =>
        [name, fullName, of(name).sort().join(',')].join(' | '),
      );
      const listed = groups.map(({ name, members }) => `${name}: ${members.join(',')}`);
      const text = { users: lines.sort().join('\n'), groups: listed.sort().join('\n') };
      const total = String(users.length);
      return accept([], { ...text, total });
    }),
};

/** Only where slapd answers, and the charm has nothing to object. */
function when(world: World, what: string, plan: (held: Held) => Planned<Steps>): Planned<Steps> {
  const [objection] = refuseWorld(world);
  if (objection?.type === 'finding') {
    return refuse(objection.code, `cannot ${what}: ${objection.message}`);
  }
  if (world.held === undefined)
    return refuse('slapd-down', `cannot ${what}: slapd does not answer`);
  return plan(world.held);
}

function change(changes: LdifChange[], results: Record<string, string>): Planned<Steps> {
  return accept([step('modify', { changes }, 'an operator asked')], results);
}

function membership(raw: Record<string, unknown>): Membership {
  const { members } = raw;
  const listed =
    typeof members === 'string' ? members.split(',').map((part) => part.trim()) : undefined;
  return {
    name: nameIn(raw['name'], 'name'),
    members: listed?.filter((part) => part !== '').map(memberIn),
  };
}

function memberIn(text: string): string {
  const group = text.startsWith('@');
  const name = nameIn(group ? text.slice(1) : text, 'members');
  return group ? `@${name}` : name.toLowerCase();
}

function nameIn(value: unknown, param: string): string {
  if (typeof value === 'string' && NAME.test(value)) return value;
  throw new Error(`${param} ${JSON.stringify(value)} is not a name: ${FORM}`);
}

function isKnown(member: string, { users, groups }: Held): boolean {
  return member.startsWith('@')
    ? groups.some(({ name }) => `@${name}` === member)
    : users.some(({ name }) => name === member);
}

function memberDn(member: string, base: string): string {
  return member.startsWith('@') ? groupDn(member.slice(1), base) : userDn(member, base);
}
