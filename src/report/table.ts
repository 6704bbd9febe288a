/** A text table: the first column to the left, the others to the right; an empty row is a rule. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const rule = '-'.repeat(widths.reduce((total, width) => total + width + 2, -2));
  const line = (cells: readonly string[]) =>
    cells.length === 0
      ? rule
      : cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return [line(header), rule, ...rows.map(line)].join('\n');
}
