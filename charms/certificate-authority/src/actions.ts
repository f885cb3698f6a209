/** The actions: what operators ask of the authority. Each plans steps; none carries one out. */
import {
  type Action,
  accept,
  type Planned,
  type Refused,
  refuse,
} from '../../../lib/charm/action.ts';
import { isStep, stepsOf } from '../../../lib/charm/decision.ts';
import { readCertificates, readRequests } from '../../../lib/relations/tls-certificates.ts';
import { digestOf } from '../../../lib/std/digest.ts';
import { viewCertificate } from '../../../lib/x509/inspect.ts';
import { trusted } from './answers.ts';
import { answerStep, refuse as refuseOptions, validityDays } from './decide.ts';
import type { Steps, World } from './world.ts';

const step = stepsOf<Steps>();

/** Only the leader may answer, and only when there is a root. */
function obstacle(world: World, what: string): Refused | undefined {
  if (!world.isLeader) {
    return refuse('not-leader', `cannot ${what}: run it on the leader`);
  }
  if (world.authority === undefined) {
    return refuse('no-root', `cannot ${what}: the root has not been made yet`);
  }
  const invalid = refuseOptions(world);
  if (invalid === undefined || isStep(invalid)) return undefined;
  return refuse(invalid.code, `cannot ${what}: ${invalid.message}`);
}

/** What everybody is told when roots have changed. */
function tellAll(world: World, why: string) {
  const digest = digestOf(why);
  return [
    ...world.requirers.map((requirer) => answerStep(requirer, world, [], why)),
    ...world.trusting.map(({ id }) => step('tell-authorities', { relationId: id, digest }, why)),
  ];
}

export const getCaCertificate: Action<World, Steps, undefined> = {
  name: 'get-ca-certificate',
  parse: () => undefined,
  plan({ authority }): Planned<Steps> {
    if (authority === undefined) {
      return refuse('no-root', 'cannot show a certificate: the root has not been made yet');
    }
    return accept<Steps>([], { 'ca-certificate': trusted(authority).join('\n') });
  },
};

export const listCertificates: Action<World, Steps, undefined> = {
  name: 'list-certificates',
  parse: () => undefined,
  plan(world): Planned<Steps> {
    const hindrance = obstacle(world, 'list certificates');
    if (hindrance !== undefined) return hindrance;
    const lines = world.requirers.flatMap(({ localApp, units, id }) => {
      const issued = readCertificates(localApp);
      return units.flatMap(({ name, data }) =>
        readRequests(data).flatMap(({ csr }) => {
          const entry = issued.find((candidate) => candidate.csr === csr);
          const view = entry && viewCertificate(entry.certificate);
          if (entry === undefined || view === undefined) return [];
          const until = new Date(view.notAfter).toISOString();
          const state = entry.revoked ? 'revoked' : 'valid';
          return [`${name} relation ${id}: ${view.commonName}, ${view.serial}, ${state}, ${until}`];
        }),
      );
    });
    return accept<Steps>([], { certificates: lines.sort().join('\n'), total: `${lines.length}` });
  },
};

export const rotateCa: Action<World, Steps, undefined> = {
  name: 'rotate-ca',
  parse: () => undefined,
  plan(world): Planned<Steps> {
    const hindrance = obstacle(world, 'rotate the root');
    if (hindrance !== undefined) return hindrance;
    if (world.authority?.previous !== undefined) {
      const how = 'run retire-previous-ca when everybody has the present one';
      return refuse('rotation-open', `cannot rotate the root: two are trusted already; ${how}`);
    }
    const why = 'an operator has asked for a new root';
    const days = validityDays(world, 'authorityValidity');
    return accept<Steps>([step('rotate-authority', { days }, why), ...tellAll(world, why)], {
      rotated: 'True',
    });
  },
};

export const retirePreviousCa: Action<World, Steps, undefined> = {
  name: 'retire-previous-ca',
  parse: () => undefined,
  plan(world): Planned<Steps> {
    const hindrance = obstacle(world, 'retire the previous root');
    if (hindrance !== undefined) return hindrance;
    const why = 'an operator has retired the previous root';
    if (world.authority?.previous === undefined) return accept<Steps>([], { retired: 'True' });
    return accept<Steps>([step('retire-previous', {}, why), ...tellAll(world, why)], {
      retired: 'True',
    });
  },
};

export const revoke: Action<World, Steps, { unit: string }> = {
  name: 'revoke',
  parse({ unit }) {
    if (typeof unit === 'string' && /^[a-z][a-z0-9-]*\/\d+$/.test(unit)) return { unit };
    throw new Error(`cannot revoke: unit ${JSON.stringify(unit)} is not a unit, as postgresql/0`);
  },
  plan(world, { unit }): Planned<Steps> {
    const hindrance = obstacle(world, `revoke certificates of ${unit}`);
    if (hindrance !== undefined) return hindrance;
    const found = world.requirers.flatMap((requirer) => {
      const data = requirer.units.find(({ name }) => name === unit)?.data ?? {};
      const digests = readRequests(data).map(({ csr }) => digestOf(csr));
      return digests.length === 0 ? [] : [{ requirer, digests }];
    });
    if (found.length === 0) {
      return refuse('no-certificate', `cannot revoke: ${unit} has no certificate of this root`);
    }
    const why = `an operator has revoked the certificates of ${unit}`;
    const steps = found.map((each) => answerStep(each.requirer, world, each.digests, why));
    return accept<Steps>(steps, { revoked: String(found.flatMap((each) => each.digests).length) });
  },
};
