/** Text tables as Juju prints them: columns padded to their widest cell, two blanks between. */

/** @returns lines with a newline each; trailing blanks are cut */
export function columns(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  options: { right?: ReadonlySet<string> } = {},
): string {
  const all = [header, ...rows];
  const widths = header.map((_, index) => Math.max(...all.map((row) => width(row[index] ?? ''))));
  const line = (row: readonly string[]) =>
    header
      .map((title, index) => {
        const cell = row[index] ?? '';
        const gap = ' '.repeat((widths[index] ?? 0) - width(cell));
        return options.right?.has(title) ? gap + cell : cell + gap;
      })
      .join('  ')
      .trimEnd();
  return all.map((row) => `${line(row)}\n`).join('');
}

/** Cells as people count them; a combining mark or a wide character is rare in names. */
function width(text: string): number {
  return [...text].length;
}
