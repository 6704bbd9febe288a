import { describe, expect, it } from 'vitest';
import { classTree } from '../../src/analysis/classTree.ts';
import { groupClasses } from '../../src/data/classGroups.ts';

const set = {
  images: Uint8Array.from({ length: 12 }, (_, i) => i),
  labels: Uint8Array.of(2, 0, 3, 1, 2, 0),
  count: 6,
  height: 1,
  width: 2,
  channels: 1,
  classNames: ['a', 'b', 'c', 'd'],
};

describe('groupClasses', () => {
  it('takes groups for classes', () => {
    const grouped = groupClasses(set, [[0, 2], [1], [3]]);
    expect(grouped.labels).toEqual(Uint8Array.of(0, 0, 2, 1, 0, 0));
    expect(grouped.classNames).toEqual(['a + c', 'b', 'd']);
    expect(grouped.classes).toEqual(set.labels);
    expect(grouped.images).toBe(set.images);
    expect(grouped.count).toBe(6);
  });

  it('leaves out what is in no group', () => {
    const grouped = groupClasses(set, [[2], [0]]);
    expect(grouped.labels).toEqual(Uint8Array.of(0, 1, 0, 1));
    expect(grouped.classes).toEqual(Uint8Array.of(2, 0, 2, 0));
    expect(grouped.numbers).toEqual(Uint32Array.of(0, 1, 4, 5));
    expect(grouped.images).toEqual(Uint8Array.of(0, 1, 2, 3, 8, 9, 10, 11));
    expect(grouped.count).toBe(4);
    expect(grouped.classNames).toEqual(['c', 'a']);
  });

  it('refuses what are no groups', () => {
    expect(() => groupClasses(set, [])).toThrow(/no groups/);
    expect(() => groupClasses(set, [[0], []])).toThrow(/group 1 has no classes/);
    expect(() => groupClasses(set, [[0], [4]])).toThrow(/group 1 names 4; classes are from 0 to 3/);
    expect(() => groupClasses(set, [[0, 1], [1]])).toThrow(/class 1 is named twice/);
  });
});

describe('classTree', () => {
  const general = { groups: [[0, 2], [1], [3]], probabilities: [0.5, 0.3, 0.2, 0.4, 0.25, 0.35] };
  const specialist = { groups: [[2], [0]], probabilities: [0.9, 0.1, 0.45, 0.55] };
  const rows = (values: Float32Array) =>
    [0, 1].map((n) => Array.from(values.subarray(n * 4, n * 4 + 4), (value) => Number(value.toFixed(6))));

  it('multiplies a group with what its specialist says', () => {
    const { predictions, probabilities } = classTree({ general, specialists: [specialist] });
    expect(rows(probabilities)).toEqual([
      [0.05, 0.3, 0.45, 0.2],
      [0.22, 0.25, 0.18, 0.35],
    ]);
    // The second is of the most probable group no more: its classes share 0.4.
    expect([...predictions]).toEqual([2, 3]);
  });

  it('asks the most probable group alone', () => {
    const { predictions, probabilities } = classTree({ general, specialists: [specialist], routing: 'hard' });
    expect(rows(probabilities)).toEqual([
      [0.1, 0, 0.9, 0],
      [0.55, 0, 0.45, 0],
    ]);
    expect([...predictions]).toEqual([2, 0]);
  });

  it('refuses what does not fit together', () => {
    const tree = (options: Partial<Parameters<typeof classTree>[0]>) => () =>
      classTree({ general, specialists: [specialist], ...options });
    expect(tree({ specialists: [] })).toThrow(/no specialist tells classes 0, 2 apart/);
    const other = { groups: [[1], [3]], probabilities: [1, 0, 1, 0] };
    expect(tree({ specialists: [specialist, other] })).toThrow(
      /specialist 1 tells classes 1, 3 apart, which is no group/,
    );
    expect(tree({ specialists: [{ groups: [[0, 2]], probabilities: [1, 1] }] })).toThrow(/groups of several/);
    expect(tree({ specialists: [{ ...specialist, probabilities: [1, 0] }] })).toThrow(
      /2 samples .* got 1 of a/,
    );
    expect(tree({ general: { groups: [[0, 2], [1]], probabilities: [1, 0] } })).toThrow(/2 samples|of a/);
    expect(tree({ general: { groups: [[0, 2], [3]], probabilities: [1, 0] } })).toThrow(/group 1 names 3/);
    expect(tree({ routing: 'soft' as 'hard' })).toThrow(/'product' or 'hard', got 'soft'/);
  });
});
