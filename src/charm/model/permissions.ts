/** What the primary says of the permissions that a client has asked for. */
export interface PermissionState {
  /** Of those that it asks for: what it may do already, by whatever way. */
  readonly held: readonly string[];
  /** Of those that it asks for: what is about objects that do not exist. */
  readonly absent: readonly string[];
  /** What the charm has granted, by its record: `pgcharm.permissions` of the role. */
  readonly recorded: readonly string[];
}
