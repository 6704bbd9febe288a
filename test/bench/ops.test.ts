import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ops as weftOps } from '../../bench/ops/weftOps.ts';
import * as kernels from '../../src/kernels/index.ts';

const root = new URL('../../', import.meta.url);
// The benchmarks are plain JavaScript: they run without a build.
const { cases, nameOf, withoutCounterpart } = await import(new URL('bench/ops/cases.mjs', root).href);
const { opsOf } = await import(new URL('bench/ops/tfjsOps.mjs', root).href);
const { summaryOf } = await import(new URL('bench/ops/summary.mjs', root).href);
const { tableOf } = await import(new URL('bench/shared/rows.mjs', root).href);
const { slugOf } = await import(new URL('bench/shared/slug.mjs', root).href);

interface Case {
  op: string;
  inputs: Record<string, Record<'small' | 'large', number[]>>;
  gradients: string[];
}

const compared = [...new Set((cases as Case[]).map(({ op }) => op))];

describe('the ops beside TensorFlow.js', () => {
  it('are all of Weft: each is compared, or has no counterpart', () => {
    const exported = Object.entries(kernels).flatMap(([name, value]) =>
      typeof value === 'function' ? name : [],
    );
    expect([...compared, ...Object.keys(withoutCounterpart)].sort()).toEqual(exported.sort());
  });

  it('are known to both sides', () => {
    expect(Object.keys(weftOps).sort()).toEqual([...compared].sort());
    expect(Object.keys(opsOf({})).sort()).toEqual([...compared].sort());
  });

  it('have a name each, and gradients of inputs that they have', () => {
    const names = cases.map(nameOf);
    expect(new Set(names).size).toBe(names.length);
    for (const { inputs, gradients } of cases as Case[])
      for (const name of gradients) expect(Object.keys(inputs)).toContain(name);
  });
});

describe('a result', () => {
  it('that is kept is summed up in the documentation', () => {
    const read = (file: string) => readFileSync(new URL(file, root), 'utf8');
    const kept = JSON.parse(read('results/ops-lavapipe.json'));
    expect(read('docs/performance.md').replaceAll('\n', ' ')).toContain(summaryOf(kept));
  });

  const ratio = (value: number) => ({ what: 'an op', value, suffix: 'x', better: 'higher' });
  const failed = { what: 'another', reason: 'TensorFlow.js: no' };

  it('is summed up by its ratios', () => {
    expect(summaryOf({ rows: [ratio(0.5), ratio(3), ratio(20), failed] })).toBe(
      '3 ratios: the median 3x, the worst 0.5x, 1 below 1x',
    );
    expect(summaryOf({ rows: [failed] })).toBe('no ratios');
  });

  it('says why there is no figure', () => {
    expect(tableOf([failed])[1]).toEqual(['another', '', '', 'TensorFlow.js: no', '', '']);
  });

  it.each([
    ['llvmpipe: Mesa 25.0.7 (LLVM 15.0.6) 0.0.1', 'lavapipe'],
    ['llvmpipe (LLVM 15.0.6, 256 bits)', 'lavapipe'],
    ['NVIDIA H200: 570.1', 'nvidia-h200'],
    ['NVIDIA H200', 'nvidia-h200'],
  ])('of %s is kept under %s', (adapter, slug) => {
    expect(slugOf(adapter)).toBe(slug);
  });
});
