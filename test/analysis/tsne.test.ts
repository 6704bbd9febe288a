import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { nearestNeighborAccuracy } from '../../src/analysis/nearestNeighbors.ts';
import { principalComponents } from '../../src/analysis/principalComponents.ts';
import { type TsneProgress, tsne } from '../../src/analysis/tsne.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { createRandom, make } from '../reference/array64.ts';
import * as reference from '../reference/tsne.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';

const gpu = await testGpu();

interface Fixture {
  dimensions: number;
  perplexity: number;
  points: number[];
  probabilities: number[];
  places: number[];
  divergence: number;
  gradient: number[];
  init: number[];
  finalDivergence: number;
  near: number[];
  earlyExaggeration: number;
  learningRate: number;
  iterations: number;
  moved: number[];
}

const fixture: Fixture = JSON.parse(
  readFileSync(new URL('../fixtures/scikit-learn/tsne.json', import.meta.url), 'utf8'),
);
const N = fixture.init.length / 2;
const { dimensions, perplexity } = fixture;
const points = () => tensor(Float32Array.from(fixture.points), [N, dimensions]);
const init = Float32Array.from(fixture.init);

/** The largest difference of two lists, as a share of the largest value in the second. */
function difference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  const largest = Math.max(...Array.from(expected, Math.abs));
  return Math.max(...Array.from(expected, (value, i) => Math.abs(found[i] - value))) / largest;
}

/** Three clouds of 15 points in 20 dimensions, and which of them each point is in. */
function clouds(random = createRandom(5)) {
  const labels = Array.from({ length: 45 }, (_, n) => n % 3);
  const values = random.uniform([45, 20]).data.map((value, at) => {
    const label = labels[Math.floor(at / 20)];
    return value + (at % 20 === label ? 12 : 0);
  });
  return { points: tensor(Float32Array.from(values), [45, 20]), labels };
}

describe('scikit-learn', () => {
  it('has the probabilities, the divergence and the gradient of the reference', () => {
    const p = reference.probabilities(make([N, dimensions], fixture.points), perplexity);
    const upper = p.data.filter((_, at) => at % N > Math.floor(at / N));
    // It stops where the entropy is within 1e-5.
    expect(difference(upper, fixture.probabilities)).toBeLessThan(2e-5);
    const y = make([N, 2], fixture.places);
    expect(Math.abs(reference.divergence(p, y) / fixture.divergence - 1)).toBeLessThan(2e-5);
    expect(difference(reference.gradient(p, y).data, fixture.gradient)).toBeLessThan(2e-5);
  });

  it('moves places as tsne does, with exaggeration and after it', async () => {
    const { earlyExaggeration, learningRate, iterations, near, moved } = fixture;
    const options = { perplexity, earlyExaggeration, learningRate, iterations };
    const found = await tsne(points(), { ...options, init: Float32Array.from(near) });
    // In f32, scikit-learn parts as far from itself in f64.
    expect(difference(found.embedding, moved)).toBeLessThan(5e-4);
    // The last ten steps, with another momentum and without exaggeration, count.
    const before = await tsne(points(), { ...options, init: Float32Array.from(near), iterations: 250 });
    expect(difference(before.embedding, moved)).toBeGreaterThan(5e-3);
  });

  it('comes to a divergence as low, whatever the way there', async () => {
    const { divergence, iterations } = await tsne(points(), { perplexity, init });
    expect(iterations).toBe(1000);
    expect(divergence).toBeLessThan(1.2 * fixture.finalDivergence);
  });
});

