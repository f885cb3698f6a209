/**
 * Where things are below the installation's directory D (docs/architecture.md). Names only; makes
 * nothing.
 */
import { join } from 'node:path';

/** `postgresql/2` -> `unit-postgresql-2`, as Juju's tags write it. */
export function unitTag(unit: string): string {
  return `unit-${unit.replace('/', '-')}`;
}

export class Layout {
  readonly root: string;

  /** @param root absolute path of D */
  constructor(root: string) {
    this.root = root;
  }

  get database(): string {
    return join(this.root, 'state', 'controller.db');
  }

  get bin(): string {
    return join(this.root, 'bin');
  }

  get agents(): string {
    return join(this.root, 'agents');
  }

  get tools(): string {
    return join(this.root, 'tools');
  }

  charmArchive(sha256: string): string {
    return join(this.root, 'charms', `${sha256}.charm`);
  }

  agentDir(unit: string): string {
    return join(this.agents, unitTag(unit));
  }

  charmDir(unit: string): string {
    return join(this.agentDir(unit), 'charm');
  }

  resourcesDir(unit: string): string {
    return join(this.agentDir(unit), 'resources');
  }

  socket(unit: string): string {
    return join(this.agentDir(unit), 'agent.socket');
  }

  toolsDir(unit: string): string {
    return join(this.tools, unitTag(unit));
  }

  /** @param id `data/3` */
  storageDir(id: string): string {
    return join(this.root, 'storage', id);
  }
}
