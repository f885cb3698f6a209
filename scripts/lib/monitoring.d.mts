export interface Dashboard {
  uid: string;
  title: string;
  tags: string[];
  panels: {
    id: number;
    title: string;
    type: string;
    gridPos: { x: number; y: number; w: number; h: number };
    targets?: { expr: string }[];
  }[];
}

export function monitoringSources(folder: string): string[];
export function monitoringText(folder: string, charm: string): Promise<string>;
