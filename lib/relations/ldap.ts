/**
 * The `ldap` interface, version 0: where a directory is and the login that may search it.
 *
 * Both sides, text only. What is read here ends up in access rules and configuration files, so a
 * reader accepts nothing that could carry a second line. The password travels in a secret that the
 * databag names. Opens no connection.
 */
import { parseJson, stringList } from './databag.ts';
import { onePem } from './pem.ts';
import { hostPort } from './subnets.ts';

export interface LdapServer {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface LdapData {
  /** How the connection is made private; nothing else is offered or accepted. */
  readonly security: 'ldaps' | 'starttls';
  /** In the order in which they are to be tried. */
  readonly servers: readonly LdapServer[];
  readonly baseDn: string;
  readonly bindDn: string;
  /** URI of the secret whose field `password` belongs to `bindDn`. */
  readonly passwordSecret: string;
  /** PEM certificates of the server's CA; empty: the reader has it from elsewhere. */
  readonly caChain: readonly string[];
}

export type LdapReading =
  /** The provider has published nothing yet. */
  | { readonly state: 'absent' }
  | { readonly state: 'incomplete'; readonly missing: string[] }
  | { readonly state: 'invalid'; readonly reason: string }
  | { readonly state: 'complete'; readonly value: LdapData };

type Databag = Readonly<Record<string, string>>;

/** Field of the secret that `bind_password_secret` names. */
export const PASSWORD_FIELD = 'password';

const REQUIRED = ['base_dn', 'bind_dn', 'bind_password_secret'] as const;
const PORTS = { ldap: 389, ldaps: 636 } as const;
const CONTROL = /[\u0000-\u001f\u007f]/;
const SECRET = /^secret:(?:\/\/[0-9a-f-]{36}\/)?[0-9a-v]{20}$/;

/** What a requirer asks with: who it is, and the model it lives in. */
export function encodeLdapRequest(app: string, model: string): Record<string, string> {
  return { user: app, group: model };
}

/** The provider's application databag. `ca_chain` is this project's addition to the interface. */
export function encodeLdapData(value: LdapData): Record<string, string> {
  const scheme = value.security === 'ldaps' ? 'ldaps' : 'ldap';
  const urls = JSON.stringify(
    value.servers.map(({ host, port }) => `${scheme}://${hostPort(host, port)}`),
  );
  return {
    urls: value.security === 'ldaps' ? '[]' : urls,
    ldaps_urls: value.security === 'ldaps' ? urls : '[]',
    base_dn: value.baseDn,
    starttls: String(value.security === 'starttls'),
    bind_dn: value.bindDn,
    bind_password_secret: value.passwordSecret,
    auth_method: 'simple',
    ...(value.caChain.length > 0 ? { ca_chain: JSON.stringify(value.caChain) } : {}),
  };
}

/** Reads the provider's application databag. Never throws, whatever is in it. */
export function readLdapData(bag: Databag): LdapReading {
  const given = (key: string) => (bag[key] ?? '').trim();
  const missing = REQUIRED.filter((key) => given(key) === '');
  if (missing.length === REQUIRED.length && given('urls') === '' && given('ldaps_urls') === '') {
    return { state: 'absent' };
  }
  if (missing.length > 0) return { state: 'incomplete', missing };
  const dirty = REQUIRED.find((key) => CONTROL.test(given(key)));
  if (dirty !== undefined) return invalid(`${dirty} contains a control character`);
  const method = given('auth_method') || 'simple';
  if (method !== 'simple') return invalid('auth_method is not simple');
  const transport = readTransport(bag);
  if (typeof transport === 'string') return invalid(transport);
  if (!SECRET.test(given('bind_password_secret'))) {
    return invalid('bind_password_secret is not the URI of a secret');
  }
  const caChain = readChain(bag['ca_chain']);
  if (caChain === undefined) return invalid('ca_chain is not a list of PEM certificates');
  const [baseDn, bindDn, passwordSecret] = REQUIRED.map(given) as [string, string, string];
  return { state: 'complete', value: { ...transport, baseDn, bindDn, passwordSecret, caChain } };
}

/** LDAPS where there is any, else StartTLS. @returns what is wrong, when neither is offered */
function readTransport(bag: Databag): Pick<LdapData, 'security' | 'servers'> | string {
  const ldaps = readUrls(bag['ldaps_urls'], 'ldaps');
  if (ldaps === undefined) return 'ldaps_urls is not a list of ldaps:// addresses';
  if (ldaps.length > 0) return { security: 'ldaps', servers: ldaps };
  const plain = readUrls(bag['urls'], 'ldap');
  if (plain === undefined) return 'urls is not a list of ldap:// addresses';
  if (plain.length === 0) return 'it names no address';
  if ((bag['starttls'] ?? '').trim().toLowerCase() === 'true') {
    return { security: 'starttls', servers: plain };
  }
  return 'it offers neither LDAPS nor StartTLS, and passwords would travel in clear';
}

function readUrls(text: string | undefined, scheme: 'ldap' | 'ldaps'): LdapServer[] | undefined {
  const urls = stringList(text === undefined || text.trim() === '' ? '[]' : text);
  const servers = urls?.map((url) => readUrl(url.trim(), scheme));
  return servers?.every((server) => server !== undefined) ? servers : undefined;
}

function readUrl(text: string, scheme: 'ldap' | 'ldaps'): LdapServer | undefined {
  const match = /^(ldaps?):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?\/?$/.exec(
    text,
  );
  if (match === null || match[1] !== scheme) return undefined;
  const host = match[2] ?? match[3] ?? '';
  const port = Number(match[4] ?? PORTS[scheme]);
  return port > 0 && port < 65_536 ? { host, port } : undefined;
}

function readChain(text: string | undefined): string[] | undefined {
  if (text === undefined || text.trim() === '') return [];
  const parsed = parseJson(text);
  if (!Array.isArray(parsed)) return undefined;
  const chain = parsed.map((each) => onePem(each, 'CERTIFICATE'));
  return chain.every((each) => each !== undefined) ? chain : undefined;
}

function invalid(reason: string): LdapReading {
  return { state: 'invalid', reason };
}
