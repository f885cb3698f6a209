/**
 * `egress-subnets`: where the connections of a unit come from, as its databag says. What is read
 * here becomes lines of access rules, so nothing passes that is not a network.
 */
import type { Databag } from './databag.ts';

/**
 * Networks of one unit in CIDR notation. `ingress-address` stands in where the controller has not
 * written `egress-subnets`. What is not an address is left out.
 */
export function unitSubnets(bag: Databag): string[] {
  const egress = bag['egress-subnets'] ?? '';
  const listed = egress.trim() === '' ? (bag['ingress-address'] ?? '') : egress;
  const networks = listed.split(',').map((part) => parseSubnet(part.trim()));
  return [...new Set(networks.filter((network) => network !== undefined))].sort();
}

/** `10.0.0.0/24`; an address alone is a network of one. Undefined when the text is neither. */
export function parseSubnet(text: string): string | undefined {
  const match = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = match?.[1];
  if (address === undefined) return undefined;
  const widest = isIpv4(address) ? 32 : isIpv6(address) ? 128 : undefined;
  if (widest === undefined) return undefined;
  const prefix = Number(match?.[2] ?? widest);
  return prefix <= widest ? `${address.toLowerCase()}/${prefix}` : undefined;
}

/** An address as it stands in `host:port`: IPv6 in brackets. */
export function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function isIpv4(text: string): boolean {
  const octets = text.split('.');
  return (
    octets.length === 4 && octets.every((o) => /^(0|[1-9]\d{0,2})$/.test(o) && Number(o) <= 255)
  );
}

/** The URL parser of the platform knows every form of an IPv6 address. */
function isIpv6(text: string): boolean {
  return text.includes(':') && URL.canParse(`http://[${text}]`);
}
