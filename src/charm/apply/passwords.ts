/**
 * Changes passwords of the charm's own users: in PostgreSQL as verifiers, all in one transaction,
 * then in the application secret. SQL takes effect at once and the secret when the hook succeeds: a
 * hook that dies in between is followed by one that finds the same difference and does both again.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import { MONITOR } from '../model/hba.ts';
import {
  passwordField,
  readSystemUsers,
  type SystemLogin,
  type SystemPasswords,
} from '../model/system-users.ts';
import type { SqlPort } from '../workload/ports.ts';
import { scramVerifier } from '../workload/scram.ts';
import { ddl, identifier, literal } from '../workload/sql.ts';
import { ensureMonitor } from './monitoring.ts';
import { toPrimary } from './primary.ts';
import type { Families, Tools } from './tools.ts';
import { UNLOGGED } from './unlogged.ts';

/** Counts changes, so that every unit hears of them: only consumers hear of a secret's revision. */
const GENERATION = 'passwords-generation';

export const passwordSteps: Families<'rotate-passwords'> = {
  'rotate-passwords': {
    lane: 'passwords',
    priority: 57,
    async apply({ users }, tools) {
      const passwords = givenPasswords(tools);
      // Leadership is good for 30 s after this answer: no other leader keeps other passwords.
      if (!(await tools.hooks.isLeader())) throw notLeader();
      await alterRoles(users, passwords, tools);
      await keep(users, passwords, tools);
      return undefined;
    },
  },
};

/** What the operator has given, or nothing where that cannot be used; a finding says why. */
export function givenPasswords({ world }: Pick<Tools, 'world'>): SystemPasswords {
  const read = readSystemUsers(world().systemUsers ?? {});
  return read.ok ? read.passwords : {};
}

async function alterRoles(
  users: readonly SystemLogin[],
  passwords: SystemPasswords,
  tools: Tools,
): Promise<void> {
  const verifiers = await Promise.all(
    users.map(async (user) => [user, await scramVerifier(passwords[user] ?? '')] as const),
  );
  const sql = await toPrimary(tools)('postgres');
  try {
    if (users.includes(MONITOR)) await ensureMonitor(sql);
    await run(sql, UNLOGGED.text);
    const statements = verifiers.map(
      ([user, verifier]) => ddl`ALTER ROLE ${identifier(user)} PASSWORD ${literal(verifier)}`.text,
    );
    // One text is one transaction: all of them or none.
    await run(sql, statements.join('; '));
  } finally {
    await sql.close();
  }
}

async function keep(
  users: readonly SystemLogin[],
  passwords: SystemPasswords,
  { hooks, context, world }: Tools,
): Promise<void> {
  const info = await hooks.secretInfo({ label: `database-peers.${context.app}.app` });
  const { appSecret, peers } = world();
  if (info === undefined || appSecret === undefined || peers.relationId === undefined) return;
  const changed = users.map((user) => [passwordField(user), passwords[user] ?? '']);
  await hooks.secretSet(info.id, { ...appSecret.content, ...Object.fromEntries(changed) });
  const next = Number(peers.app[GENERATION] ?? 0) + 1;
  await hooks.relationSet('database-peers', peers.relationId, { [GENERATION]: `${next}` }, 'app');
}

async function run(sql: SqlPort, text: string): Promise<void> {
  await sql.queryAll(text);
}

function notLeader(): OperatorError {
  return new OperatorError({
    code: 'not-leader',
    message: 'cannot change passwords: another unit leads now',
  });
}
