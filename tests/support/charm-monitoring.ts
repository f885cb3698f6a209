/**
 * The rules and dashboards of the charm as a collector of cos_agent gets them, from the sources:
 * dashboards are decompressed by Python's lzma, which is what collectors use.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { RuleGroup } from '../../lib/relations/cos-agent.ts';
import { type Dashboard, monitoringText } from '../../scripts/lib/monitoring.mjs';
import { projectRoot } from './source-tree.ts';

export interface CarriedRules {
  groups: RuleGroup[];
  logGroups: RuleGroup[];
  dashboards: string[];
}

/** The content of monitoring.json. */
export async function carriedMonitoring(): Promise<CarriedRules> {
  const folder = join(projectRoot, 'src', 'charm', 'monitoring');
  return JSON.parse(await monitoringText(folder, 'postgresql'));
}

const DECODE = `
import base64, json, lzma, sys
boards = [lzma.decompress(base64.b64decode(each)) for each in json.load(sys.stdin)]
print(json.dumps([json.loads(each) for each in boards]))`;

export function decodeDashboards(encoded: readonly string[]): Dashboard[] {
  const input = JSON.stringify(encoded);
  return JSON.parse(execFileSync('python3', ['-c', DECODE], { input, encoding: 'utf8' }));
}

/** A query of a board with everything chosen. */
export function queryOf(expr: string): string {
  return expr.replaceAll(/\$juju_\w+/g, '.*').replaceAll('$__rate_interval', '1m');
}
