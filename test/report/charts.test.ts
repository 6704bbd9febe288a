import { describe, expect, it } from 'vitest';
import { barChart } from '../../src/report/bars.ts';
import { lineChart } from '../../src/report/curves.ts';
import { parallelChart } from '../../src/report/parallel.ts';
import { scatterChart } from '../../src/report/scatter.ts';
import { COLORS } from '../../src/report/style.ts';

/** The elements of an SVG file. @throws Error where its tags don't fit each other */
function elements(svg: string): { name: string; attributes: string }[] {
  const open: string[] = [];
  const found: { name: string; attributes: string }[] = [];
  for (const [, close, name, attributes, alone] of svg.matchAll(/<(\/?)([\w-]+)((?:\s[^<>]*?)?)(\/?)>/g)) {
    if (close && open.pop() !== name) throw new Error(`</${name}> closes nothing`);
    if (close) continue;
    found.push({ name, attributes });
    if (!alone) open.push(name);
  }
  if (open.length > 0) throw new Error(`not closed: ${open}`);
  return found;
}

const textsOf = (svg: string): string[] => [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text);
const pathsOf = (svg: string, color: string) =>
  elements(svg).filter(({ name, attributes }) => name === 'path' && attributes.includes(color));

describe('charts are well-formed SVG with the marks of their data', () => {
  it('lines: a path for each curve, groups in one colour, dashes', () => {
    const points = [
      [1, 0.5],
      [2, 0.25],
    ] as const;
    const svg = lineChart({
      title: 'Loss <b>',
      xName: 'epoch',
      curves: [
        { name: 'run', points },
        { name: 'run', points, group: 'run', dashed: true },
        { name: 'other', points },
      ],
    });
    expect(textsOf(svg)).toEqual(expect.arrayContaining(['Loss &lt;b&gt;', 'epoch', 'run', 'other']));
    const lines = (color: string) =>
      pathsOf(svg, `stroke="${color}"`).filter(({ attributes }) => /fill="none"/.test(attributes));
    expect(lines(COLORS[0]).length).toBeGreaterThanOrEqual(2);
    expect(lines(COLORS[0]).some(({ attributes }) => attributes.includes('stroke-dasharray'))).toBe(true);
    expect(lines(COLORS[1]).length).toBeGreaterThanOrEqual(1);
  });

  it('lines: a legend with many names has rows of its own, and the chart grows by them', () => {
    const heightOf = (names: number) => {
      const curves = Array.from({ length: names }, (_, i) => ({
        name: `a long name of a run, ${i}`,
        points: [[1, 1] as const],
      }));
      return Number(lineChart({ title: 't', xName: 'x', curves }).match(/height="(\d+)"/)?.[1]);
    };
    expect(heightOf(7)).toBeGreaterThan(heightOf(1) + 3 * 20);
  });

  it('lines: a curve without points is not named, but keeps its colour from others', () => {
    const curves = [
      { name: 'empty', points: [] },
      { name: 'full', points: [[1, 1] as const, [2, 2] as const] },
    ];
    const svg = lineChart({ title: 't', xName: 'x', curves });
    expect(textsOf(svg)).not.toContain('empty');
    expect(pathsOf(svg, `"${COLORS[0]}"`)).toHaveLength(0);
    expect(pathsOf(svg, `"${COLORS[1]}"`).length).toBeGreaterThan(0);
  });

  it('bars: one for each value, with its name and number', () => {
    const svg = barChart({
      title: 't',
      bars: [
        { name: 'shirt', value: 6000 },
        { name: 'hat', value: 12 },
      ],
    });
    expect(textsOf(svg)).toEqual(expect.arrayContaining(['shirt', '6,000', 'hat', '12']));
    expect(pathsOf(svg, `fill="${COLORS[0]}"`)).toHaveLength(2);
  });

  it('points: each, and the names of groups that have any', () => {
    const groups = [
      { name: 'shirt', points: [[0, 1] as const, [2, 3] as const, [4, 4] as const] },
      { name: 'hat', points: [] },
      { name: 'boot', points: [[5, 5] as const, [6, 7] as const] },
    ];
    const svg = scatterChart({ title: 't', groups });
    expect(textsOf(svg)).toEqual(expect.arrayContaining(['shirt', 'boot']));
    expect(textsOf(svg)).not.toContain('hat');
    // The place of a name is a mark, too.
    expect(pathsOf(svg, `fill="${COLORS[0]}"`)).toHaveLength(3 + 1);
    expect(pathsOf(svg, `fill="${COLORS[1]}"`)).toHaveLength(2 + 1);
  });

  it('parallel coordinates: a line for each trial, named axes, the score at the end', () => {
    const svg = parallelChart({
      title: 't',
      axes: [
        { name: 'rate', scale: 'log' },
        { name: 'width' },
        { name: 'optimizer', scale: 'category', values: ['Adam', 'SGD'] },
      ],
      lines: [
        { values: [0.001, 16, 'Adam'], score: 0.8 },
        { values: [0.1, 32, 'SGD'], score: 0.9 },
      ],
      scoreName: 'accuracy',
    });
    expect(textsOf(svg)).toEqual(expect.arrayContaining(['rate', 'width', 'optimizer', 'Adam', 'accuracy']));
    const lines = elements(svg).filter(
      ({ name, attributes }) => name.startsWith('p') && /stroke="rgb\(/.test(attributes),
    );
    expect(lines).toHaveLength(2);
  });
});
