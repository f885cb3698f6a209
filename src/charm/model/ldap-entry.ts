/** One entry of a directory, as a search gives it. A value; asks nobody. */
export interface LdapEntry {
  readonly dn: string;
  /** By name of the attribute, in lower case. */
  readonly values: Readonly<Record<string, readonly string[]>>;
}
