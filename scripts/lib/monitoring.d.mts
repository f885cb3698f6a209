export function monitoringSources(folder: string): string[];
export function monitoringText(folder: string, charm: string): Promise<string>;
export function completeDashboard(
  board: Record<string, unknown>,
  charm: string,
  path: string,
): Record<string, unknown>;
