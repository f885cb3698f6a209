/**
 * The one model and its controller: models, show-model, switch, controllers, whoami.
 *
 * There is exactly one of each; these commands say so truthfully, in Juju's documents.
 */
import { OperatorError } from '../../../lib/std/errors.ts';
import { type Command, formatFlag } from '../command.ts';
import { formatted } from '../output.ts';
import { resolveRoot, socketPath } from '../root.ts';
import { columns } from '../table.ts';

export const models: Command = {
  name: 'models',
  usage: '',
  summary: 'List models: there is one.',
  flags: [formatFlag('tabular', 'json', 'yaml')],
  takes: [0, 0],
  async run(call) {
    const model = await call.api.call('model', {});
    const format = call.flags.text('format') ?? 'tabular';
    if (format !== 'tabular') {
      call.out.data(formatted({ models: [model], 'current-model': model['short-name'] }, format));
      return 0;
    }
    const row = [`${model['short-name']}*`, model.cloud, model.type, model.status.current];
    const header = ['Model', 'Cloud/Region', 'Type', 'Status'];
    call.out.data(`Controller: ${model['controller-name']}\n\n${columns(header, [row])}`);
    return 0;
  },
};

export const showModel: Command = {
  name: 'show-model',
  usage: '[<model>]',
  summary: 'Show information about the model.',
  flags: [formatFlag('yaml', 'json')],
  takes: [0, 1],
  async run(call) {
    const [name] = call.args;
    const model = await call.api.call('model', name === undefined ? {} : { model: name });
    const document = { [model['short-name']]: model };
    call.out.data(formatted(document, call.flags.text('format') ?? 'yaml'));
    return 0;
  },
};

export const switchModel: Command = {
  name: 'switch',
  usage: '[<model>]',
  summary: 'Show the current model; there is no other one to switch to.',
  takes: [0, 1],
  async run(call) {
    const [name] = call.args;
    const model = await call.api.call('model', name === undefined ? {} : { model: name });
    const full = `${model['controller-name']}:${model.name}`;
    if (name === undefined) call.out.data(`${full}\n`);
    else call.out.say(`${full} (no change)`);
    return 0;
  },
};

export const controllers: Command = {
  name: 'controllers',
  usage: '',
  summary: 'List controllers: the one of this user on this machine.',
  flags: [
    formatFlag('tabular', 'json', 'yaml'),
    { names: ['refresh'], kind: 'bool', doc: 'Accepted for compatibility' },
  ],
  takes: [0, 0],
  async run(call) {
    const model = await call.api.call('model', {});
    const name = model['controller-name'];
    const format = call.flags.text('format') ?? 'tabular';
    if (format === 'tabular') {
      const row = [`${name}*`, model['short-name'], 'admin', 'superuser', model.cloud];
      const header = ['Controller', 'Model', 'User', 'Access', 'Cloud/Region'];
      call.out.data(columns(header, [[...row, model['agent-version']]]));
      return 0;
    }
    const entry = {
      'current-model': model['short-name'],
      user: 'admin',
      access: 'superuser',
      uuid: model['controller-uuid'],
      'api-endpoints': [`unix://${socketPath(resolveRoot(call.env))}`],
      cloud: model.cloud,
      'agent-version': model['agent-version'],
    };
    const document = { controllers: { [name]: entry }, 'current-controller': name };
    call.out.data(formatted(document, format));
    return 0;
  },
};

export const whoami: Command = {
  name: 'whoami',
  usage: '',
  summary: 'Show the current controller, model and user.',
  flags: [formatFlag('tabular', 'json', 'yaml')],
  takes: [0, 0],
  async run(call) {
    const model = await call.api.call('model', {});
    const [controller, name] = [model['controller-name'], model['short-name']];
    const format = call.flags.text('format') ?? 'tabular';
    const document = { controller, model: name, user: 'admin' };
    if (format !== 'tabular') call.out.data(formatted(document, format));
    else call.out.data(`Controller:  ${controller}\nModel:       ${name}\nUser:        admin\n`);
    return 0;
  },
};

/** Verbs of Juju that make, remove or join models and controllers: refused with the reason. */
export function onlyOne(name: string): Command {
  return {
    name,
    usage: '',
    summary: 'Not offered: there is one controller with one model per installation.',
    details: 'Another installation is another directory: set PGCHARM_DIR.',
    takes: [0, 1000],
    async run() {
      throw new OperatorError({
        code: 'one-model',
        message: `cannot ${name.replaceAll('-', ' ')}: there is one controller with one model`,
        hint: 'for another model, set PGCHARM_DIR to another directory',
        retry: 'never',
      });
    },
  };
}
