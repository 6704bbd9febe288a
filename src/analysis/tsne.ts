import { ShapeError, WeftError } from '../errors.ts';
import { sumSquares } from '../kernels/shared/sumSquares.ts';
import {
  divergence,
  jointProbabilities,
  type MovingPoints,
  movePoints,
  paddedCount,
  pairDistances,
  pairForces,
} from '../kernels/tsne/index.ts';
import { normal } from '../nn/initializers.ts';
import { RandomStream } from '../tensor/random.ts';
import { record } from '../tensor/record.ts';
import { keep, scope } from '../tensor/scope.ts';
import { showShape } from '../tensor/shape.ts';
import { empty, expectIsTensor, hostTensor, type Tensor, tensor } from '../tensor/tensor.ts';
import { principalComponents } from './principalComponents.ts';

/** How far `tsne` is. */
export interface TsneProgress {
  /** Steps done. */
  readonly iteration: number;
  /** Steps at most. */
  readonly iterations: number;
  /** Kullback-Leibler divergence of the places by now, in nats, without exaggeration. */
  readonly divergence: number;
}

/** What decides how `tsne` places points. */
export interface TsneOptions {
  /** About how many neighbours of a point count; from 1 on, less than the number of points. Default 30. */
  perplexity?: number;
  /** What the attraction is multiplied by in the first 250 steps. Default 12. */
  earlyExaggeration?: number;
  /** Default 'auto': points / earlyExaggeration / 4, at least 50 (Belkina et al. 2019). */
  learningRate?: number | 'auto';
  /** Steps at most. Default 1000. */
  iterations?: number;
  /** Decides the first places. Default 0. */
  seed?: number;
  /**
   * First places: 'pca', the first two principal components, scaled to a standard deviation of 1e-4 of the first (default); 'random',
   * normal ones of that deviation; or places [N, 2], row-major.
   */
  init?: 'pca' | 'random' | Float32Array;
  /** Called every 50 steps and at the end. */
  onProgress?: (progress: TsneProgress) => void;
  /** Ends the work early: the promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** What `tsne` gives. */
export interface TsneResult {
  /** Places in the plane, [N, 2], row-major. */
  readonly embedding: Float32Array;
  /** Kullback-Leibler divergence of these places from the probabilities of the points, in nats. */
  readonly divergence: number;
  /** Steps done. */
  readonly iterations: number;
  /** As it was used. */
  readonly learningRate: number;
}

/** Standard deviation of the first places. */
const FIRST_DEVIATION = 1e-4;
/** Steps with exaggeration and little momentum. */
const EXPLORATION = 250;
/** Steps between two looks at the divergence. */
const CHECK_EVERY = 50;
/** The descent ends after this many steps without a lower divergence … */
const PATIENCE = 300;
/** … or where the gradient, times the gains, is as short as this. */
const LEAST_GRADIENT = 1e-7;

/**
 * t-SNE: puts points of many dimensions into the plane so that neighbours stay neighbours (van der Maaten and Hinton, "Visualizing data using
 * t-SNE", JMLR 9, 2008). Exact: every pair of points counts in every step. Defaults, schedule and stop rules are those of scikit-learn's
 * `TSNE(method='exact')`: 250 steps with exaggeration and momentum 0.5, then momentum 0.8, until 1000 steps, 300 without progress or a
 * gradient of 1e-7. Unlike there, a divergence is that of the places beside it, and never that of exaggerated probabilities.
 *
 * It needs N * N * 4 bytes of GPU memory, in one buffer: 100 MB for 5,000 points. Distances between clusters mean nothing, nor do their sizes.
 *
 * @param points f32 [N, D], at least two. They stay the caller's.
 * @throws ShapeError where `points` isn't f32 [N, D]; WeftError for values that aren't finite, an option out of its range, more points than a
 * buffer of this adapter holds pairs of, and where places grow beyond all bounds
 * @example
 * ```ts
 * import { init, RandomStream, tensor, tsne } from 'weft-gpu';
 *
 * await init();
 * // Two clouds in ten dimensions, of 20 points each.
 * const values = new RandomStream(1, 'clouds').uniform(40 * 10).map((value, i) => (i < 200 ? value : value + 5));
 * const points = tensor(values, [40, 10]);
 * const { embedding, divergence } = await tsne(points, { perplexity: 10, iterations: 300 });
 * console.log(`the first point is at (${embedding[0]}, ${embedding[1]}), the divergence ${divergence}`);
 * points.dispose();
 * ```
 */
export async function tsne(points: Tensor, options: TsneOptions = {}): Promise<TsneResult> {
  const { iterations = 1000, earlyExaggeration = 12, perplexity = 30, onProgress, signal } = options;
  check(points, options);
  const [N] = points.shape;
  await checkFinite(points);
  const first = await firstPlaces(points, options);
  signal?.throwIfAborted();

  const rate = options.learningRate ?? 'auto';
  const learningRate = rate === 'auto' ? Math.max(N / earlyExaggeration / 4, 50) : rate;
  const rates = Float32Array.of(earlyExaggeration, 0.5, learningRate, 1);
  const moving = movingPoints(first);
  const p = scope(() => {
    const matrix = pairDistances(points);
    jointProbabilities(matrix, perplexity);
    return matrix;
  });
  keep(p);
  const step = record(() => {
    movePoints(
      moving,
      N,
      pairForces(p, moving.y),
      hostTensor([4], 'f32', () => rates),
    );
  });
  const look = record(() => {
    const [found, squares] = [empty([1]), empty([1])];
    divergence(p, moving.y, pairForces(p, moving.y).Z, found);
    sumSquares(moving.gradient, 1, squares);
    return { found, squares };
  });

  try {
    let exploring = true;
    let best = { divergence: Number.POSITIVE_INFINITY, iteration: 0 };
    for (let iteration = 1; ; iteration++) {
      signal?.throwIfAborted();
      await step();
      rates[3] = 0;
      const last = iteration >= iterations;
      let settled = false;
      if (last || iteration % CHECK_EVERY === 0) {
        const { found, squares } = await look();
        const now = await found.item();
        const gradient = Math.sqrt(await squares.item());
        for (const used of [found, squares]) used.dispose();
        if (!Number.isFinite(now) || !Number.isFinite(gradient))
          throw new WeftError(
            `tsne: after ${iteration} steps the places are no finite numbers: the learning rate ${learningRate} is too high`,
          );
        onProgress?.({ iteration, iterations, divergence: now });
        if (now < best.divergence) best = { divergence: now, iteration };
        settled = gradient <= LEAST_GRADIENT || (!exploring && iteration - best.iteration > PATIENCE);
        if (last || (settled && !exploring))
          return {
            embedding: await placesOf(moving, N),
            divergence: now,
            iterations: iteration,
            learningRate,
          };
      }
      if (exploring && (settled || iteration >= EXPLORATION)) {
        exploring = false;
        best = { divergence: Number.POSITIVE_INFINITY, iteration };
        rates.set([1, 0.8, learningRate, 1]);
      }
    }
  } finally {
    for (const recorded of [step, look]) recorded.dispose();
    for (const used of [p, ...Object.values(moving)]) used.dispose();
  }
}

function check(points: Tensor, options: TsneOptions): void {
  expectIsTensor('tsne', 'points', points);
  if (points.rank !== 2 || points.dtype !== 'f32')
    throw new ShapeError('tsne', 'points f32 [N, D]', `${points.dtype} ${showShape(points.shape)}`);
  const [N] = points.shape;
  const { perplexity = 30, earlyExaggeration = 12, learningRate = 'auto', iterations = 1000, init } = options;
  const must = (isSo: boolean, what: string, got: unknown) => {
    if (!isSo) throw new WeftError(`tsne: ${what}, got ${got}`);
  };
  must(N >= 2, 'it takes at least 2 points', N);
  must(
    perplexity >= 1 && perplexity < N,
    `the perplexity must be from 1 to less than ${N}, the points`,
    perplexity,
  );
  must(
    earlyExaggeration >= 1 && earlyExaggeration < Infinity,
    'earlyExaggeration must be at least 1',
    earlyExaggeration,
  );
  must(
    learningRate === 'auto' || (learningRate > 0 && learningRate < Infinity),
    "the learning rate must be a number above 0 or 'auto'",
    learningRate,
  );
  must(
    Number.isSafeInteger(iterations) && iterations >= 1,
    'iterations must be a whole number from 1 on',
    iterations,
  );
  if (typeof init === 'object') {
    must(init.length === 2 * N, `the first places of ${N} points are ${2 * N} numbers`, init.length);
    must(init.every(Number.isFinite), 'the first places must be finite numbers', 'others');
  } else must(['pca', 'random', undefined].includes(init), "init must be 'pca', 'random' or places", init);
  const { maxBufferSize } = points.storage.gpu.limits;
  const bytes = (n: number) => 4 * n * paddedCount(n);
  if (bytes(N) > maxBufferSize) {
    let most = 64 * Math.floor(Math.sqrt(maxBufferSize / 4) / 64);
    while (bytes(most + 1) <= maxBufferSize) most++;
    throw new WeftError(
      `tsne: ${N} points have pairs of ${bytes(N)} bytes, and a buffer of this adapter holds ${maxBufferSize} (maxBufferSize): ${most} points at most`,
    );
  }
}

async function checkFinite(points: Tensor): Promise<void> {
  const values = await points.data();
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const D = points.shape[1];
  throw new WeftError(
    `tsne: the points must be finite numbers, but point ${Math.floor(at / D)} has ${values[at]} at ${at % D}`,
  );
}

async function firstPlaces(points: Tensor, { init = 'pca', seed = 0 }: TsneOptions): Promise<Float32Array> {
  const [N] = points.shape;
  if (typeof init === 'object') return init;
  if (init === 'pca') {
    const scores = await principalComponents(points, 2, seed);
    let squares = 0;
    for (let i = 0; i < N; i++) squares += scores[2 * i] ** 2;
    const scale = FIRST_DEVIATION / Math.sqrt(squares / N);
    // Without a direction in which they differ, points have no components to begin with.
    if (Number.isFinite(scale)) return scores.map((score) => score * scale);
  }
  return normal(2 * N, new RandomStream(seed, 'tsne')).map((value) => FIRST_DEVIATION * value);
}

function movingPoints(first: Float32Array): MovingPoints {
  const M = paddedCount(first.length / 2);
  const places = new Float32Array(2 * M);
  places.set(first);
  return {
    y: keep(tensor(places, [M, 2])),
    velocity: keep(empty([2, M])),
    gains: keep(empty([2, M])),
    gradient: keep(empty([2, M])),
  };
}

const placesOf = async ({ y }: MovingPoints, N: number): Promise<Float32Array> =>
  (await y.data()).slice(0, 2 * N) as Float32Array;