describe('tsne', () => {
  it.each(['pca', 'random'] as const)('keeps clouds apart, from %s', async (init) => {
    const { points, labels } = clouds();
    const { embedding, divergence, iterations } = await tsne(points, { perplexity: 8, init, seed: 3 });
    const places = tensor(embedding, [45, 2]);
    expect(await nearestNeighborAccuracy(places, labels, { k: 5 })).toBe(1);
    expect(iterations).toBe(1000);
    const p = reference.probabilities(make([45, 20], await points.data()), 8);
    expect(divergence).toBeCloseTo(reference.divergence(p, make([45, 2], embedding)), 4);
  });

  it('gives the same bits for the same seed, others for another', async () => {
    const run = async (seed: number) => {
      const { points } = clouds();
      return (await tsne(points, { perplexity: 8, init: 'random', seed, iterations: 60 })).embedding;
    };
    const first = await run(1);
    expect(await run(1)).toEqual(first);
    expect(await run(2)).not.toEqual(first);
  });

  it('takes points of any scale, in one dimension, two of them, and all the same', async () => {
    const { points } = clouds();
    const large = tensor((await points.data()).map((value) => value * 4096) as Float32Array, [45, 20]);
    const options = {
      perplexity: 8,
      iterations: 100,
      init: Float32Array.from({ length: 90 }, (_, i) => (i % 7) * 1e-4),
    };
    expect((await tsne(large, options)).embedding).toEqual((await tsne(points, options)).embedding);
    for (const [values, shape] of [
      [
        [1, 2, 4, 8],
        [4, 1],
      ],
      [
        [1, 2, 3, 5],
        [2, 2],
      ],
      [
        [3, 3, 3, 3, 3, 3],
        [3, 2],
      ],
    ] as const) {
      const found = await tsne(tensor(Float32Array.from(values), shape), { perplexity: 1.5, iterations: 20 });
      for (const value of found.embedding) expect(Number.isFinite(value)).toBe(true);
    }
  });

  it('tells how far it is; a step makes nothing and reads nothing; all memory is given back', async () => {
    const { points } = clouds();
    const { pool, counters } = gpu;
    const live = pool.liveBytes;
    const seen: (TsneProgress & { made: number; read: number })[] = [];
    const result = await tsne(points, {
      perplexity: 8,
      iterations: 270,
      onProgress: (progress) =>
        seen.push({
          ...progress,
          made: counters.buffers + counters.bindGroups + counters.pipelines,
          read: counters.readbacks,
        }),
    });
    expect(seen.map(({ iteration }) => iteration)).toEqual([50, 100, 150, 200, 250, 270]);
    expect(seen.every(({ iterations }) => iterations === 270)).toBe(true);
    expect(seen[5].divergence).toBe(result.divergence);
    expect(seen[5].divergence).toBeLessThan(seen[0].divergence);
    for (const [i, { made, read }] of seen.entries()) {
      expect(made).toBe(seen[0].made);
      expect(read).toBe(seen[0].read + 2 * i);
    }
    expect(pool.liveBytes).toBe(live);
  });

  it('ends where the gradient is as good as nothing', async () => {
    // Two points have one probability, whatever their distance.
    const { iterations } = await tsne(tensor([[0], [1]]), { perplexity: 1.5 });
    expect(iterations).toBeLessThan(1000);
  });

  it('is ended by a signal', async () => {
    const { points } = clouds();
    const live = gpu.pool.liveBytes;
    const ended = new AbortController();
    const onProgress = () => ended.abort(new Error('enough'));
    await expect(tsne(points, { perplexity: 8, onProgress, signal: ended.signal })).rejects.toThrow('enough');
    expect(gpu.pool.liveBytes).toBe(live);
  });

  it('says what is wrong', async () => {
    const { points } = clouds();
    const fails = (options: object, message: string) =>
      expect(tsne(points, options)).rejects.toThrow(message);
    await fails(
      { perplexity: 45 },
      'tsne: the perplexity must be from 1 to less than 45, the points, got 45',
    );
    await fails({ perplexity: 0.5 }, 'got 0.5');
    await fails({ earlyExaggeration: 0 }, 'tsne: earlyExaggeration must be at least 1, got 0');
    await fails({ learningRate: Number.NaN }, "must be a number above 0 or 'auto', got NaN");
    await fails({ iterations: 0 }, 'tsne: iterations must be a whole number from 1 on, got 0');
    await fails({ init: new Float32Array(89) }, 'tsne: the first places of 45 points are 90 numbers, got 89');
    await fails({ init: new Float32Array(90).fill(Number.NaN) }, 'must be finite');
    await fails({ init: 'zeros' }, "init must be 'pca', 'random' or places, got zeros");
    await fails({ learningRate: 1e30, perplexity: 8 }, 'the learning rate 1e+30 is too high');
    await expect(tsne(tensor([1, 2, 3]))).rejects.toThrow('tsne: expected points f32 [N, D], got f32 [3]');
    await expect(tsne(tensor([[1, 2]]))).rejects.toThrow('tsne: it takes at least 2 points, got 1');
    await expect(
      tsne(
        tensor([
          [1, 2],
          [3, Number.NaN],
        ]),
        { perplexity: 1 },
      ),
    ).rejects.toThrow('tsne: the points must be finite numbers, but point 1 has NaN at 1');
    const { maxBufferSize } = gpu.limits;
    const most = Math.floor(Math.sqrt(maxBufferSize / 4));
    const many = tensor(new Float32Array(most + 64), [most + 64, 1]);
    const message = await tsne(many).catch((error: Error) => error.message);
    const [, allowed] = String(message).match(/\(maxBufferSize\): (\d+) points at most$/) ?? [];
    expect(Number(allowed)).toBeGreaterThan(most - 64);
    expect(Number(allowed)).toBeLessThanOrEqual(most);
  });
});

