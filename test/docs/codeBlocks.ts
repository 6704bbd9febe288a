/** A fenced block of code in a Markdown text. */
export interface CodeBlock {
  readonly language: string;
  readonly code: string;
  /** Of its first line of code. */
  readonly line: number;
}

/** The fenced blocks of a Markdown text, in their order. */
export function codeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: { language: string; lines: string[]; line: number } | undefined;
  for (const [i, line] of markdown.split('\n').entries()) {
    const fence = line.match(/^```(\S*)/);
    if (!fence) open?.lines.push(line);
    else if (open) {
      blocks.push({ language: open.language, code: `${open.lines.join('\n')}\n`, line: open.line });
      open = undefined;
    } else open = { language: fence[1], lines: [], line: i + 2 };
  }
  return blocks;
}
