/** `status` as a person reads it: the tables of Juju 4, made from the JSON document alone. */
import type {
  RelationStatus,
  StatusAnswer,
  StatusDocument,
  StorageDocument,
  UnitStatus,
} from '../controller/api/documents.ts';
import { columns } from './table.ts';

export interface Sections {
  readonly relations: boolean;
  readonly storage: boolean;
}

/** @returns tables with an empty line between, ending in a newline */
export function statusText({ document, relations }: StatusAnswer, sections: Sections): string {
  const tables = [
    modelTable(document),
    applicationTable(document),
    unitTable(document),
    machineTable(document),
    sections.storage ? storageText(document.storage) : '',
    sections.relations ? relationTable(relations) : '',
  ];
  return tables.filter((table) => table !== '').join('\n');
}

function modelTable({ model, controller }: StatusDocument): string {
  const row = [model.name, model.controller, model.cloud, model.version, controller.timestamp];
  return columns(['Model', 'Controller', 'Cloud/Region', 'Version', 'Timestamp'], [row]);
}

function applicationTable({ applications }: StatusDocument): string {
  const rows = Object.entries(applications).map(([name, application]) => {
    const count = Object.keys(application.units ?? {}).length;
    const status = application['application-status'];
    return [
      name,
      application.version ?? '',
      lifeOr(application.life, status.current),
      application['subordinate-to'] === undefined ? String(count) : '',
      application['charm-name'],
      '',
      String(application['charm-rev']),
      application.exposed ? 'yes' : 'no',
      status.message ?? '',
    ];
  });
  if (rows.length === 0) return '';
  const header = [
    'App',
    'Version',
    'Status',
    'Scale',
    'Charm',
    'Channel',
    'Rev',
    'Exposed',
    'Message',
  ];
  return columns(header, rows, { right: new Set(['Scale', 'Rev']) });
}

function unitTable({ applications }: StatusDocument): string {
  const rows = Object.values(applications).flatMap((application) =>
    Object.entries(application.units ?? {}).flatMap(([name, unit]) => [
      unitRow(name, unit),
      ...Object.entries(unit.subordinates ?? {}).map(([sub, it]) => unitRow(`  ${sub}`, it)),
    ]),
  );
  if (rows.length === 0) return '';
  const header = ['Unit', 'Workload', 'Agent', 'Machine', 'Public address', 'Ports', 'Message'];
  return columns(header, rows);
}

function unitRow(name: string, unit: UnitStatus): string[] {
  const { 'workload-status': workload, 'juju-status': agent } = unit;
  const doing = agent.message ?? '';
  const message = workload.message ?? '';
  return [
    `${name}${unit.leader === true ? '*' : ''}`,
    workload.current ?? '',
    lifeOr(agent.life, agent.current),
    unit.machine,
    unit['public-address'],
    (unit['open-ports'] ?? []).join(','),
    doing === '' ? message : `(${doing}) ${message}`.trimEnd(),
  ];
}

function machineTable({ machines }: StatusDocument): string {
  const rows = Object.entries(machines).map(([id, machine]) => [
    id,
    machine['juju-status'].current ?? '',
    machine['dns-name'],
    machine['instance-id'],
    `${machine.base.name}@${machine.base.channel}`,
    '',
    machine['machine-status'].message ?? '',
  ]);
  if (rows.length === 0) return '';
  return columns(['Machine', 'State', 'Address', 'Inst id', 'Base', 'AZ', 'Message'], rows);
}

function relationTable(relations: readonly RelationStatus[]): string {
  if (relations.length === 0) return '';
  const rows = relations.map(({ provider, requirer, interface: name, type, message }) => [
    provider,
    requirer,
    name,
    type,
    message,
  ]);
  return columns(['Integration provider', 'Requirer', 'Interface', 'Type', 'Message'], rows);
}

export function storageText({ storage = {}, filesystems = {} }: StorageDocument): string {
  const rows = Object.entries(storage).map(([id, instance]) => {
    const [unit, attachment] = Object.entries(instance.attachments?.units ?? {})[0] ?? [];
    const filesystem = Object.values(filesystems).find((candidate) => candidate.storage === id);
    return [
      unit ?? '',
      id,
      instance.kind,
      filesystem?.pool ?? '',
      attachment?.location ?? '',
      filesystem === undefined ? '' : sizeText(filesystem.size),
      lifeOr(instance.life, instance.status.current),
      instance.status.message ?? '',
    ];
  });
  if (rows.length === 0) return '';
  const header = [
    'Storage Unit',
    'Storage ID',
    'Type',
    'Pool',
    'Mountpoint',
    'Size',
    'Status',
    'Message',
  ];
  return columns(header, rows);
}

/** MiB as Juju shows sizes: `512 MiB`, `1.0 GiB`. */
function sizeText(mib: number): string {
  return mib < 1024 ? `${mib} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}

function lifeOr(life: string | undefined, status: string | undefined): string {
  return life === 'dying' || life === 'dead' ? 'terminating' : (status ?? '');
}
