/** Port ranges as open-port takes them: `80`, `80/tcp`, `8000-8999/udp`, `icmp`. */
import { goQuote, UsageError } from './gnuflag.ts';

export interface PortRange {
  /** -1 for icmp, which has no ports; both ends inclusive. */
  from: number;
  to: number;
  protocol: 'tcp' | 'udp' | 'icmp';
}

/** @throws UsageError */
export function parsePortRange(text: string): PortRange {
  if (text === 'icmp') return { from: -1, to: -1, protocol: 'icmp' };
  const [range = '', protocol = 'tcp', ...more] = text.split('/');
  if (more.length > 0) {
    throw new UsageError(`invalid port range ${goQuote(text)}`);
  }
  if (protocol !== 'tcp' && protocol !== 'udp') {
    throw new UsageError(`invalid protocol ${goQuote(protocol)}`);
  }
  const [first = '', last = first, ...others] = range.split('-');
  if (others.length > 0) throw new UsageError(`invalid port range ${goQuote(range)}`);
  const [from, to] = [portNumber(first), portNumber(last)];
  if (from > to) throw new UsageError(`invalid port range ${from}-${to}/${protocol}`);
  if (from < 1 || from > 65_535 || to > 65_535) {
    throw new UsageError('port range bounds must be between 1 and 65535, got ' + `${from}-${to}`);
  }
  return { from, to, protocol };
}

function portNumber(text: string): number {
  if (!/^\d+$/.test(text)) {
    throw new UsageError(
      `invalid port ${goQuote(text)}: strconv.Atoi: parsing ${goQuote(text)}: invalid syntax`,
    );
  }
  return Number(text);
}

/** `80/tcp`, `8000-8999/udp`, `icmp`. */
export function portText({ from, to, protocol }: PortRange): string {
  if (protocol === 'icmp') return 'icmp';
  return `${from === to ? from : `${from}-${to}`}/${protocol}`;
}

/** Two ranges that cannot both be open on one machine. Equal ranges are the same thing. */
export function portsOverlap(a: PortRange, b: PortRange): boolean {
  if (a.protocol !== b.protocol || a.protocol === 'icmp') return false;
  return a.from <= b.to && b.from <= a.to;
}

export function samePorts(a: PortRange, b: PortRange): boolean {
  return a.protocol === b.protocol && a.from === b.from && a.to === b.to;
}

/** By protocol, then by range, as opened-ports lists them. */
export function comparePorts(a: PortRange, b: PortRange): number {
  if (a.protocol !== b.protocol) return a.protocol < b.protocol ? -1 : 1;
  return a.from - b.from || a.to - b.to;
}
