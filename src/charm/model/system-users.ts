/**
 * The charm's own users whose passwords an operator may set by secret, and what such a secret may
 * hold. Messages name users, never a value.
 */
export const SYSTEM_LOGINS = ['operator', 'replication', 'rewind', 'monitoring'] as const;
export type SystemLogin = (typeof SYSTEM_LOGINS)[number];

export type SystemPasswords = Readonly<Partial<Record<SystemLogin, string>>>;
export type ReadSystemUsers =
  | { ok: true; passwords: SystemPasswords }
  | { ok: false; reason: string };

/** What every place that a password goes to (files of Patroni, SQL, pgpass) takes as it is. */
const PASSWORD = /^[!-~]{8,128}$/;

export function readSystemUsers(content: Readonly<Record<string, string>>): ReadSystemUsers {
  const names: readonly string[] = SYSTEM_LOGINS;
  const unknown = Object.keys(content).filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    const allowed = `allowed are ${names.join(', ')}`;
    return { ok: false, reason: `the secret names ${unknown.sort().join(', ')}; ${allowed}` };
  }
  const bad = names.filter((name) => content[name] !== undefined && !PASSWORD.test(content[name]));
  if (bad.length > 0) {
    const rule = 'must have 8 to 128 letters, digits and signs of ASCII, without blanks';
    return { ok: false, reason: `the password of ${bad.join(', ')} ${rule}` };
  }
  return { ok: true, passwords: content };
}

/** Where the application secret keeps the password of a user. */
export function passwordField(user: SystemLogin): string {
  return `${user}-password`;
}
