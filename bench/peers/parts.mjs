/*
 * What is measured, with which bars.
 *
 * A part times two measurements in turns, `weft` and `beside`, and makes one row of the result: of each, milliseconds for each of
 * `per` things that one call does. `figure` is what comes of them: 'speedup' (how many times as fast Weft is), or 'cost' (Weft's time
 * beside the other). `values` is a call whose results must agree on both sides: else they don't do the same work. A round has one
 * call of each, or `times`, or as many as take about `turnMs`. A group's rounds are shared out among `openings` of its processes.
 */
import { basename } from 'node:path';
import { uniformNumbers } from '../shared/random.mjs';

const BATCH = 64;
/** A batch that makes good use of memory and of every core, as v5's recipe has it. */
const LARGE_BATCH = 512;
/** One at a time, so many in a round. */
const SINGLES = 16;

/** Agreement of the two sides: the largest difference beside the largest value. */
export const TOLERANCE = 1e-4;

const onBoth = (call, argument, per) => ({
  weft: { side: 'weft', call, argument, per },
  beside: { side: 'peer', call, argument, per },
});

const v5 = {
  modules: { weft: 'build/weft.mjs', peer: 'tfjs.mjs' },
  async fixture(describe) {
    const size = 28 * 28;
    const data = Float32Array.from(
      { length: LARGE_BATCH * size },
      (_, i) => 0.5 + 0.5 * Math.sin(i * 12.9898 + Math.floor(i / size)),
    );
    const labels = Array.from({ length: LARGE_BATCH }, (_, i) => i % 10);
    return { ...(await describe('build/weft.mjs')), images: { size, data }, labels, learningRate: 1e-3 };
  },
  // Training changes the weights, so it comes after all that predicts.
  parts: [
    {
      key: 'inference',
      what: `v5 inference, batch ${BATCH}`,
      unit: 'ms an image',
      ...onBoth('predict', BATCH, BATCH),
      values: ['predict', BATCH],
      figure: 'speedup',
      rounds: 5,
      must: 8,
      aim: 20,
    },
    {
      key: 'single',
      what: 'v5 inference, one image at a time',
      unit: 'ms an image',
      ...onBoth('predictOneByOne', SINGLES, SINGLES),
      values: ['predictOneByOne', SINGLES],
      figure: 'speedup',
      rounds: 5,
      must: 8,
      aim: 20,
      aimRate: 100,
    },
    {
      key: 'train',
      what: `v5 training step, batch ${BATCH}`,
      unit: 'ms an image',
      ...onBoth('trainStep', BATCH, BATCH),
      values: ['predict', BATCH],
      figure: 'speedup',
      rounds: 3,
      must: 10,
      aim: 25,
    },
    {
      key: 'batch',
      what: `v5 training step, batch ${LARGE_BATCH} beside batch ${BATCH}`,
      unit: 'ms an image',
      weft: { side: 'weft', call: 'trainStep', argument: LARGE_BATCH, per: LARGE_BATCH },
      beside: { side: 'weft', call: 'trainStep', argument: BATCH, per: BATCH, times: 4 },
      figure: 'cost',
      rounds: 5,
      must: 1.1,
      aim: 0.9,
    },
  ],
};

/** v5's costliest convolution. */
const CONVOLUTION = { N: 32, size: 28, C: 64, K: 128 };

const convolutionPart = (pass, words, must, aim) => ({
  key: `convolution ${words}`,
  what: `convolution ${CONVOLUTION.C} to ${CONVOLUTION.K} at 28x28, batch ${CONVOLUTION.N}, ${words}`,
  unit: 'ms',
  ...onBoth('run', pass, 1),
  values: ['read', pass],
  figure: 'speedup',
  rounds: 5,
  must,
  aim,
});

const convolution = {
  modules: { weft: 'build/weftConvolution.mjs', peer: 'jaxjs.mjs' },
  fixture() {
    const { N, size, C, K } = CONVOLUTION;
    const next = uniformNumbers(1);
    const random = (...shape) => {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() - 0.5);
      return { shape, data };
    };
    // A random cotangent: a constant one would let a compiler fold the products away.
    return { x: random(N, size, size, C), w: random(3, 3, C, K), dy: random(N, size, size, K) };
  },
  parts: [
    convolutionPart('forward', 'forward', 8, 20),
    convolutionPart('filterGradient', 'filter gradient', 3, 8),
    convolutionPart('inputGradient', 'input gradient', 3, 8),
  ],
};

/** An earlier commit's sides, beside today's of the same name. */
export const BEFORE = 'build/before';
/** Rounds that it takes to tell a speed from one that is a few hundredths lower. */
export const LEAST_ROUNDS_BESIDE_BEFORE = 21;

/**
 * What has a peer, with an earlier commit in the peer's place. Its processes are its own, for both sides' weights must stay the same,
 * and new ones every few rounds: of two with the same code, one can be a fifth slower for as long as it lives.
 */
const besideBefore = ({ modules, fixture, parts }) => ({
  modules: { weft: modules.weft, before: `${BEFORE}/${basename(modules.weft)}` },
  fixture,
  openings: 7,
  parts: parts
    .filter(({ beside }) => beside.side === 'peer')
    .map(({ key, what, unit, weft, beside, values }) => ({
      key: `before ${key}`,
      what: `${what}, beside an earlier commit`,
      unit,
      weft,
      beside: { ...beside, side: 'before' },
      values,
      figure: 'speedup',
      // Short turns, so that a disturbance meets both.
      turnMs: 200,
      rounds: 126,
      must: 0.97,
    })),
});

export const GROUPS = [v5, convolution, besideBefore(v5), besideBefore(convolution)];
