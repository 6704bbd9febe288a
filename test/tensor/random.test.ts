import { beforeAll, describe, expect, test } from 'vitest';
import { kernel } from '../../src/gpu/kernel.ts';
import { launch, split } from '../../src/tensor/launch.ts';
import { PHILOX_WGSL, philox, RandomStream } from '../../src/tensor/random.ts';
import { empty, tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { philox4x32, type Words2, type Words4 } from '../reference/philox.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';

beforeAll(testGpu);

const block = (counter: Words4, key: Words2): number[] => {
  const out = new Uint32Array(4);
  philox(counter, key, out);
  return [...out];
};

describe('philox', () => {
  // Known answers of Random123, kat_vectors: philox 4x32, 10 rounds.
  const ones = 0xffffffff;
  test.each<[Words4, Words2, number[]]>([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [ones, ones, ones, ones],
      [ones, ones],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('gives the published words for counter %j', (counter, key, words) => {
    expect(block(counter, key)).toEqual(words);
  });

  test('gives the same words on the CPU, on the GPU and in the reference', async () => {
    const words = createRandom(seed).words(6 * 200);
    const inputs = Array.from({ length: 200 }, (_, i) => words.subarray(6 * i, 6 * i + 6));
    const counters = tensor(Uint32Array.from(inputs.flatMap((w) => [...w.subarray(0, 4)])), [200, 4]);
    const keys = tensor(Uint32Array.from(inputs.flatMap((w) => [...w.subarray(4)])), [200, 2]);
    const y = empty([200, 4], 'u32');
    const philoxKernel = kernel({
      name: 'philox',
      lanes: 64,
      read: { counters: 'vec4u', keys: 'u32' },
      write: { y: 'vec4u' },
      declarations: PHILOX_WGSL,
      body: 'if (item < u.items) { y[item] = philox(counters[item], vec2u(keys[2u * item], keys[2u * item + 1u])); }',
    });
    launch(
      philoxKernel,
      { counters: split(counters, 4), keys: split(keys, 2), y: split(y, 4) },
      { items: 200 },
    );
    const expected = inputs.flatMap(([a, b, c, d, k0, k1]) => philox4x32([a, b, c, d], [k0, k1]));
    expect([...(await y.data())], again).toEqual(expected);
    expect(
      inputs.flatMap(([a, b, c, d, k0, k1]) => block([a, b, c, d], [k0, k1])),
      again,
    ).toEqual(expected);
  });
});

describe('RandomStream', () => {
  test('a draw on the GPU is the draw on the CPU', async () => {
    const drawKernel = kernel({
      name: 'draw',
      lanes: 64,
      read: { draw: 'vec4u' },
      write: { y: 'vec4u' },
      declarations: PHILOX_WGSL,
      body: 'if (item < u.items) { y[item] = randomBlock(draw[0], item); }',
    });
    const [onGpu, onCpu] = [new RandomStream(2 ** 40 + 7, 'same'), new RandomStream(2 ** 40 + 7, 'same')];
    for (let draw = 0; draw < 3; draw++) {
      const y = empty([50, 4], 'u32');
      launch(drawKernel, { draw: onGpu.drawTensor(), y: split(y, 4) }, { items: 50 });
      expect([...(await y.data())]).toEqual([...onCpu.words(200)]);
    }
  });

  test('seed, name and position decide the numbers', () => {
    const words = (s: number, name: string, position = 0) => {
      const stream = new RandomStream(s, name);
      stream.position = position;
      return String(stream.words(5));
    };
    expect(words(1, 'a')).toBe(words(1, 'a'));
    const others = [words(1, 'a'), words(2, 'a'), words(1, 'b'), words(1, 'a', 1), words(2 ** 32 + 1, 'a')];
    expect(new Set(others).size).toBe(others.length);
    const stream = new RandomStream(1, 'a');
    stream.words(1000);
    expect(String(stream.words(5))).toBe(words(1, 'a', 1));
  });

  test('refuses seeds that are no whole numbers', () => {
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 53])
      expect(() => new RandomStream(wrong, 'a')).toThrow('a seed is a whole number from 0 to 2^53 - 1');
  });

  test('uniform numbers lie in [0, 1) with the moments they should have', () => {
    const x = new RandomStream(3, 'uniform').uniform(100_000);
    const mean = x.reduce((total, value) => total + value, 0) / x.length;
    const variance = x.reduce((total, value) => total + (value - mean) ** 2, 0) / x.length;
    expect(x.every((value) => value >= 0 && value < 1)).toBe(true);
    // Five standard errors: sqrt(1 / 12 n) and sqrt(1 / 180 n).
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / x.length));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / x.length));
  });

  test('permutations hold every number once and are all equally likely', () => {
    const stream = new RandomStream(4, 'permutation');
    expect([...stream.permutation(1000)].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 1000 }, (_, i) => i),
    );
    expect([...stream.permutation(1)]).toEqual([0]);
    const counts = new Map<string, number>();
    const trials = 24_000;
    for (let i = 0; i < trials; i++) {
      const key = String(stream.permutation(4));
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    const expected = trials / 24;
    const chiSquare = [...counts.values()].reduce(
      (total, count) => total + (count - expected) ** 2 / expected,
      0,
    );
    // 23 degrees of freedom: 99.99 % lie between 6 and 56.
    expect(chiSquare).toBeGreaterThan(6);
    expect(chiSquare).toBeLessThan(56);
  });
});
