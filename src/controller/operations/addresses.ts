/**
 * `change-address`: a machine gets another address of its range, as by a new lease of DHCP. Writes
 * it down only: its units see the difference, get config-changed, and tell their relations.
 */
import { type Model, refusal, unitNamed } from './model.ts';
import { freeAddress, type MachineKind, rangeOf } from './units.ts';

/**
 * @param target a machine's id or a unit
 * @param wanted default the first that is free
 * @throws OperatorError `not-found`, `address-invalid`
 */
export function changeAddress(model: Model, target: string, wanted?: string): string[] {
  const { store } = model;
  return store.tx(() => {
    const id = target.includes('/') ? unitNamed(store, target).machineId : target;
    const row = store.get<{ kind: MachineKind }>('SELECT kind FROM machine WHERE id = ?', id);
    if (row === undefined) throw refusal('not-found', `machine ${target} not found`);
    const address = wanted ?? freeAddress(model, row.kind, Number(id));
    checkAddress(model, id, { kind: row.kind, address });
    store.run('UPDATE machine SET address = ? WHERE id = ?', address, id);
    return [`machine ${id} has address ${address}`];
  });
}

function checkAddress(
  { store }: Model,
  id: string,
  { kind, address }: { kind: MachineKind; address: string },
): void {
  const { prefix, first, last } = rangeOf(store, kind);
  const host = /^\d+$/.exec(address.slice(prefix.length + 1))?.[0];
  const fits = address.startsWith(`${prefix}.`) && Number(host) >= first && Number(host) <= last;
  const taken = store.get('SELECT 1 FROM machine WHERE address = ? AND id <> ?', address, id);
  if (fits && taken === undefined && String(Number(host)) === host) return;
  throw refusal(
    'address-invalid',
    `cannot give machine ${id} address ${address}: ${fits ? 'it is taken' : 'it is out of range'}`,
    `choose a free one from ${prefix}.${first} to ${prefix}.${last}, or name none`,
  );
}
