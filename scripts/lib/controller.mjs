/**
 * The controller of an installation as a process: finds it, starts and stops it, and has systemd
 * keep it where systemd runs. Units' services are none of its business.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lives, processesOf, signalAll, waitUntil } from './processes.mjs';
import { Refusal, say } from './terminal.mjs';

const unitFile = '/etc/systemd/system/pgcharm.service';
const unitName = 'pgcharm.service';
/** One installation of a machine is kept by systemd: the one at the usual place. */
const usualRoot = '/var/lib/pgcharm';

export function controllersOf(root) {
  const program = join(root, 'release');
  return processesOf(root).filter(
    ({ command }) => command.includes(program) && command.includes('controller.js'),
  );
}

/** Starts it unless it runs, and waits until it answers. */
export async function startController(root) {
  const daemon = await import('../../src/cli/daemon.ts');
  if (keptBySystemd(root)) {
    writeUnit(unitText(root, daemon));
    if (!isActive()) {
      // One that the CLI started by itself makes room, or systemd's would find its place taken.
      await stopController(root);
      systemctl('start');
    }
  }
  await daemon.ensureController(root, (line) => say(line));
}

/** @returns {Promise<boolean>} whether one ran */
export async function stopController(root) {
  const running = controllersOf(root);
  if (keptBySystemd(root) && isActive()) systemctl('stop');
  signalAll(running, 'SIGTERM');
  const ended = () => !running.some(lives);
  if (!(await waitUntil(ended, 20_000))) {
    signalAll(running, 'SIGKILL');
    await waitUntil(ended, 5000);
  }
  return running.length > 0;
}

/** Takes the systemd unit away, if it belongs to this installation. */
export function removeUnit(root) {
  if (!existsSync(unitFile) || !readFileSync(unitFile, 'utf8').includes(`--dir ${root}\n`)) return;
  spawnSync('systemctl', ['disable', unitName], { stdio: 'ignore' });
  rmSync(unitFile);
  spawnSync('systemctl', ['daemon-reload'], { stdio: 'ignore' });
  say(`removed ${unitFile}`);
}

function keptBySystemd(root) {
  return root === usualRoot && process.getuid() === 0 && existsSync('/run/systemd/system');
}

function isActive() {
  return spawnSync('systemctl', ['is-active', '--quiet', unitName]).status === 0;
}

function writeUnit(text) {
  if (existsSync(unitFile) && readFileSync(unitFile, 'utf8') === text) return;
  say(`writing ${unitFile}`, 'the controller comes back after a restart of the machine');
  writeFileSync(unitFile, text, { mode: 0o644 });
  systemctl('daemon-reload');
  systemctl('enable');
}

function systemctl(verb) {
  const args = verb === 'daemon-reload' ? [verb] : [verb, unitName];
  const { status, stderr } = spawnSync('systemctl', args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Refusal(
    `cannot ${verb} ${unitName}: ${stderr.trim().split('\n').at(-1)}`,
    `see \`systemctl status ${unitName}\` and \`journalctl -u ${unitName}\``,
  );
}

/** KillMode=process: databases outlive their controller. */
function unitText(root, { controllerCommand, controllerVariables }) {
  const variables = Object.entries(controllerVariables(root)).map(
    ([name, value]) => `Environment=${name}=${value}`,
  );
  return `[Unit]
Description=pgcharm, the embedded model controller
After=network-online.target
Wants=network-online.target

[Service]
${variables.join('\n')}
ExecStart=${controllerCommand(root).join(' ')}
KillMode=process
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`;
}
