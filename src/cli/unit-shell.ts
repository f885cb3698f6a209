/**
 * How a command runs in a unit's environment on its machine, which is this one: nothing is
 * encrypted or logged in. Starts nothing itself.
 */
import { join } from 'node:path';

/** As the controller's verb `place` answers. */
export interface UnitPlace {
  readonly unit: string;
  readonly directory: string;
  readonly entrance: readonly string[];
}

export interface UnitShell {
  readonly program: string;
  readonly words: readonly string[];
  readonly options: { readonly cwd: string; readonly env: Record<string, string> };
}

/** Not a login shell: /etc/profile would set another PATH than the charm's profile. */
const PREPARE = 'if [ -r ./profile ]; then . ./profile; fi';

/** @param command text for bash, behind the charm's own `profile` where there is one */
export function unitShell(
  { unit, directory, entrance }: UnitPlace,
  command: string,
  env: Record<string, string | undefined>,
): UnitShell {
  const bash = ['/bin/bash', '--noprofile', '--norc', '-c', `${PREPARE}\n${command}`];
  const [program = '/bin/bash', ...words] = [...entrance, ...bash];
  return {
    program,
    words,
    options: { cwd: directory, env: cleanEnvironment(unit, directory, env) },
  };
}

function cleanEnvironment(
  unit: string,
  directory: string,
  env: Record<string, string | undefined>,
): Record<string, string> {
  const kept = ['HOME', 'USER', 'LOGNAME', 'TERM', 'LANG', 'TZ', 'COLUMNS', 'LINES'];
  const entries = kept.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return {
    LANG: 'C.UTF-8',
    ...(Object.fromEntries(entries) as Record<string, string>),
    PATH: env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    JUJU_UNIT_NAME: unit,
    JUJU_CHARM_DIR: join(directory, 'charm'),
  };
}
