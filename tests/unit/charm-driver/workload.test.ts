/** What charms share whose workload are services: how it is run, reached and ended. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { isStep } from '../../../lib/charm/decision.ts';
import {
  CA_FIELD,
  CA_KEY_FIELD,
  createOwnAuthority,
  isStillGood,
  issueServerCertificate,
} from '../../../lib/charm/own-authority.ts';
import {
  endingOf,
  farewell,
  runWorkload,
  type WorkloadFacts,
} from '../../../lib/charm/workload.ts';
import { type WorkloadTools, workloadSteps } from '../../../lib/charm/workload-steps.ts';
import type { HookContext } from '../../../lib/contract/context.ts';
import type { Issued } from '../../../lib/x509/authority.ts';
import { afterWorkload } from '../../support/workload.ts';

const spec = (program: string) => ({ command: [program], env: {} });
const WANTED = { store: spec('/bin/store'), front: spec('/bin/front') };
const NOTHING: WorkloadFacts = { services: {}, supervised: false, openPorts: [] };

function settled(ports: number[]): WorkloadFacts {
  let facts = NOTHING;
  for (const step of runWorkload(facts, WANTED, ports).filter(isStep)) {
    facts = { ...facts, ...afterWorkload(facts, step) };
  }
  return facts;
}

function kinds(facts: WorkloadFacts, ports: number[]): string[] {
  return runWorkload(facts, WANTED, ports)
    .filter(isStep)
    .map(({ kind, args }) => `${kind} ${'name' in args ? args.name : ''}`.trim());
}

describe('services of a machine', () => {
  test('all are defined before any starts, and converged means empty', () => {
    assert.deepEqual(kinds(NOTHING, [80]), [
      ...['define-service store', 'define-service front', 'start-supervisor'],
      ...['start-service store', 'start-service front', 'open-ports'],
    ]);
    assert.deepEqual(kinds(settled([80, 443]), [443, 80]), []);
  });

  test('only what differs is done again', () => {
    const facts = settled([80]);
    assert.deepEqual(kinds(facts, [81]), ['open-ports']);
    const other = { ...facts.services['front'], spec: spec('/bin/old') };
    const services = { ...facts.services, front: { wantedUp: true, running: true, ...other } };
    assert.deepEqual(kinds({ ...facts, services }, [80]), ['define-service front']);
    assert.deepEqual(kinds({ ...facts, supervised: false }, [80]), ['start-supervisor']);
  });

  test('a unit that ends stops what runs, once, and is removed last', () => {
    const { services } = settled([80]);
    assert.equal(farewell('none', services), undefined);
    assert.equal(farewell('stop', services)?.length, 2);
    assert.deepEqual(farewell('stop', {}), []);
    assert.partialDeepStrictEqual(farewell('remove', services), [{ kind: 'remove-workload' }]);
  });

  test('which events end it', () => {
    const at = (name: string, storage?: string) =>
      endingOf({ name, storage } as unknown as HookContext, 'data');
    assert.deepEqual(
      [at('remove'), at('stop'), at('data-storage-detaching', 'data/1'), at('update-status')],
      ['remove', 'stop', 'stop', 'none'],
    );
    assert.equal(at('logs-storage-detaching', 'logs/1'), 'none');
  });

  test('ports that are not wanted any more are closed', async () => {
    const asked: string[] = [];
    const hooks = {
      openedPorts: async () => ['80/tcp', '443/tcp'],
      closePort: async (port: number) => void asked.push(`close ${port}`),
      openPort: async (port: number) => void asked.push(`open ${port}`),
    };
    const tools = { hooks } as unknown as WorkloadTools;
    await workloadSteps('lane', 1000)['open-ports'].apply({ ports: [443, 8443] }, tools);
    assert.deepEqual(asked, ['close 80', 'open 443', 'open 8443']);
  });
});

describe('an authority of its own', () => {
  let content: Record<string, string> = {};
  let issued: Issued;
  before(async () => {
    const hooks = {
      secretAdd: async (fields: Record<string, string>, { label }: { label: string }) => {
        content = fields;
        return label;
      },
    };
    const context = { app: 'store', model: { uuid: 'u' } };
    const tools = { hooks, context } as unknown as WorkloadTools;
    await createOwnAuthority(tools, { label: 'store.ca', description: 'for the test' });
    issued = await issueServerCertificate(content, '10.0.0.7');
  });

  test('what it issues is good for that address and that key', () => {
    const ca = content[CA_FIELD] ?? '';
    assert.match(content[CA_KEY_FIELD] ?? '', /PRIVATE KEY/);
    assert.equal(isStillGood(issued, ca, '10.0.0.7'), true);
    assert.equal(isStillGood(issued, ca, '10.0.0.8'), false);
    const foreignKey = { ...issued, key: content[CA_KEY_FIELD] ?? '' };
    assert.equal(isStillGood(foreignKey, ca, '10.0.0.7'), false);
  });

  test('and is not what another has issued, or nobody', () => {
    assert.equal(isStillGood(issued, issued.certificate, '10.0.0.7'), false);
    assert.equal(isStillGood({ certificate: 'none', key: '' }, '', '10.0.0.7'), false);
  });
});
