/**
 * Passwords of the charm's own users that an operator has set by secret (`system-users`): what
 * differs from the passwords in force is changed, everywhere at once. Leader only.
 *
 * A password that nobody sets any more stays what it is. PostgreSQL knows one password for a role,
 * so the order is: the role, then the application secret, then every unit's own configuration.
 * Connections that exist are not asked again, and who is refused in between tries again.
 */
import { primaryOf, type Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, maintenance, step } from '../model/steps.ts';
import { passwordField, readSystemUsers, SYSTEM_LOGINS } from '../model/system-users.ts';
import { validOptions } from './options.ts';

export const systemUsers: Decider = (world) => {
  const uri = validOptions(world)?.systemUsers;
  if (!world.unit.isLeader || uri === undefined) return [];
  const content = world.systemUsers;
  if (content === undefined) {
    const hint = `run: grant-secret ${uri} ${world.app}`;
    return [blocked('system-users-unreadable', `option system-users: cannot read it; ${hint}`)];
  }
  const read = readSystemUsers(content);
  if (!read.ok) return [blocked('system-users-invalid', `option system-users: ${read.reason}`)];
  const users = SYSTEM_LOGINS.filter((user) => differs(world, user, read.passwords[user]));
  if (users.length === 0 || world.appSecret === undefined) return [];
  if (primaryOf(world) === undefined) {
    const names = users.join(', ');
    return [maintenance('system-users-waiting', `new passwords of ${names} wait for a primary`)];
  }
  return [step('rotate-passwords', { users }, 'the operator has set other passwords')];
};

function differs(
  { appSecret }: Snapshot,
  user: (typeof SYSTEM_LOGINS)[number],
  password: string | undefined,
): boolean {
  return password !== undefined && appSecret?.content[passwordField(user)] !== password;
}
