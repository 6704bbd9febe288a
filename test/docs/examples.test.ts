import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { testGpu } from '../support/gpu.ts';
import { typeErrors } from './compiler.ts';
import { docstringPrograms, programs } from './programs.ts';

const all = programs();

/** A source file whose docstring has a program. */
const source = `
/** No code. */
export const a = 1;

/**
 * A function.
 *
 * \`\`\`ts
 * import { zeros } from 'weft-gpu';
 * console.log(zeros([2]).shape); // [ 2 ]
 * zeros([2]).dispose(); // it is no value that this gives
 * await zeros([2]).data(); // Float32Array [0, 0]
 * \`\`\`
 */
export function b() {
  /** Inside. */
}
`;

/** Without what Node's way of printing adds (spaces, quotes, kinds and lengths of arrays), and what is said of a value after a colon. */
const bare = (printed: string): string =>
  printed
    .replace(/(?<=\]|(?<!\w)[\d.]+): .*/, '')
    .replace(/\w+Array(\(\d+\))?(?=\s*\[)/g, '')
    .replace(/[\s"']/g, '');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-examples-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the code in README.md, docs/ and docstrings', () => {
  it('has no error of types, and a wrong one would', () => {
    const [wrong] = docstringPrograms('src/b.ts', source.replace('zeros([2])', 'zeros({})'));
    expect(typeErrors([...all, wrong])).toEqual([
      expect.stringMatching(/^src\/b\.ts:10: Argument of type '{}' is not assignable/),
    ]);
  });

  describe('runs', () => {
    const from = process.cwd();
    beforeEach(async () => {
      // A page's program opens its GPU and closes it; the docstrings' begin where one is open.
      await testGpu();
      process.chdir(await mkdtemp(join(folder, 'program-')));
    });
    afterEach(() => {
      process.chdir(from);
      vi.restoreAllMocks();
    });

    it.each(all.map((program) => [`${program.path}:${program.line}`, program] as const))(
      '%s',
      async (_, { code, prints }) => {
        const printed: string[] = [];
        vi.spyOn(console, 'log').mockImplementation((...what) => void printed.push(format(...what)));
        await writeFile('program.ts', code);
        await import(join(process.cwd(), 'program.ts'));
        let at = 0;
        for (const expected of prints) {
          const found = printed.findIndex((line, i) => i >= at && bare(line) === bare(expected));
          expect(found, `'${expected}' in its place of what it printed:\n${printed.join('\n')}`).not.toBe(-1);
          at = found + 1;
        }
      },
    );
  });
});

describe('programs are found', () => {
  it('in docstrings, with their line and what they print', () => {
    expect(docstringPrograms('src/b.ts', source)).toEqual([
      {
        path: 'src/b.ts',
        line: 9,
        code: [
          "import { zeros } from 'weft-gpu';",
          'console.log(zeros([2]).shape); // [ 2 ]',
          'zeros([2]).dispose(); // it is no value that this gives',
          'console.log(await zeros([2]).data()); // Float32Array [0, 0]\n',
        ].join('\n'),
        prints: ['[ 2 ]', 'Float32Array [0, 0]'],
      },
    ]);
  });

  it('in README.md, the guide and the sources', () => {
    const found = all.map(({ path }) => path);
    for (const path of ['README.md', 'src/nn/extractor.ts']) expect(found).toContain(path);
  });
});
