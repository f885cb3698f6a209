/**
 * From where a machine's connections come, as its databags and network-get tell others. Asks no
 * interface: the kind of the machine decides.
 */

/**
 * Networks that a machine's outgoing connections arrive from.
 *
 * On a loopback machine the kernel picks 127.0.0.1 as the source of every connection to another
 * loopback address, unless the client binds its own; a client of its own address does neither.
 */
export function egressSubnets(machine: { kind: string; address: string }): string[] {
  if (machine.kind === 'loopback') return ['127.0.0.1/32', `${machine.address}/32`];
  return [`${machine.address}/32`];
}
