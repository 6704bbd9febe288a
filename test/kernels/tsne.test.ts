import { expect, test } from 'vitest';
import {
  divergence,
  jointProbabilities,
  movePoints,
  paddedCount,
  pairDistances,
  pairForces,
} from '../../src/kernels/tsne/index.ts';
import { empty, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, make } from '../reference/array64.ts';
import * as reference from '../reference/tsne.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { rounded } from '../support/large.ts';
import { draws } from '../support/property.ts';
import { again } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

const upload = ({ shape, data }: Array64) => tensor(Float32Array.from(data), shape);

/** A matrix of pairs as the kernels have it, from [N, N]. */
function uploadPairs({ shape: [N], data }: Array64): Tensor {
  const M = paddedCount(N);
  const all = new Float32Array(N * M);
  data.forEach((value, at) => {
    all[Math.floor(at / N) * M + (at % N)] = value;
  });
  return tensor(all, [N, M]);
}

/** A matrix of pairs as [N, N], with 0 on the diagonal. */
async function readPairs(matrix: Tensor): Promise<Array64> {
  const [N, M] = matrix.shape;
  const data = await matrix.data();
  return make(
    [N, N],
    Array.from({ length: N * N }, (_, at) => {
      const [i, j] = [Math.floor(at / N), at % N];
      return i === j ? 0 : data[i * M + j];
    }),
  );
}

/** Places [N, 2] as the kernels have them. */
function uploadPlaces({ shape: [N], data }: Array64): Tensor {
  const all = new Float32Array(2 * paddedCount(N));
  all.set(Float32Array.from(data));
  return tensor(all, [paddedCount(N), 2]);
}

test('distances of all pairs match the reference, and are symmetric bit by bit', async () => {
  for (const { random, label, extent } of draws('distances', 6)) {
    const [N, D] = [extent(150), extent(70)];
    const x = rounded(random.uniform([N, D]));
    const d = pairDistances(upload(x));
    expect(d.shape).toEqual([N, paddedCount(N)]);
    const found = await readPairs(d);
    compare(found.data, reference.distances(x), D, label);
    for (let i = 0; i < N; i++)
      for (let j = 0; j < i; j++) expect(found.data[i * N + j]).toBe(found.data[j * N + i]);
    const all = await d.data();
    const last = (N - 1) * paddedCount(N);
    for (const at of [0, last + N - 1]) expect(all[at]).toBeGreaterThan(1e38);
    if (N < paddedCount(N)) expect(all[last + N]).toBeGreaterThan(1e38);
  }
});

test('near points far from the origin keep their distance, equal ones have none', async () => {
  const x = make([3, 2], [4096, 4096, 4096, 4096.0009765625, 4096, 4096]);
  const d = await readPairs(pairDistances(upload(x)));
  expect([...d.data]).toEqual([...reference.distances(x).data]);
});

test('precisions give rows the perplexity, and p follows from them', async () => {
  for (const { random, label, int, pick } of draws('probabilities', 6)) {
    const N = int(2, 200);
    const perplexity = 1 + random.uniform([1], 0.05, 0.9).data[0] * (N - 2);
    // Of every scale: that of the points must not matter.
    const scale = pick([1e-4, 1, 255]);
    const points = rounded(random.uniform([N, 5], -scale, scale));
    const d = pairDistances(upload(points));
    const exact = reference.distances(points);
    const rows = await jointProbabilities(d, perplexity).data();
    const precisions = Array.from({ length: N }, (_, i) => rows[4 * i]);
    for (let i = 0; i < N; i++) {
      const { entropy } = reference.conditional(exact, i, precisions[i]);
      const wanted = Math.min(Math.log(perplexity), Math.log(N - 1));
      // What the search allows, and the round-off of a sum in f32.
      expect(Math.abs(entropy - wanted), `${label}: entropy of row ${i}`).toBeLessThan(3e-5);
    }
    const p = await readPairs(d);
    // Round-offs of t, up to 100, are relative ones of exp(-t); those of the nearest, which decide the bound, are few.
    compare(p.data, reference.joint(exact, precisions), 5, label, 64);
    expect(Math.abs(p.data.reduce((sum, value) => sum + value, 0) - 1), label).toBeLessThan(1e-5);
  }
});

test('equal points share the probability of a row that has too many of them', async () => {
  const d = pairDistances(tensor(Float32Array.of(0, 0, 0, 0, 0, 7, 8, 9), [8, 1]));
  await jointProbabilities(d, 2).data();
  const p = await readPairs(d);
  for (const value of p.data) expect(Number.isFinite(value)).toBe(true);
  for (const j of [1, 2, 3, 4]) expect(p.data[j]).toBeCloseTo(1 / (8 * 4), 6);
});

