/** How a hook tool is reached; what it is asked and answers is the same either way. */
export interface ToolAnswer {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Transport {
  call(tool: string, words: readonly string[], stdin?: string): Promise<ToolAnswer>;
  /**
   * Gives `use` the words, and perhaps the stdin, for the content of a secret in a form that no
   * other process of the machine can read.
   */
  withSecret<T>(
    content: Record<string, string>,
    use: (words: string[], stdin?: string) => Promise<T>,
  ): Promise<T>;
  close(): Promise<void>;
}
