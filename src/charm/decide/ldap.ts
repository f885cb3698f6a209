/**
 * The related directory: PostgreSQL's access rule and the agent's wish for it, the files by which
 * PostgreSQL's LDAP library knows whom to trust, and what is wrong with it for the status.
 *
 * Every unit decides alike. The password of the directory's login is known to two files of the
 * unit, both 0600; no plan shows it.
 */
import { changedKeys } from '../../../lib/relations/databag.ts';
import {
  encodeLdapRequest,
  type LdapData,
  PASSWORD_FIELD,
  readLdapData,
} from '../../../lib/relations/ldap.ts';
import type { DirectoryWish } from '../model/desired.ts';
import { directoryLines } from '../model/hba.ts';
import type { Relation, Snapshot } from '../model/snapshot.ts';
import { blocked, type Decider, type Decision, step, waiting } from '../model/steps.ts';
import { clientNetworks } from './access.ts';
import { fileStep } from './file.ts';
import { validOptions } from './options.ts';

const ENDPOINT = 'ldap';
/** What Debian and Ubuntu trust. */
const SYSTEM_AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';

export const ldap: Decider = (world) => {
  const relation = relationOf(world);
  if (relation === undefined) return withdraw(world);
  const asked = ask(world, relation);
  const reading = readLdapData(relation.remoteApp);
  switch (reading.state) {
    case 'absent':
      return [...asked, waiting('ldap-absent', `waiting for ${relation.app} to offer a directory`)];
    case 'incomplete': {
      const keys = reading.missing.join(', ');
      return [...asked, waiting('ldap-absent', `waiting for ${keys} from ${relation.app}`)];
    }
    case 'invalid':
      return [
        ...asked,
        blocked('ldap-invalid', `${relation.app} cannot be used: ${reading.reason}`),
      ];
    case 'complete':
      return [...asked, ...files(world, reading.value), ...findings(world, relation.app)];
  }
};

/** Undefined while no directory can be used; then nobody of a directory gets in. */
export function directoryWish(world: Snapshot): DirectoryWish | undefined {
  const options = validOptions(world);
  const reading = readLdapData(relationOf(world)?.remoteApp ?? {});
  if (options === undefined || reading.state !== 'complete') return undefined;
  const { security, servers, baseDn, bindDn, passwordSecret, caChain } = reading.value;
  const password = world.grantedSecrets[passwordSecret]?.[PASSWORD_FIELD];
  if (password === undefined || !isPassword(password)) return undefined;
  return {
    security,
    servers: [...servers],
    baseDn,
    bindDn,
    password,
    caFile: authorityFile(world, authorities(world, caChain)),
    filter: options.ldapSearchFilter,
    map: [...options.ldapMap],
  };
}

/** Lines of pg_hba.conf for the users of the directory. */
export function directoryAccess(world: Snapshot): string[] {
  const wish = directoryWish(world);
  return wish === undefined ? [] : directoryLines(clientNetworks(world), wish);
}

function relationOf({ relations }: Snapshot): Relation | undefined {
  return relations.find(({ endpoint, ending }) => endpoint === ENDPOINT && !ending);
}

function ask(world: Snapshot, { id, app, localApp }: Relation): Decision[] {
  if (!world.unit.isLeader) return [];
  const data = changedKeys(encodeLdapRequest(world.app, world.model.name), localApp);
  if (Object.keys(data).length === 0) return [];
  const args = { endpoint: ENDPOINT, relationId: id, scope: 'app', data } as const;
  return [step('relation-set', args, `${app} is to know who asks`)];
}

function files(world: Snapshot, { caChain }: LdapData): Decision[] {
  const { layout } = world;
  const trusted = authorities(world, caChain);
  const why = 'PostgreSQL asks a directory who its users are';
  const config = [
    '# Written by the charm; changes by hand are lost.',
    `TLS_CACERT ${authorityFile(world, trusted)}`,
    'TLS_REQCERT demand',
    // A login waits for no longer.
    'NETWORK_TIMEOUT 5',
    'TIMEOUT 10',
    '',
  ].join('\n');
  const shown = { owner: 'servers', mode: 0o644 } as const;
  const ca = { path: layout.ldapCa, text: `${trusted.join('\n')}\n`, ...shown };
  return [
    ...(trusted.length === 0 ? [] : fileStep(world, ca, why)),
    ...fileStep(world, { path: layout.ldapConfig, text: config, ...shown }, why),
  ];
}

/** The directory's own word, and whom `receive-ca-cert` tells to trust. */
function authorities({ certificates }: Snapshot, caChain: readonly string[]): string[] {
  return [...new Set([...caChain, ...certificates.received])];
}

function authorityFile({ layout }: Snapshot, trusted: readonly string[]): string {
  return trusted.length === 0 ? SYSTEM_AUTHORITIES : layout.ldapCa;
}

/** The users' roles stay, and with them what they own; without an access rule nobody gets in. */
function withdraw({ layout, files: written }: Snapshot): Decision[] {
  const paths = [layout.ldapConfig, layout.ldapCa].filter((path) => written[path] !== undefined);
  return paths.length === 0 ? [] : [step('remove-files', { paths }, 'no directory is related')];
}

/** The agent beside the primary knows how the directory is; the others say nothing. */
function findings(world: Snapshot, app: string): Decision[] {
  if (directoryWish(world) === undefined && validOptions(world) !== undefined) {
    return [waiting('ldap-no-password', `waiting for the password that ${app} grants`)];
  }
  const view = world.agent.known ? world.agent.value.directory : undefined;
  if (view === undefined) return [];
  const { problem, notes } = view;
  return [
    ...(problem === undefined ? [] : [waiting('ldap-unreachable', problem)]),
    ...notes.map((note) => blocked('ldap-users', note)),
  ];
}

/** An access rule holds it, which ends with its line. */
function isPassword(text: string): boolean {
  return text !== '' && !/[\u0000-\u001f\u007f]/.test(text);
}
