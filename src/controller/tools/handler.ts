/** The shape of what carries out one tool: a typed call in, a value (or text as it is) out. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Format, Value } from '../../../lib/contract/format.ts';
import { parseSettings } from '../../../lib/contract/settings.ts';
import type { ToolCalls, ToolName } from '../../../lib/contract/tools/catalogue.ts';
import { messageOf, systemCode } from '../../../lib/std/errors.ts';
import { type Execution, ToolFailure } from './execution.ts';

/** Formatted as asked, or written as it is. */
export type Output = { value: Value } | { text: string } | undefined;

export type Handler<Name extends ToolName> = (
  run: Execution,
  call: ToolCalls[Name],
  caller: Caller,
) => Output;
export type Handlers<Names extends ToolName> = { [Name in Names]: Handler<Name> };

/** The tool wants stdin and the request came without: the client asks again with it. */
export class StdinWanted extends Error {
  override readonly name = 'StdinWanted';
}

/** Where a call comes from: its directory, its stdin, the format it wants. */
export class Caller {
  readonly dir: string;
  readonly format: Format;
  readonly #stdin: string | undefined;

  constructor(dir: string, format: Format, stdin: string | undefined) {
    this.dir = dir;
    this.format = format;
    this.#stdin = stdin;
  }

  /** @param path relative to the caller's directory; `-` is stdin */
  read(path: string): string {
    if (path !== '-') return this.readFile(path);
    if (this.#stdin === undefined) throw new StdinWanted();
    return this.#stdin;
  }

  readFile(path: string): string {
    return this.readBytes(path).toString('utf8');
  }

  readBytes(path: string): Buffer {
    try {
      return readFileSync(resolve(this.dir, path));
    } catch (error) {
      const why = systemCode(error) === 'ENOENT' ? 'no such file or directory' : messageOf(error);
      throw new ToolFailure(`open ${resolve(this.dir, path)}: ${why}`);
    }
  }

  /** A YAML map of strings. */
  settings(path: string | undefined): Record<string, string> {
    if (path === undefined || path === '') return {};
    const text = this.read(path);
    try {
      return parseSettings(text);
    } catch (error) {
      throw new ToolFailure(messageOf(error));
    }
  }
}
