/**
 * Installs the packages named on the command line, as root, so that none of them leaves a service
 * running or enabled. packages.mjs starts it, through sudo where needed; it prints what it does.
 *
 * Ends in good order after Ctrl-C: apt finishes or stops by itself, then everything is put back.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, unlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  denyMainCluster,
  denyStarts,
  enabledBeforeInterruption,
  enabledLinks,
  putBack,
} from './apt-guards.mjs';
import { Refusal, runScript, say } from './terminal.mjs';

const lockPatienceMs = 10 * 60_000;
/** Applies kernel settings at boot; part of any system with an init, and no server of its own. */
const harmless = ['procps.service', 'systemd-sysctl.service', 'procps'];

const installCommand = [
  'install',
  '-y',
  '-qq',
  '--no-install-recommends',
  '-o=Dpkg::Use-Pty=0',
  '-o=Dpkg::Options::=--force-confdef',
  '-o=Dpkg::Options::=--force-confold',
];

await runScript(async (names) => {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      say(signal, 'stopping when everything is put back');
      interrupt.abort();
    });
  }
  const before = enabledBeforeInterruption() ?? enabledLinks();
  putBack();
  try {
    if (names.length > 0) await installAll(names, before, interrupt.signal);
  } finally {
    disableNew(before);
    putBack();
  }
  return interrupt.signal.aborted ? 130 : 0;
});

async function installAll(names, before, signal) {
  denyStarts(before);
  say('updating package lists (apt-get update)');
  requireCandidates(names, await apt(['update', '-qq'], signal));
  if (names.includes('postgresql')) {
    // First alone, so that its configuration is there to say: make no cluster.
    await apt([...installCommand, 'postgresql-common'], signal);
    denyMainCluster();
  }
  say(`installing ${names.join(' ')} (apt-get install)`);
  await apt([...installCommand, ...names], signal);
}

/**
 * Runs apt-get; while another package manager works it waits and says so.
 *
 * @returns {Promise<string>} what it complained about though it ended well, or nothing
 */
async function apt(args, signal) {
  const started = Date.now();
  for (let told = false; ; told = true) {
    if (signal.aborted) throw new Refusal('cannot go on: interrupted');
    const { code, output } = await run('apt-get', args);
    if (code === 0) return firstError(output);
    const locked = /Could not get lock|Unable to acquire the dpkg|Unable to lock/.test(output);
    if (!locked || Date.now() - started > lockPatienceMs) throw failure(args[0], code, output);
    if (!told) say('waiting for another package manager to finish', firstError(output));
    await sleep(3000);
  }
}

function failure(verb, code, output) {
  const hint = /dpkg was interrupted/.test(output)
    ? 'run `dpkg --configure -a` as root, then start again'
    : 'check the network, the free disk space and /etc/apt/sources.list, then start again';
  return new Refusal(`cannot ${verb} packages: ${firstError(output) || `apt-get: ${code}`}`, hint);
}

function firstError(output) {
  const lines = output.split('\n');
  const error = lines.find((text) => /^(E:|Err|dpkg: error)/.test(text));
  const line = error ?? lines.find((text) => text.startsWith('W:')) ?? '';
  return line.replace(/^[EW]:\s*/, '').trim();
}

function run(program, args) {
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      DEBIAN_FRONTEND: 'noninteractive',
      LC_ALL: 'C.UTF-8',
      // Ubuntu's needrestart would restart services that are none of our business.
      NEEDRESTART_SUSPEND: '1',
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** @param {string} complaint of the update of the package lists: the likelier reason, if any */
function requireCandidates(names, complaint) {
  const policy = spawnSync('apt-cache', ['policy', ...names], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  }).stdout;
  const missing = names.filter(
    (name) =>
      !new RegExp(`^${name}:\n  Installed: .*\n  Candidate: (?!\\(none\\))`, 'm').test(policy),
  );
  if (missing.length === 0) return;
  if (complaint !== '') throw failure('find', 0, `E: ${complaint}`);
  throw new Refusal(
    `cannot install ${missing.join(', ')}: no package source offers it`,
    'on Ubuntu enable universe (add-apt-repository universe); on Debian the main archive has it',
  );
}

/** Nothing that these packages brought starts at boot; what was enabled before stays so. */
function disableNew(before) {
  const links = [...enabledLinks()].filter((link) => !before.has(link));
  const names = new Set(links.map((link) => basename(link).replace(/^S\d\d/, '')));
  for (const name of [...names].filter((one) => !harmless.includes(one)).sort()) {
    say(`disabling ${name}`, 'it came with a package and units run their own');
    if (name.includes('.')) spawnSync('systemctl', ['disable', name], { stdio: 'ignore' });
    else spawnSync('update-rc.d', [name, 'disable'], { stdio: 'ignore' });
    for (const link of links) {
      if (basename(link).replace(/^S\d\d/, '') === name && isThere(link)) unlinkSync(link);
    }
  }
}

/** Also true for a link whose target is not. */
function isThere(link) {
  return existsSync(link) || enabledLinks().has(link);
}
