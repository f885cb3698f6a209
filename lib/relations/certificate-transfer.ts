/**
 * The `certificate_transfer` interface, versions 0 and 1, both sides: CA certificates that somebody
 * shall trust. Version 0 speaks in each of the provider's unit databags, version 1 in its
 * application databag; a provider here writes both, a requirer reads what it finds.
 *
 * Lenient in reading, exact in writing. Trusts nothing by itself.
 */
import { type Databag, type DatabagChange, parseJson } from './databag.ts';
import { pemBlocks } from './pem.ts';

/** Nobody has to trust more authorities than a system's own list holds. */
const MAX_CERTIFICATES = 500;

/** The requirer's application databag: the newest version that it reads. */
export function transferRequest(): Record<string, string> {
  return { version: '1' };
}

/** @param authorities PEM, the one in use first. @returns the provider's databags */
export function transferData(authorities: readonly string[]): {
  unit: DatabagChange;
  app: DatabagChange;
} {
  const [current] = authorities;
  if (current === undefined) {
    const unit = { certificate: undefined, ca: undefined, chain: undefined, version: undefined };
    return { unit, app: { certificates: undefined, version: undefined } };
  }
  const list = JSON.stringify(authorities);
  return {
    unit: { certificate: current, ca: current, chain: list, version: '0' },
    app: { certificates: list, version: '1' },
  };
}

/**
 * Every certificate that the provider tells to trust, canonical PEM, without repetition: those of
 * version 1, or where there are none those of version 0 of all its units. `certificate` of version
 * 0 counts where neither `ca` nor `chain` is given: then it is what has to be trusted.
 */
export function readTransfer(app: Databag, units: readonly Databag[]): string[] {
  const newer = listed(app['certificates']);
  const older = units.flatMap((unit) => {
    const authorities = [...pemBlocks(unit['ca'] ?? '', 'CERTIFICATE'), ...listed(unit['chain'])];
    return authorities.length > 0
      ? authorities
      : pemBlocks(unit['certificate'] ?? '', 'CERTIFICATE');
  });
  return [...new Set(newer.length > 0 ? newer : older)].slice(0, MAX_CERTIFICATES);
}

function listed(json: string | undefined): string[] {
  const parsed = json === undefined ? undefined : parseJson(json);
  if (!Array.isArray(parsed)) return [];
  return parsed
    .slice(0, MAX_CERTIFICATES)
    .flatMap((text) => (typeof text === 'string' ? pemBlocks(text, 'CERTIFICATE') : []));
}
