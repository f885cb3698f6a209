/**
 * `npm run bench -- [--json] [id…]`: runs the chosen benchmarks, or all, and prints a table or an
 * array. Progress goes to stderr. Ends with 1 when a figure misses its target.
 */
import { agentRest } from './agent-rest.ts';
import { backupRatio } from './backup-ratio.ts';
import { clientCount } from './client-count.ts';
import { controllerRss } from './controller-rss.ts';
import { deploy } from './deploy.ts';
import { dispatchNoop } from './dispatch-noop.ts';
import { failover } from './failover.ts';
import { integrateLatency } from './integrate-latency.ts';
import { ldapSync } from './ldap-sync.ts';
import type { Benchmark, Measurement } from './measure.ts';
import { optionLatency } from './option-latency.ts';
import { pooler } from './pooler.ts';
import { switchover } from './switchover.ts';

const benchmarks: readonly Benchmark[] = [
  dispatchNoop,
  controllerRss,
  deploy,
  backupRatio,
  switchover,
  failover,
  optionLatency,
  pooler,
  agentRest,
  ldapSync,
  integrateLatency,
  clientCount,
];

async function main(args: readonly string[]): Promise<number> {
  const json = args.includes('--json');
  const chosen = args.filter((argument) => argument !== '--json');
  const known = benchmarks.flatMap(({ ids }) => ids);
  const unknown = chosen.filter((id) => !known.includes(id));
  if (unknown.length > 0) {
    process.stderr.write(`error: no benchmark ${unknown.join(', ')}\nhint: ${known.join(' ')}\n`);
    return 2;
  }
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const results: Measurement[] = [];
  for (const benchmark of benchmarks) {
    const ids = benchmark.ids.filter((id) => chosen.length === 0 || chosen.includes(id));
    if (ids.length > 0) results.push(...(await benchmark.run(ids, say)));
  }
  process.stdout.write(json ? `${JSON.stringify(results, undefined, 2)}\n` : table(results));
  return results.every(({ pass }) => pass) ? 0 : 1;
}

function table(results: readonly Measurement[]): string {
  const head = ['id', 'what', 'value', 'floor', 'ratio', 'target', ''];
  const rows = results.map((result) => [
    result.id,
    result.what,
    `${result.value} ${result.unit}`,
    result.floor === null ? '-' : `${result.floor} ${result.unit} (${result.floorOf})`,
    result.ratio === null ? '-' : `${result.ratio}x`,
    result.targetOf === 'ratio' ? `<= ${result.target}x` : `<= ${result.target} ${result.unit}`,
    result.pass ? 'pass' : 'MISSED',
  ]);
  const widths = head.map((title, column) =>
    Math.max(...[head, ...rows].map((row) => (row[column] ?? title).length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${[head, ...rows].map(line).join('\n')}\n`;
}

process.exitCode = await main(process.argv.slice(2));
