import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);
// The benchmarks are plain JavaScript: they run without a build.
const { markdownOf, missed } = await import(new URL('bench/shared/rows.mjs', root).href);

describe('the performance table', () => {
  it('stands in the README as the measured results make it', () => {
    const performance = JSON.parse(readFileSync(new URL('results/performance-lavapipe.json', root), 'utf8'));
    expect(performance.rows.length).toBeGreaterThan(0);
    expect(readFileSync(new URL('README.md', root), 'utf8')).toContain(`\n${markdownOf(performance)}\n`);
  });

  const row = { key: 'a', what: 'a step', suffix: 'x' };
  it.each([
    [
      'a speed below its bar',
      { better: 'higher', value: 7.99, must: 8 },
      ['a step: 7.99x, must be at least 8x'],
    ],
    ['a speed at its bar', { better: 'higher', value: 8, must: 8 }, []],
    [
      'a cost above its bar',
      { better: 'lower', value: 1.2, must: 1.1 },
      ['a step: 1.2x, must be at most 1.1x'],
    ],
    ['a cost at its bar', { better: 'lower', value: 1.1, must: 1.1 }, []],
    [
      'a figure that is not a number',
      { better: 'higher', value: Number.NaN, must: 8 },
      ['a step: NaNx, must be at least 8x'],
    ],
    ['an aim that is missed', { better: 'higher', value: 9, must: 8, aim: 20 }, []],
    ['no bar', { better: 'higher', value: 1 }, []],
  ])('counts as missed: %s', (_, given, lines) => {
    expect(missed([{ ...row, ...given }])).toEqual(lines.map((line) => `missed: ${line}`));
  });

  it('says of each bar whether it was met', () => {
    const times = { median: 12.345, min: 11, max: 14 };
    const speed = { better: 'higher', value: 10, must: 8, aim: 20, spread: { min: 9, max: 11 } };
    const measured = {
      ...row,
      ...speed,
      unit: 'ms',
      weft: times,
      beside: { name: 'Other 1.0', median: 123.45, min: 110, max: 140 },
      date: '2026-01-02T03:04:05Z',
      commit: 'abc',
    };
    const text = markdownOf({ adapter: 'gpu', cores: 4, rows: [measured] });
    expect(text).toContain(
      '| a step | 12.3 (11-14) ms | 123 (110-140) Other 1.0 | 10x (9-11) | ≥ 8x, met | ≥ 20x, missed |',
    );
    expect(text).toContain('on gpu, 4 cores; 2026-01-02 at abc.');
  });
});
