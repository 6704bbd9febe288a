import { describe, expect, it } from 'vitest';
import { classificationReport } from '../../src/analysis/classification.ts';
import { drawCurves } from '../../src/report/curves.ts';
import { formatConfusion, formatScores } from '../../src/report/scores.ts';

describe('the classification report', () => {
  // Worked out by hand: class a is found twice of three times, c is never predicted.
  const report = classificationReport([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0], ['a', 'b', 'c']);

  it('counts true classes in rows and predicted ones in columns', () => {
    expect(report.confusion).toEqual([
      [2, 1, 0],
      [0, 2, 0],
      [1, 0, 0],
    ]);
    expect(report.accuracy).toBeCloseTo(4 / 6);
  });

  it('has precision, recall and F1 of each class, 0 where there is nothing to divide by', () => {
    const [a, b, c] = report.classes;
    expect(a).toMatchObject({ name: 'a', support: 3 });
    expect([a.precision, a.recall, a.f1]).toEqual([2 / 3, 2 / 3, 4 / 6]);
    expect([b.precision, b.recall, b.f1]).toEqual([2 / 3, 1, 4 / 5]);
    expect([c.precision, c.recall, c.f1]).toEqual([0, 0, 0]);
  });

  it('has their means, plain and weighted by support', () => {
    expect(report.macro.recall).toBeCloseTo((2 / 3 + 1 + 0) / 3);
    expect(report.macro.precision).toBeCloseTo((2 / 3 + 2 / 3 + 0) / 3);
    expect(report.weighted.recall).toBeCloseTo(4 / 6);
    expect(report.weighted.f1).toBeCloseTo((3 * (4 / 6) + 2 * (4 / 5)) / 6);
  });

  it('prints as tables', () => {
    expect(formatScores(report)).toBe(
      [
        'class          precision  recall      F1  samples',
        '-------------------------------------------------',
        'a                 0.6667  0.6667  0.6667        3',
        'b                 0.6667  1.0000  0.8000        2',
        'c                 0.0000  0.0000  0.0000        1',
        '-------------------------------------------------',
        'macro mean        0.4444  0.5556  0.4889        6',
        'weighted mean     0.5556  0.6667  0.6000        6',
      ].join('\n'),
    );
    expect(formatConfusion(report)).toBe(
      [
        'true \\ predicted  a  b  c',
        '-------------------------',
        'a                 2  1  0',
        'b                 0  2  0',
        'c                 1  0  0',
      ].join('\n'),
    );
  });
});

describe('curves', () => {
  const training = {
    name: 'training',
    points: [
      [1, 2],
      [2, 1.5],
      [3, 1.2],
    ] as const,
  };
  const validation = { name: 'validation', points: [[3, 1.4]] as const };
  const svg = drawCurves([{ title: 'loss', curves: [training, validation] }], {
    title: 'my run',
    xName: 'epoch',
  });

  it('are one SVG picture with title, legend and axis', () => {
    expect(svg).toMatch(/^<svg [^>]*width="960"/);
    expect(svg.trimEnd().endsWith('</svg>')).toBe(true);
    for (const text of ['my run', 'loss', 'training', 'validation', 'epoch'])
      expect(svg).toContain(`>${text}</text>`);
  });

  it('have a line each in a colour of its own, and marks on single points', () => {
    const lines = (color: string) => svg.match(new RegExp(`<path [^>]*stroke="${color}"[^>]*>`, 'g')) ?? [];
    expect(lines('#3b82f6').length).toBeGreaterThan(0);
    expect(lines('#d97706').length).toBeGreaterThan(0);
    expect(svg).toMatch(/<path [^>]*fill="#d97706"/);
  });

  it('leave the background to the page', () => {
    expect(svg).not.toMatch(/<rect [^>]*fill="(#fff|white|#ffffff|rgb\(255,255,255\))"/i);
  });
});
