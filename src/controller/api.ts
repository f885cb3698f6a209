/**
 * The controller's HTTP API on `D/controller.sock`, as the CLI sees it. JSON in and out.
 *
 * POST /v1/<verb> with the verb's arguments. An error answers 4xx/5xx with `{"error": "<text as Juju
 * writes it>", "hint"?: "…", "code": "…"}`. Long polls take `waitMs` (at most 30,000).
 */
export interface ApiError {
  error: string;
  code: string;
  hint?: string;
}

/** One line of progress that a mutation wants on stderr, in order, as Juju prints it. */
export interface Told {
  told: string[];
}

export interface TaskView {
  id: string;
  operation: string;
  unit: string;
  action: string;
  status: string;
  message: string;
  results: Record<string, unknown>;
  log: { at: number; message: string }[];
  enqueued: number;
  started: number | null;
  completed: number | null;
}
