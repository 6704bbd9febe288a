import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { violations } from './imports.ts';

function sourcesOfWeft(): Map<string, string> {
  const root = new URL('../../', import.meta.url);
  const files = readdirSync(new URL('src/', root), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  return new Map(
    files.map((file) => {
      const path = `src/${file.replaceAll('\\', '/')}`;
      return [path, readFileSync(new URL(path, root), 'utf8')];
    }),
  );
}

describe('the house', () => {
  it('is in order: every folder imports only from folders above it', () => {
    const sources = sourcesOfWeft();
    expect(sources.size).toBeGreaterThan(30);
    expect(violations(sources)).toEqual([]);
  });
});

/** A small house in order, with one file replaced or added. */
function houseWith(path: string, text: string): Map<string, string> {
  return new Map([
    ['src/index.ts', "export * from './kernels/relu.ts';\n"],
    ['src/index.node.ts', "export * from './index.ts';\nimport './node/dawn.ts';\n"],
    ['src/node.ts', "export { files } from './node/dawn.ts';\n"],
    ['src/errors.ts', 'export class WeftError extends Error {}\n'],
    ['src/gpu/gpu.ts', "import { WeftError } from '../errors.ts';\nlet device: GPUDevice;\n"],
    ['src/kernels/relu.ts', "import type { Gpu } from '../gpu/gpu.ts';\n"],
    ['src/nn/layer.ts', "import { relu } from '../kernels/relu.ts';\n"],
    ['src/report/svg.ts', "import * as echarts from 'echarts/core';\n"],
    ['src/node/dawn.ts', "import { readFile } from 'node:fs/promises';\nconst dawn = import('webgpu');\n"],
    [
      'src/experiments/v5.ts',
      "import { layers } from '../nn/layer.ts';\nimport { Command } from 'commander';\n",
    ],
    [path, text],
  ]);
}

describe('the check of the house', () => {
  it('finds nothing in a house in order', () => {
    expect(violations(houseWith('src/kernels/sigmoid.ts', "import { relu } from './relu.ts';\n"))).toEqual(
      [],
    );
  });

  const cases: [what: string, path: string, text: string, expected: string[]][] = [
    [
      'an import from below',
      'src/gpu/pool.ts',
      "\nimport { relu } from '../kernels/relu.ts';\n",
      ['src/gpu/pool.ts:2: src/gpu imports from src/kernels, which is below it'],
    ],
    [
      'a type import from below',
      'src/kernels/relu.ts',
      "import type { Layer } from '../nn/layer.ts';\n",
      ['src/kernels/relu.ts:1: src/kernels imports from src/nn, which is below it'],
    ],
    [
      'a re-export from below',
      'src/gpu/pool.ts',
      "export { relu } from '../kernels/relu.ts';\n",
      ['src/gpu/pool.ts:1: src/gpu imports from src/kernels, which is below it'],
    ],
    [
      'a dynamic import from below',
      'src/gpu/pool.ts',
      "\n\nconst a = import('../nn/layer.ts');\n",
      ['src/gpu/pool.ts:3: src/gpu imports from src/nn, which is below it'],
    ],
    [
      'an import of the public API from inside',
      'src/nn/layer.ts',
      "import { relu } from '../index.ts';\n",
      ['src/nn/layer.ts:1: src/nn imports the entry point src/index.ts'],
    ],
    [
      'a folder without a place',
      'src/util/misc.ts',
      "import { relu } from '../kernels/relu.ts';\n",
      ['src/util/misc.ts:1: src/util has no place in the house'],
    ],
    [
      'a file without a place',
      'src/misc.ts',
      "import { relu } from './kernels/relu.ts';\n",
      ['src/misc.ts:1: src/misc.ts has no place in the house: it is no entry point'],
    ],
    [
      'an import by what all import',
      'src/errors.ts',
      "import { checkNumber } from './checks.ts';\nimport { relu } from './kernels/relu.ts';\n",
      [
        "src/errors.ts:1: 'src/checks.ts' is no file of src",
        'src/errors.ts:2: src/errors.ts imports src/kernels/relu.ts: it knows only itself',
      ],
    ],
    [
      'the device outside src/gpu',
      'src/kernels/relu.ts',
      'let a = 1;\nlet device: GPUDevice;\n',
      ['src/kernels/relu.ts:2: GPUDevice is named outside src/gpu'],
    ],
    [
      'a package in the library',
      'src/nn/layer.ts',
      "import _ from 'lodash';\n",
      [
        "src/nn/layer.ts:1: 'lodash' is imported outside src/formats, src/report, src/node, src/experiments and the entry points for Node",
      ],
    ],
    [
      'Node in src/report',
      'src/report/svg.ts',
      "import { readFile } from 'node:fs';\n",
      [
        "src/report/svg.ts:1: 'node:fs' is imported outside src/node, src/experiments and the entry points for Node",
      ],
    ],
    [
      'a package behind the browser entry',
      'src/index.ts',
      "import './report/svg.ts';\n",
      [
        "src/report/svg.ts:1: 'echarts/core' is reached from the browser's entry point: src/index.ts > src/report/svg.ts",
      ],
    ],
    [
      'a file that is not there',
      'src/nn/layer.ts',
      "import { relu } from '../kernels/missing.ts';\n",
      ["src/nn/layer.ts:1: 'src/kernels/missing.ts' is no file of src"],
    ],
    [
      'an experiment in the public API',
      'src/node.ts',
      "export * from './experiments/v5.ts';\n",
      ['src/node.ts:1: src/node.ts imports from src/experiments: the library knows no experiment'],
    ],
    [
      'Node behind the browser entry',
      'src/kernels/relu.ts',
      "import { readFile } from 'node:fs';\n",
      [
        "src/kernels/relu.ts:1: 'node:fs' is imported outside src/node, src/experiments and the entry points for Node",
        "src/kernels/relu.ts:1: 'node:fs' is reached from the browser's entry point: src/index.ts > src/kernels/relu.ts",
      ],
    ],
    [
      'src/node behind the browser entry',
      'src/index.ts',
      "export * from './node/dawn.ts';\n",
      [
        'src/index.ts:1: src/index.ts imports from src/node: it must run in a browser',
        "src/node/dawn.ts:1: 'node:fs/promises' is reached from the browser's entry point: src/index.ts > src/node/dawn.ts",
        "src/node/dawn.ts:2: 'webgpu' is reached from the browser's entry point: src/index.ts > src/node/dawn.ts",
      ],
    ],
  ];
  it.each(cases)('catches %s', (_, path, text, expected) => {
    expect(violations(houseWith(path, text))).toEqual(expected);
  });
});
