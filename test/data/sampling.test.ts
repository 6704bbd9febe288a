import { describe, expect, it } from 'vitest';
import { BatchSampler } from '../../src/data/sampler.ts';
import { randomSplit, stratifiedSplit } from '../../src/data/splits.ts';
import { RandomStream } from '../../src/tensor/random.ts';

const sorted = (values: Iterable<number>) => [...values].sort((a, b) => a - b);

describe('BatchSampler', () => {
  const samples = Uint32Array.from({ length: 11 }, (_, i) => 100 + i);

  it('hands out every sample once a pass, the last batch smaller, each pass in a new order', () => {
    const sampler = new BatchSampler(samples, 4, 1);
    expect(sampler.batchesPerPass).toBe(3);
    const passes = [0, 1].map(() => [sampler.next(), sampler.next(), sampler.next()]);
    for (const pass of passes) {
      expect(pass.map((batch) => batch.length)).toEqual([4, 4, 3]);
      expect(sorted(pass.flatMap((batch) => [...batch]))).toEqual([...samples]);
    }
    expect(passes[0]).not.toEqual(passes[1]);
  });

  it('goes on from a saved state, in the middle of a pass too', () => {
    const sampler = new BatchSampler(samples, 4, 1);
    for (let i = 0; i < 4; i++) sampler.next();
    const { state } = sampler;
    const expected = [0, 1, 2, 3, 4].map(() => sampler.next());
    const resumed = new BatchSampler(samples, 4, 1);
    resumed.state = state;
    expect([0, 1, 2, 3, 4].map(() => resumed.next())).toEqual(expected);
  });

  it('refuses no samples and bad batch sizes', () => {
    expect(() => new BatchSampler(new Uint32Array(0), 4, 1)).toThrow(/no samples/);
    expect(() => new BatchSampler(samples, 0, 1)).toThrow(/batchSize must be .* got 0/);
  });
});

describe('splits', () => {
  it('are disjoint, of the sizes asked for, and decided by the stream', () => {
    const parts = randomSplit(100, [70, 20], new RandomStream(3, 'split'));
    expect(parts.map((part) => part.length)).toEqual([70, 20]);
    expect(new Set(parts.flatMap((part) => [...part])).size).toBe(90);
    expect(randomSplit(100, [70, 20], new RandomStream(3, 'split'))).toEqual(parts);
    expect(randomSplit(100, [70, 20], new RandomStream(4, 'split'))).not.toEqual(parts);
    expect(() => randomSplit(10, [8, 3], new RandomStream(0, ''))).toThrow(/needs 11, there are 10/);
  });

  it('keep the classes even where stratified', () => {
    const labels = Array.from({ length: 500 }, (_, i) => i % 5);
    const parts = stratifiedSplit(labels, [103, 50], new RandomStream(3, 'split'));
    for (const [i, size] of [103, 50].entries()) {
      const counts = [0, 1, 2, 3, 4].map(
        (label) => [...parts[i]].filter((sample) => labels[sample] === label).length,
      );
      expect(counts.reduce((a, b) => a + b, 0)).toBe(size);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
    expect(new Set(parts.flatMap((part) => [...part])).size).toBe(153);
  });
});
