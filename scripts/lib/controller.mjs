/**
 * The controller of an installation as a process: finds it, starts and stops it, and has systemd
 * keep it where systemd runs. Units' services are none of its business.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lives, processesOf, signalAll, waitUntil } from './processes.mjs';
import { Refusal, say } from './terminal.mjs';

export function controllersOf(root) {
  const program = join(root, 'release');
  return processesOf(root).filter(
    ({ command }) => command.includes(program) && command.includes('controller.js'),
  );
}

/** Starts it unless it runs, and waits until it answers. */
export async function startController(root) {
  const daemon = await import('../../src/cli/daemon.ts');
  const unit = await systemdUnit();
  if (unit.mayHaveUnit(root)) {
    writeUnit(unit, unitText(root, daemon));
    // One that was started without systemd makes room, or systemd's would find its place taken.
    if (!isActive(unit)) await stopController(root);
  }
  await daemon.ensureController(root, (line) => say(line));
}

/** @returns {Promise<boolean>} whether one ran */
export async function stopController(root) {
  const running = controllersOf(root);
  const unit = await systemdUnit();
  // Also when it is not active: it may be about to start again.
  if (unit.hasUnit(root)) systemctl(unit, 'stop');
  signalAll(running, 'SIGTERM');
  const ended = () => !running.some(lives);
  if (!(await waitUntil(ended, 20_000))) {
    signalAll(running, 'SIGKILL');
    await waitUntil(ended, 5000);
  }
  return running.length > 0;
}

/** systemd remembers supervisors that did not end by themselves; once gone, it need not. */
export function forgetSupervisors(root) {
  if (process.getuid() !== 0 || !existsSync('/run/systemd/system')) return;
  const list = ['list-units', '--state=failed', '--full', '--plain', '--no-legend'];
  const { stdout } = spawnSync('systemctl', list, { encoding: 'utf8' });
  const lines = stdout.split('\n').filter((line) => line.includes(` ${root}/agents/`));
  const names = lines.map((line) => line.split(' ')[0]);
  if (names.length > 0) spawnSync('systemctl', ['reset-failed', ...names], { stdio: 'ignore' });
}

/** Takes the systemd unit away, if it belongs to this installation. */
export async function removeUnit(root) {
  const unit = await systemdUnit();
  if (!unit.hasUnit(root)) return;
  spawnSync('systemctl', ['disable', unit.UNIT_NAME], { stdio: 'ignore' });
  rmSync(unit.UNIT_FILE);
  spawnSync('systemctl', ['daemon-reload'], { stdio: 'ignore' });
  spawnSync('systemctl', ['reset-failed', unit.UNIT_NAME], { stdio: 'ignore' });
  say(`removed ${unit.UNIT_FILE}`);
}

function systemdUnit() {
  return import('../../src/cli/systemd-unit.ts');
}

function isActive({ UNIT_NAME }) {
  return spawnSync('systemctl', ['is-active', '--quiet', UNIT_NAME]).status === 0;
}

function writeUnit(unit, text) {
  const { UNIT_FILE } = unit;
  if (existsSync(UNIT_FILE) && readFileSync(UNIT_FILE, 'utf8') === text) return;
  say(`writing ${UNIT_FILE}`, 'the controller comes back after a restart of the machine');
  writeFileSync(UNIT_FILE, text, { mode: 0o644 });
  systemctl(unit, 'daemon-reload');
  systemctl(unit, 'enable');
}

function systemctl({ UNIT_NAME }, verb) {
  const args = verb === 'daemon-reload' ? [verb] : [verb, UNIT_NAME];
  const { status, stderr } = spawnSync('systemctl', args, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Refusal(
    `cannot ${verb} ${UNIT_NAME}: ${stderr.trim().split('\n').at(-1)}`,
    `see \`systemctl status ${UNIT_NAME}\` and \`journalctl -u ${UNIT_NAME}\``,
  );
}

/** KillMode=process: databases outlive their controller. Never gives up: nobody else starts it. */
function unitText(root, { controllerCommand, controllerVariables }) {
  const variables = Object.entries(controllerVariables(root)).map(
    ([name, value]) => `Environment=${name}=${value}`,
  );
  return `[Unit]
Description=pgcharm, the embedded model controller
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
${variables.join('\n')}
ExecStart=${controllerCommand(root).join(' ')}
StandardOutput=append:${root}/log/controller.log
StandardError=append:${root}/log/controller.log
KillMode=process
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`;
}