test('points that are all the same are all as likely neighbours', async () => {
  const d = pairDistances(tensor(new Float32Array(12).fill(3), [6, 2]));
  await jointProbabilities(d, 2).data();
  for (const [at, value] of (await readPairs(d)).data.entries())
    expect(value).toBeCloseTo(at % 7 === 0 ? 0 : 1 / 30, 6);
});

test('forces, Z and divergence match the reference; a step moves points as it does', async () => {
  for (const { random, label, int, pick } of draws('descent', 6)) {
    const N = int(2, 600);
    const spread = pick([1e-4, 1, 30]);
    const weights = random.uniform([N, N], 0, 1);
    const total = weights.data.reduce((sum, value, at) => sum + (at % (N + 1) === 0 ? 0 : value), 0);
    const p = rounded(
      make(
        [N, N],
        weights.data.map((_, at) => {
          const [i, j] = [Math.floor(at / N), at % N];
          return i === j ? 0 : (weights.data[i * N + j] + weights.data[j * N + i]) / (2 * total);
        }),
      ),
    );
    const y = rounded(random.uniform([N, 2], -spread, spread));
    const [matrix, places] = [uploadPairs(p), uploadPlaces(y)];
    const forces = pairForces(matrix, places);
    const Z = reference.normalizer(y);
    compare(await forces.Z.data(), make([1], [Z]), N, `${label}: Z`);
    const found = empty([1]);
    divergence(matrix, places, forces.Z, found);
    // A term is off by the round-offs of its logarithm's argument; divergences of random places are near 0, their terms aren't.
    const size = p.data.reduce((sum, value, at) => {
      const [i, j] = [Math.floor(at / N), at % N];
      const w = 1 + (y.data[2 * i] - y.data[2 * j]) ** 2 + (y.data[2 * i + 1] - y.data[2 * j + 1]) ** 2;
      return value > 0 ? sum + value * (1 + Math.abs(Math.log(value * w * Z))) : sum;
    }, 0);
    compare(await found.data(), make([1], [reference.divergence(p, y)]), N, `${label}: divergence`, 8, size);

    const M = paddedCount(N);
    const state = random.uniform([2, N], -1, 1);
    const before: reference.Descent = {
      y,
      velocity: rounded(make([N, 2], state.data)).data,
      gains: rounded(random.uniform([N, 2], 0.01, 3)).data,
    };
    const byAxis = (values: Float64Array) => {
      const all = new Float32Array(2 * M);
      values.forEach((value, at) => {
        all[(at % 2) * M + Math.floor(at / 2)] = value;
      });
      return tensor(all, [2, M]);
    };
    const moving = {
      y: places,
      velocity: byAxis(before.velocity),
      gains: byAxis(before.gains),
      gradient: empty([2, M]),
    };
    const fresh = pick([false, true]);
    const [exaggeration, momentum, learningRate] = [12, Math.fround(0.8), 50];
    movePoints(
      moving,
      N,
      forces,
      tensor(Float32Array.of(exaggeration, momentum, learningRate, fresh ? 1 : 0)),
    );
    const g = reference.gradient(p, y, exaggeration);
    const after = reference.move(fresh ? reference.startAt(y) : before, g, momentum, learningRate);
    const moved = make([N, 2], (await places.data()).slice(0, 2 * N));
    compare(moved.data, after.y, N, `${label}: places`);
    const gained = await moving.gradient.data();
    const expected = make(
      [N, 2],
      g.data.map((value, at) => value * after.gains[at]),
    );
    // Attraction and repulsion nearly cancel, each as large as the places' spread.
    const typical = (4 * exaggeration * Math.min(spread, 1)) / N;
    compare(
      expected.data.map((_, at) => gained[(at % 2) * M + Math.floor(at / 2)]),
      expected,
      N,
      `${label}: gradient`,
      8,
      typical,
    );
    for (const row of [0, 1])
      for (let i = N; i < M; i++) expect(gained[row * M + i], `${label}: past the last point`).toBe(0);
  }
});

test('split launches give the bits of whole ones', async () => {
  const [N, M] = [600, paddedCount(600)];
  const x = upload(draws('split', 1)[0].random.uniform([N, 3]));
  const places = uploadPlaces(draws('split', 1)[0].random.uniform([N, 2]));
  // A strip of rows is the least that is bound.
  const bytes = 256 * M * 4;
  const run = () => {
    const p = pairDistances(x);
    const rows = jointProbabilities(p, 20);
    const { sums, Z } = pairForces(p, places);
    const found = empty([1]);
    divergence(p, places, Z, found);
    // What was found for points past the last is undefined.
    return [p, rows.view(0, [N, 4]), sums, Z, found];
  };
  await expectSplitLikeWhole(gpu, bytes, run, again);
});

test('the same input gives the same bits', async () => {
  const x = upload(draws('bits', 1)[0].random.uniform([300, 7]));
  const run = () => {
    const p = pairDistances(x);
    jointProbabilities(p, 20);
    return [p];
  };
  expectSameBits(await allBits(run()), await allBits(run()), again);
});
