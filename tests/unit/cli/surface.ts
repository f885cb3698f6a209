/** Stand-ins for the CLI's surroundings: an API that answers from a table, streams in memory. */
import { parseFlags } from '../../../lib/contract/gnuflag.ts';
import type { Api } from '../../../src/cli/client.ts';
import { type Call, type Command, globalFlags } from '../../../src/cli/command.ts';
import type { Output } from '../../../src/cli/output.ts';
import type {
  ApplicationStatus,
  StatusDocument,
  UnitStatus,
} from '../../../src/controller/api/documents.ts';
import type { Verb } from '../../../src/controller/api.ts';

export interface RecordedOutput extends Output {
  stdout(): string;
  stderr(): string;
}

export function anOutput(): RecordedOutput {
  const texts = { out: '', err: '' };
  return {
    terminal: false,
    liveProgress: false,
    columns: 100,
    data(text) {
      texts.out += text;
    },
    wroteData: () => texts.out !== '',
    say(line) {
      texts.err += `${line}\n`;
    },
    progress(text) {
      texts.err += text;
    },
    stdout: () => texts.out,
    stderr: () => texts.err,
  };
}

export interface Ran {
  code: number | undefined;
  error: unknown;
  out: RecordedOutput;
  /** What the controller was asked, in order. */
  asked: { verb: Verb; request: unknown }[];
}

/**
 * Runs a command against canned answers. A list is answered one after the other, and its last
 * entry for ever.
 */
export async function runCommand(
  command: Command,
  words: readonly string[],
  answers: Partial<Record<Verb, unknown>> = {},
): Promise<Ran> {
  const asked: Ran['asked'] = [];
  const out = anOutput();
  const next = (verb: Verb, request: unknown): never => {
    const earlier = asked.filter((one) => one.verb === verb).length;
    asked.push({ verb, request: JSON.parse(JSON.stringify(request)) });
    const given = answers[verb] ?? { told: [] };
    return structuredClone(
      Array.isArray(given) ? (given[earlier] ?? given.at(-1)) : given,
    ) as never;
  };
  const api: Api = {
    call: async (verb, request) => next(verb, request),
    watch: async (verb, request) => ({ body: next(verb, request), etag: String(asked.length) }),
  };
  try {
    const flags = parseFlags([...(command.flags ?? []), ...globalFlags], words, {
      interspersed: command.stopsAtPositional !== true,
    });
    const { signal } = new AbortController();
    const { args } = flags;
    const call: Call = { args, flags, api, lasting: api, out, env: {}, cwd: '/', signal };
    return { code: await command.run(call), error: undefined, out, asked };
  } catch (error) {
    return { code: undefined, error, out, asked };
  }
}

export function aStatus(applications: Record<string, ApplicationStatus>): StatusDocument {
  return {
    model: {
      name: 'test',
      type: 'iaas',
      controller: 'pgcharm',
      cloud: 'localhost',
      version: '4.0.15',
      'model-status': { current: 'available' },
    },
    machines: {},
    applications,
    storage: {},
    controller: { timestamp: '12:04:55Z' },
  };
}

export function anApplication(change: Partial<ApplicationStatus>): ApplicationStatus {
  return {
    charm: 'local:web-0',
    base: { name: 'ubuntu', channel: '24.04' },
    'charm-origin': 'local',
    'charm-name': 'web',
    'charm-rev': 0,
    exposed: false,
    'application-status': { current: 'active' },
    ...change,
  };
}

export function aUnit(status: string, message: string, agent = 'idle'): UnitStatus {
  return {
    'workload-status': { current: status, message },
    'juju-status': { current: agent },
    machine: '0',
    'public-address': '127.0.0.1',
  };
}
