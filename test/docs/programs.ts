import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeBlocks } from './codeBlocks.ts';
import { root } from './entries.ts';

/** Code that documentation shows: all of a page, or all of a docstring, in its order. */
export interface Program {
  readonly path: string;
  /** Of its first line of code. */
  readonly line: number;
  readonly code: string;
  /**
   * What the documentation says is printed: the comments after `console.log(...);`, each on the line of its call. Where a comment after
   * another expression is a value, `max([1, 2]); // 2`, that is what it gives: `code` prints it.
   */
  readonly prints: readonly string[];
}

/** A call or a property at the beginning of a line, and after it a comment that is a number, a text, a boolean, an array or an object. */
const CALL_AND_VALUE =
  /^(?!console\.)((?:await )?\w+[.([](?:.*[\w)\]])?); \/\/ ((?:-?\d|['"[{]|\w+Array[ (]|(?:true|false|undefined|null|NaN)$).*)$/gm;

/** A docstring without its frame, line for line. */
const unframed = (comment: string): string =>
  comment
    .replace(/\*\/$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\/?\*+ ?/, ''))
    .join('\n');

/** What a text shows as JavaScript or TypeScript, as one program; its lines are as far apart as in the file. */
function programOf(path: string, text: string, firstLine = 1): Program[] {
  const blocks = codeBlocks(text).filter(({ language }) => ['js', 'mjs', 'ts'].includes(language));
  if (blocks.length === 0) return [];
  const [{ line }] = blocks;
  let shown = '';
  for (const block of blocks) {
    const lines = shown.split('\n').length - 1;
    shown += '\n'.repeat(block.line - line - lines) + block.code;
  }
  const code = shown.replace(CALL_AND_VALUE, 'console.log($1); // $2');
  const prints = [...code.matchAll(/^\s*console\.log\(.*\); \/\/ (.*)$/gm)].map(([, printed]) => printed);
  return [{ path, line: firstLine + line - 1, code, prints }];
}

const filesOf = (folder: string, ending: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => `${folder}/${path.replaceAll('\\', '/')}`)
    // docs/api is made, and may hold copies of pages.
    .filter((path) => path.endsWith(ending) && !path.startsWith('docs/api/'))
    .sort();

/** Every program of the documentation: of README.md and docs/, then of the docstrings in src/. */
export function programs(): Program[] {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  const pages = ['README.md', ...filesOf('docs', '.md')].flatMap((path) => programOf(path, read(path)));
  const docstrings = filesOf('src', '.ts').flatMap((path) => docstringPrograms(path, read(path)));
  return [...pages, ...docstrings];
}

/** The programs of a source file's docstrings. */
export const docstringPrograms = (path: string, source: string): Program[] =>
  [...source.matchAll(/^[ \t]*\/\*\*[\s\S]*?\*\//gm)].flatMap(({ 0: comment, index }) =>
    programOf(path, unframed(comment), source.slice(0, index).split('\n').length),
  );
