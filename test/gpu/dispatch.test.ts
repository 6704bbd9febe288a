import { describe, expect, test } from 'vitest';
import { type DispatchLimits, type Operand, planDispatches } from '../../src/gpu/dispatch.ts';
import { draws } from '../support/property.ts';

const limits: DispatchLimits = {
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBufferBindingSize: 2 ** 27,
  maxUniformBufferBindingSize: 65536,
  minStorageBufferOffsetAlignment: 256,
};

const operand = (bytes: number, bytesPerItem: number, more: Partial<Operand> = {}): Operand => ({
  name: 'x',
  uniform: false,
  offset: 0,
  bytes,
  bytesPerItem,
  ...more,
});
const perLane = (items: number) => Math.ceil(items / 64);

describe('planDispatches', () => {
  test('no items, no dispatches', () => {
    expect(planDispatches('k', [operand(256, 4)], 0, perLane, limits)).toEqual([]);
  });

  test('what fits is one dispatch', () => {
    const [chunk, ...others] = planDispatches(
      'k',
      [operand(4000, 4, { offset: 512 }), operand(64, 0)],
      1000,
      perLane,
      limits,
    );
    expect(others).toEqual([]);
    expect(chunk).toEqual({
      first: 0,
      items: 1000,
      workgroups: 16,
      grid: [16, 1],
      ranges: [
        { offset: 512, size: 4000 },
        { offset: 0, size: 64 },
      ],
    });
  });

  test('folds what exceeds one dimension into two', () => {
    const grid = (workgroups: number) =>
      planDispatches('k', [], workgroups, (items) => items, limits)[0].grid;
    expect(grid(65535)).toEqual([65535, 1]);
    expect(grid(65536)).toEqual([32768, 2]);
    expect(grid(200_001)).toEqual([50001, 4]);
    expect(grid(65535 * 65535)).toEqual([65535, 65535]);
    expect(() => grid(65535 * 65535 + 1)).toThrow(
      'kernel k: 4294836226 workgroups, maxComputeWorkgroupsPerDimension is 65535 in each of two dimensions',
    );
  });

  test('splits what exceeds a binding, at aligned offsets', () => {
    // 50,000,000 f32 of 4 bytes an item: 200 MB; at most 33,554,432 items a binding, a multiple of the 64 that 256 bytes take.
    const chunks = planDispatches('k', [operand(200e6, 4), operand(50e6 * 2, 2)], 50e6, perLane, limits);
    expect(chunks.map(({ first, items }) => [first, items])).toEqual([
      [0, 33_554_432],
      [33_554_432, 16_445_568],
    ]);
    expect(chunks[1].ranges).toEqual([
      { offset: 2 ** 27, size: 200e6 - 2 ** 27 },
      { offset: 2 ** 26, size: 100e6 - 2 ** 26 },
    ]);
    // 7 elements an item: chunks of 64 items, or they would begin between two multiples of 256 bytes.
    const odd = planDispatches('k', [operand(28 * 10e6, 28)], 10e6, perLane, limits);
    expect(odd.length).toBe(3);
    for (const { first, ranges } of odd) expect([first % 64, ranges[0].offset % 256]).toEqual([0, 0]);
  });

  test('clips the last range where an operand ends early', () => {
    // 10 items of 64 rows each, but only 600 rows.
    const small = { ...limits, maxStorageBufferBindingSize: 64 * 4 * 4 };
    const chunks = planDispatches('k', [operand(600 * 4, 64 * 4)], 10, (items) => items, small);
    expect(chunks.map(({ ranges }) => ranges[0])).toEqual([
      { offset: 0, size: 1024 },
      { offset: 1024, size: 1024 },
      { offset: 2048, size: 352 },
    ]);
  });

  test('errors name kernel, limit and size', () => {
    expect(() => planDispatches('k', [operand(2 ** 28, 0, { name: 'w' })], 5, perLane, limits)).toThrow(
      `kernel k: 'w' needs 268435456 bytes in one binding, maxStorageBufferBindingSize is 134217728`,
    );
    expect(() =>
      planDispatches('k', [operand(65540, 0, { name: 'c', uniform: true })], 5, perLane, limits),
    ).toThrow(`kernel k: 'c' needs 65540 bytes in one binding, maxUniformBufferBindingSize is 65536`);
    expect(() =>
      planDispatches('k', [operand(2 ** 29, 2 ** 28, { name: 'rows' })], 2, perLane, limits),
    ).toThrow(/kernel k: 1 items of 'rows' take 268435456 bytes, maxStorageBufferBindingSize is 134217728/);
  });

  test('any plan covers every item once, within the limits', () => {
    let split = 0;
    for (const { label, int, pick, chance } of draws('planDispatches', 300)) {
      const small: DispatchLimits = {
        ...limits,
        maxComputeWorkgroupsPerDimension: int(3, 40),
        maxStorageBufferBindingSize: 256 * int(8, 64),
      };
      const items = int(1, 3000);
      const operands = Array.from({ length: int(1, 3) }, (_, i) => {
        const bytesPerItem = pick([0, 4, 8, 12, 28, 64, 256, 1000]);
        const bytes =
          bytesPerItem === 0
            ? int(1, 500) * 4
            : items * bytesPerItem - (chance(0.3) ? int(0, bytesPerItem / 4 - 1) * 4 : 0);
        return operand(bytes, bytesPerItem, { name: `operand ${i}`, offset: 256 * int(0, 3) });
      });
      const workgroupsOf = (count: number) => Math.ceil(count / 64);
      let chunks: ReturnType<typeof planDispatches>;
      try {
        chunks = planDispatches('k', operands, items, workgroupsOf, small);
      } catch (error) {
        expect((error as Error).message, label).toMatch(/^kernel k: /);
        continue;
      }
      if (chunks.length > 1) split++;
      let next = 0;
      for (const chunk of chunks) {
        expect(chunk.first, label).toBe(next);
        expect(chunk.items, label).toBeGreaterThan(0);
        expect(chunk.workgroups, label).toBe(workgroupsOf(chunk.items));
        const [x, y] = chunk.grid;
        expect(
          x <= small.maxComputeWorkgroupsPerDimension &&
            y <= small.maxComputeWorkgroupsPerDimension &&
            x * y >= chunk.workgroups,
          label,
        ).toBe(true);
        chunk.ranges.forEach(({ offset, size }, i) => {
          const { bytes, bytesPerItem, offset: start } = operands[i];
          expect(offset % 256, label).toBe(0);
          expect(size > 0 && size <= small.maxStorageBufferBindingSize, label).toBe(true);
          const begin = bytesPerItem === 0 ? 0 : chunk.first * bytesPerItem;
          const end =
            bytesPerItem === 0 ? bytes : Math.min((chunk.first + chunk.items) * bytesPerItem, bytes);
          expect([offset - start, offset - start + size], label).toEqual([begin, end]);
        });
        next += chunk.items;
      }
      expect(next, label).toBe(items);
    }
    expect(split).toBeGreaterThan(20);
  });
});
