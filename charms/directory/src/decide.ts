/**
 * What the directory still lacks: data, a certificate, a running slapd, a login for each relation,
 * and relations that say where it is and whom to trust. Pure.
 */
import {
  type Decision as AnyDecision,
  blocked,
  maintenance,
  stepsOf,
  waiting,
} from '../../../lib/charm/decision.ts';
import { farewell, runWorkload } from '../../../lib/charm/workload.ts';
import type { ServiceSpec } from '../../../lib/machine/services.ts';
import { transferData } from '../../../lib/relations/certificate-transfer.ts';
import { changedKeys } from '../../../lib/relations/databag.ts';
import { encodeLdapData } from '../../../lib/relations/ldap.ts';
import { isHashOf, loginDn, slapdCommand, slapdConfig } from './slapd.ts';
import {
  type Places,
  type Relation,
  SERVICE,
  type Steps,
  type Transport,
  type World,
} from './world.ts';

type Decision = AnyDecision<Steps>;
const step = stepsOf<Steps>();

export function decide(world: World): Decision[] {
  const last = farewell(world.ending, world.services);
  if (last !== undefined) return last;
  const refusal = refuse(world);
  if (refusal.length > 0) return refusal;
  if (world.missingPackages.length > 0) return install(world);
  return [...server(world), ...logins(world), ...publish(world), ...tell(world)];
}

/** Why nothing may be done; empty when it may. */
export function refuse(world: World): Decision[] {
  const { baseDn, port, transport } = world.config;
  const option = (name: string, value: string | number, allowed: string) => [
    blocked('option-invalid', `option ${name} is "${value}"; allowed: ${allowed}`),
  ];
  if (!/^dc=[A-Za-z0-9-]{1,63}(,dc=[A-Za-z0-9-]{1,63}){0,9}$/.test(baseDn)) {
    return option('base-dn', baseDn, 'as dc=example,dc=org');
  }
  if (!Number.isInteger(port) || port < 1024 || port > 65_535) {
    return option('port', port, '1024 to 65535');
  }
  if (transport !== 'ldaps' && transport !== 'starttls') {
    return option('transport', transport, 'ldaps, starttls');
  }
  if (world.seededFor !== undefined && world.seededFor !== baseDn) {
    return option('base-dn', baseDn, `${world.seededFor}, for which the data were made`);
  }
  if (!world.isLeader) {
    const text = 'a second unit would be a second, empty directory: remove this unit';
    return [blocked('more-than-one-unit', text)];
  }
  if (world.address === undefined) return [waiting('no-address', 'waiting for an address')];
  if (world.places === undefined) return [waiting('no-storage', 'waiting for storage data')];
  return [];
}

function install({ missingPackages, root }: World): Decision[] {
  const packages = [...missingPackages];
  const names = packages.join(' ');
  if (root.uid === 0) return [step('install-packages', { packages }, `not installed: ${names}`)];
  const how = `run: sudo apt-get install ${names}`;
  return [blocked('packages-missing', `packages are missing: ${names}; ${how}`)];
}

function server(world: World): Decision[] {
  const { places, address, authority, config } = world;
  if (places === undefined || address === undefined) return [];
  const decisions: Decision[] = [];
  if (authority === undefined) {
    decisions.push(step('create-authority', {}, 'the directory has no certificate authority'));
  }
  const text = slapdConfig(places, config.baseDn, world.root);
  if (world.written !== text) {
    decisions.push(step('write-config', { text }, 'the configuration is out of date'));
  }
  if (world.seededFor === undefined) {
    const { baseDn } = config;
    decisions.push(step('make-database', { baseDn }, 'there is no directory yet'));
  }
  if (!world.certified) {
    decisions.push(step('issue-certificate', { address }, 'it has none that is good here'));
  }
  const run = runWorkload(world, { [SERVICE]: specOf(world, places, address) }, [config.port]);
  return [...decisions, ...run, ...health(world)];
}

function specOf(world: World, places: Places, address: string): ServiceSpec {
  const { port, transport } = world.config;
  return {
    command: slapdCommand(places, transport as Transport, address, port),
    ...(world.user === undefined ? {} : { user: world.user }),
    env: {},
    requires: places.certificate,
  };
}

function health({ held, failure, services }: World): Decision[] {
  if (held !== undefined || services[SERVICE]?.wantedUp !== true) return [];
  if (failure === undefined) return [maintenance('slapd-starts', 'slapd starts')];
  return [maintenance('slapd-down', `slapd does not run: ${failure}`)];
}

/** Every relation has a login of its own, whose password slapd and the secret agree on. */
function logins({ relations, held, config }: World): Decision[] {
  if (held === undefined) return [];
  const { baseDn } = config;
  const lacking = relations.filter(({ id, ending, login }) => {
    const hash = held.logins[id];
    return !ending && (login === undefined || !hash || !isHashOf(hash, login.password));
  });
  const left = Object.keys(held.logins)
    .map(Number)
    .filter((id) => !relations.some((relation) => relation.id === id && !relation.ending));
  return [
    ...lacking.map(({ id, app }) =>
      step('make-login', { relationId: id, baseDn }, `${app} has no login that works`),
    ),
    ...left.map((id) => step('remove-login', { relationId: id, baseDn }, `relation ${id} is gone`)),
  ];
}

function publish(world: World): Decision[] {
  return world.relations.flatMap((relation) => {
    const data = offer(world, relation);
    if (data === undefined) return [];
    const changed = changedKeys(data, relation.local);
    if (Object.keys(changed).length === 0) return [];
    const why = `${relation.app} is to know where the directory is`;
    return [step('publish', { relationId: relation.id, data: changed }, why)];
  });
}

/** The whole databag of a relation; undefined while its login does not work. */
function offer(world: World, { id, ending, login }: Relation): Record<string, string> | undefined {
  const { address, authority, config, held } = world;
  const hash = held?.logins[id];
  if (ending || login === undefined || address === undefined || authority === undefined) {
    return undefined;
  }
  if (hash === undefined || !isHashOf(hash, login.password)) return undefined;
  return encodeLdapData({
    security: config.transport as Transport,
    servers: [{ host: address, port: config.port }],
    baseDn: config.baseDn,
    bindDn: loginDn(id, config.baseDn),
    passwordSecret: login.id,
    caChain: [authority.certificate],
  });
}

function tell({ trusting, authority }: World): Decision[] {
  if (authority === undefined) return [];
  const wanted = transferData([authority.certificate]);
  return trusting
    .filter(({ ending }) => !ending)
    .flatMap(({ id, app, localApp, localUnit }) =>
      (['app', 'unit'] as const).flatMap((scope) => {
        const data = changedKeys(wanted[scope], scope === 'app' ? localApp : localUnit);
        if (Object.keys(data).length === 0) return [];
        const why = `${app} is to trust this directory`;
        return [step('tell-authority', { relationId: id, scope, data }, why)];
      }),
    );
}
