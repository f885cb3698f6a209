/** `deploy` of one .charm file: read and checked first, then the whole application at once. */
import type { DeployRequest } from '../api.ts';
import { checkNewName, insertApplication } from './applications.ts';
import { keepArchive, readCharmArchive } from './charm-archive.ts';
import { addCharm, checkDeployable, chooseBase } from './charms.ts';
import { typedConfig } from './config.ts';
import type { Model } from './model.ts';
import { storageDirectives } from './storage.ts';
import { insertUnits } from './units.ts';

/** @returns what Juju prints while it deploys @throws OperatorError */
export async function deployCharm(model: Model, request: DeployRequest): Promise<string[]> {
  const content = await readCharmArchive(request.path, request.shown);
  checkDeployable(content);
  const { metadata } = content;
  const name = request.application ?? metadata.name;
  const prepared = {
    name,
    base: chooseBase(content, request.base),
    config: typedConfig(content.config, name, { set: request.config, yaml: request.configYaml }),
    storage: storageDirectives(metadata, request.storage ?? {}),
    constraints: request.constraints ?? {},
    trust: request.trust ?? false,
  };
  checkNewName(model, name);
  await keepArchive(model.layout, request.path, content.sha256);
  return model.store.tx(() => {
    // Again: another deploy may have come first while the archive was read.
    checkNewName(model, name);
    const charm = addCharm(model, content);
    const application = insertApplication(model, { ...prepared, charm });
    const { to, attachStorage: attach, machine: kind, numUnits: count = 1 } = request;
    insertUnits(model, application, { count, to, attach, kind });
    const what = `local charm "${metadata.name}", revision ${charm.revision}`;
    return [`Located ${what}`, `Deploying "${name}" from ${what} on ${prepared.base}/stable`];
  });
}
