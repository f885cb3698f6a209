/**
 * Runs a command many times and prints, as JSON, how long each run took and how much memory it took
 * at most: `node probe.mjs <runs> <program> [argument…]`. Plain JavaScript without imports of ours,
 * because it runs in a unit's environment, where the clone may be out of reach.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

const [runs = '1', program = '', ...args] = process.argv.slice(2);

/** The kernel keeps the peak (VmHWM) until the process ends; the last reading is near enough. */
function peakKiB(pid) {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function runOnce() {
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    let peak = 0;
    const sampler = setInterval(() => {
      peak = Math.max(peak, peakKiB(child.pid));
    }, 2);
    child.stderr.on('data', (text) => {
      said += text;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      const ms = Number(process.hrtime.bigint() - started) / 1e6;
      clearInterval(sampler);
      if (code === 0) resolve({ ms, peakMiB: peak / 1024 });
      else reject(new Error(`${program} ended with ${code}: ${said}`));
    });
  });
}

const results = [await runOnce()];
for (let run = 1; run < Number(runs); run += 1) results.push(await runOnce());
process.stdout.write(JSON.stringify(results));
