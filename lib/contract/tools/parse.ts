/** One command line of a hook tool, from words to a typed call with its output options. */
import { FORMATS, type Format } from '../format.ts';
import { describeFlags, type FlagSpec, goQuote, parseFlags } from '../gnuflag.ts';
import { TOOLS, type ToolCalls, type ToolName } from './catalogue.ts';
import type { ToolSchema } from './schema.ts';

export interface ParsedCall<Name extends ToolName> {
  call: ToolCalls[Name];
  format: Format;
  /** Of `-o`: a file instead of stdout. */
  output: string | undefined;
  /** `--format` was given to a tool that ignores it. */
  deprecatedFormat: boolean;
}

/** What is known only where the hook runs; an answer refuses the value, in Juju's words. */
export interface ContextChecks {
  relation?: (text: string) => string | undefined;
  storage?: (text: string) => string | undefined;
}

/** @throws UsageError, HelpRequested */
export function parseCall<Name extends ToolName>(
  tool: Name,
  words: readonly string[],
  checks: ContextChecks = {},
): ParsedCall<Name> {
  const schema = schemaOf(tool);
  const flags = parseFlags(flagsOf(schema, checks), words);
  const format = FORMATS.find((candidate) => candidate === flags.text('format'));
  return {
    call: schema.parse(flags),
    format: format ?? schema.formats?.[0] ?? 'smart',
    output: schema.formats === undefined ? undefined : flags.text('output'),
    deprecatedFormat: schema.deprecatedFormat === true && (flags.text('format') ?? '') !== '',
  };
}

/** What `--help` prints. */
export function helpText(tool: ToolName): string {
  const { usage, purpose, ...schema } = TOOLS[tool];
  const flags = flagsOf({ usage, purpose, ...schema } as ToolSchema<unknown>, {});
  const head = `Usage: ${tool}${flags.length === 0 ? '' : ' [options]'} ${usage}`.trimEnd();
  const options = flags.length === 0 ? '' : `\nOptions:\n${describeFlags(flags)}\n`;
  return `${head}\n\nSummary:\n${purpose}\n${options}`;
}

function schemaOf<Name extends ToolName>(tool: Name): ToolSchema<ToolCalls[Name]> {
  return TOOLS[tool] as unknown as ToolSchema<ToolCalls[Name]>;
}

function flagsOf<Call>(schema: ToolSchema<Call>, checks: ContextChecks): FlagSpec[] {
  const own = (schema.flags ?? []).map((flag) => {
    const check = flag.names.includes('r') ? checks.relation : undefined;
    const storage = flag.names.includes('s') ? checks.storage : undefined;
    const wanted = check ?? storage;
    return wanted === undefined ? flag : { ...flag, check: wanted };
  });
  if (schema.deprecatedFormat) return [...own, { names: ['format'], doc: 'deprecated' }];
  if (schema.formats === undefined) return own;
  const allowed: readonly string[] = schema.formats;
  return [
    ...own,
    { names: ['o', 'output'], value: '<file>', doc: 'write to a file' },
    {
      names: ['format'],
      value: allowed[0] ?? 'smart',
      doc: `one of ${allowed.toSorted().join(', ')}`,
      check: (text) => (allowed.includes(text) ? undefined : `unknown format ${goQuote(text)}`),
    },
  ];
}