it('principal components are the directions of largest variance', async () => {
  for (const [count, D] of [
    [40, 6],
    [7, 30],
    [5, 1],
  ]) {
    const random = createRandom(seed);
    const x = random.uniform([count, D]).data.map((value, at) => value * (1 + (at % D)) + 3);
    const means = Array.from({ length: D }, (_, k) =>
      mean(Array.from({ length: count }, (_, n) => x[n * D + k])),
    );
    const centred = x.map((value, at) => value - means[at % D]);
    // Power iteration on the covariance; the second component is orthogonal to the first.
    const found: number[][] = [];
    const expected = [0, 1].map((component) => {
      if (component >= D) return new Array<number>(count).fill(0);
      let v = Array.from(random.uniform([D]).data);
      for (let i = 0; i < 3000; i++) {
        for (const other of found) {
          const share = other.reduce((sum, value, k) => sum + value * v[k], 0);
          v = v.map((value, k) => value - share * other[k]);
        }
        const scores = scoresOn(v);
        const next = v.map((_, k) => scores.reduce((sum, score, n) => sum + score * centred[n * D + k], 0));
        const length = Math.hypot(...next);
        v = next.map((value) => value / length);
      }
      found.push(v);
      return scoresOn(v);
    });
    function scoresOn(v: readonly number[]): number[] {
      return Array.from({ length: count }, (_, n) =>
        v.reduce((sum, value, k) => sum + value * centred[n * D + k], 0),
      );
    }
    const scores = await principalComponents(tensor(Float32Array.from(x), [count, D]), 2, 1);
    for (const component of [0, 1]) {
      const own = Array.from({ length: count }, (_, n) => scores[2 * n + component]);
      const largest = expected[component].reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      expected[component].forEach((value, n) => {
        expect(Math.abs(own[n] - Math.sign(largest || 1) * value), `${again}, ${count} x ${D}`).toBeLessThan(
          2e-3 * Math.abs(largest) + 1e-5,
        );
      });
    }
  }
});

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('nearestNeighborAccuracy', () => {
  it('counts the points that most of their neighbours agree with', async () => {
    const random = createRandom(seed);
    const [count, k] = [300, 7];
    const x = make([count, 3], Float32Array.from(random.uniform([count, 3]).data));
    // Classes overlap: some are guessed right, some wrong.
    const labels = Array.from(
      { length: count },
      (_, n) => (x.data[3 * n] + 0.3 * x.data[3 * n + 1] > 0 ? 1 : 0) + (x.data[3 * n + 2] > 0.5 ? 2 : 0),
    );
    const d = reference.distances(x);
    let right = 0;
    for (let i = 0; i < count; i++) {
      const order = Array.from({ length: count }, (_, j) => j)
        .filter((j) => j !== i)
        .sort((a, b) => d.data[i * count + a] - d.data[i * count + b])
        .slice(0, k);
      const votes = new Map<number, number>();
      for (const j of order) votes.set(labels[j], (votes.get(labels[j]) ?? 0) + 1);
      const most = Math.max(...votes.values());
      if (labels[order.find((j) => votes.get(labels[j]) === most)!] === labels[i]) right++;
    }
    const found = await nearestNeighborAccuracy(tensor(Float32Array.from(x.data), [count, 3]), labels, { k });
    expect(found, again).toBeCloseTo(right / count, 9);
    expect(found).toBeGreaterThan(0.8);
    expect(found).toBeLessThan(1);
  });

  it('lets the nearest decide between equal votes', async () => {
    // The points at 0 and 1 have a neighbour of each class, one of their own and nearer; that at -2 has none of its own.
    const points = tensor([[0], [1], [-2], [100], [101], [102]]);
    expect(await nearestNeighborAccuracy(points, [7, 7, 3, 1, 1, 1], { k: 2 })).toBe(5 / 6);
  });

  it('says what is wrong', async () => {
    const points = tensor([[0], [1], [2]]);
    await expect(nearestNeighborAccuracy(points, [0, 1])).rejects.toThrow(
      'expected 3 labels, one a point, got 2',
    );
    await expect(nearestNeighborAccuracy(points, [0, 1, 1], { k: 3 })).rejects.toThrow(
      'k must be from 1 to 2, less than the points, got 3',
    );
  });
});
