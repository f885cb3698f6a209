/**
 * The processes of a machine, or the controller's own, as those see them who want to know what runs
 * there or to signal it. Knows no program: it lists, and whoever asks tells them apart.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import type { MachineProcess } from '../api/documents.ts';
import { processesOf } from '../machines/processes.ts';
import { type Model, refusal, unitNamed } from '../operations/model.ts';
import { statOf } from '../runner/process-record.ts';
import { unitDirs } from '../uniter/unit-place.ts';

/** @param target a machine's id, a unit, or `controller` @throws OperatorError `not-found` */
export function machineProcesses(model: Model, target: string): MachineProcess[] {
  if (target === 'controller') return described([process.pid]);
  const { store, layout } = model;
  const machine = target.includes('/') ? unitNamed(store, target).machineId : target;
  if (store.get('SELECT 1 FROM machine WHERE id = ?', machine) === undefined) {
    throw refusal('not-found', `machine ${machine} not found`);
  }
  const sql = 'SELECT name FROM unit WHERE machine_id = ?';
  const units = store.all<{ name: string }>(sql, machine);
  return described(processesOf(units.flatMap(({ name }) => unitDirs(store, layout, name))));
}

/** Without those that have ended meanwhile. */
function described(pids: readonly number[]): MachineProcess[] {
  return pids.flatMap((pid) => {
    const fields = statOf(pid);
    if (fields === undefined || fields[0] === 'Z') return [];
    const [, parent = '', ...rest] = fields;
    return [{ pid, parent: Number(parent), started: rest[17] ?? '', ...words(pid) }];
  });
}

function words(pid: number): { command: string; cwd: string } {
  const command = readOf(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  return {
    command: command.split('\0').join(' ').trim(),
    cwd: readOf(() => readlinkSync(`/proc/${pid}/cwd`)),
  };
}

function readOf(read: () => string): string {
  try {
    return read();
  } catch {
    return ''; // It has ended, or belongs to somebody else.
  }
}
