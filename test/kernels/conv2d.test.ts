import { describe, expect, test } from 'vitest';
import { batchNormTraining } from '../../src/kernels/batchNorm.ts';
import { unfold } from '../../src/kernels/conv2d/cotangent.ts';
import { type ConvVariant, geometryOf, POOL as POOL_WINDOWS } from '../../src/kernels/conv2d/geometry.ts';
import { type Conv2dOptions, conv2d } from '../../src/kernels/conv2d/index.ts';
import { variants } from '../../src/kernels/conv2d/passes.ts';
import { patches } from '../../src/kernels/conv2d/patches.ts';
import { plain } from '../../src/kernels/conv2d/plain.ts';
import { pool } from '../../src/kernels/maxPool2d.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { listenToChoices } from '../../src/tensor/choices.ts';
import { zeros } from '../../src/tensor/create.ts';
import { scope } from '../../src/tensor/scope.ts';
import { empty, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, make } from '../reference/array64.ts';
import { type Conv2dAttrs, conv2d as reference } from '../reference/conv2d.ts';
import { maxPool2d } from '../reference/maxPool2d.ts';
import type { Reference } from '../reference/reference.ts';
import { relu } from '../reference/relu.ts';
import { checkOp, compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { type Draw, draws } from '../support/property.ts';

const gpu = await testGpu();

interface Attrs extends Conv2dAttrs {
  activation: 'linear' | 'relu';
  maxPool: boolean;
}

/** The reference of a convolution with what may follow it: its parts, one after the other. */
function parts({ activation, maxPool }: Attrs): Reference<Conv2dAttrs>[] {
  const after: Reference<Conv2dAttrs>[] = [];
  if (activation === 'relu') after.push(relu as Reference<unknown> as Reference<Conv2dAttrs>);
  if (maxPool)
    after.push({
      ...maxPool2d,
      forward: (inputs) => maxPool2d.forward(inputs, POOL),
      backward: (inputs, _, gradient) => maxPool2d.backward(inputs, POOL, gradient),
      sumLength: () => 1,
    });
  return after;
}
const POOL = { poolSize: 2, strides: 2 };

const fused: Reference<Attrs> = {
  forward: (inputs, attrs) =>
    parts(attrs).reduce((value, part) => part.forward([value], attrs), reference.forward(inputs, attrs)),
  backward(inputs, attrs, gradient) {
    const values = [reference.forward(inputs, attrs)];
    for (const part of parts(attrs)) values.push(part.forward([values[values.length - 1]], attrs));
    const dz = parts(attrs).reduceRight(
      (dy, part, i) => part.backward([values[i]], attrs, dy)[0] as Array64,
      gradient,
    );
    return reference.backward(inputs, attrs, dz);
  },
  sumLength: reference.sumLength,
};

/**
 * An output gradient that is 0 where round-off may decide whether a ReLU is open or which of a window's values is the largest: the
 * values there are closer than this share of the largest one.
 */
const MARGIN = 1e-3;
function decidedOnly(inputs: Array64[], attrs: Attrs, random: Draw['random']) {
  return (shape: readonly number[]): Array64 => {
    const dy = random.uniform(shape);
    if (attrs.activation === 'linear' && !attrs.maxPool) return dy;
    const { shape: whole, data } = reference.forward(inputs, attrs);
    const margin = MARGIN * data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const [, Y, X, K] = whole;
    const [, windowsY, windowsX] = shape;
    for (let at = 0; at < dy.data.length; at++) {
      const k = at % K;
      const ox = Math.floor(at / K) % windowsX;
      const oy = Math.floor(at / (K * windowsX)) % windowsY;
      const n = Math.floor(at / (K * windowsX * windowsY));
      const size = attrs.maxPool ? 2 : 1;
      const window = [0, 1]
        .flatMap((i) => [0, 1].map((j) => [i, j]))
        .filter(([i, j]) => i < size && j < size)
        .map(([i, j]) => data[((n * Y + oy * size + i) * X + ox * size + j) * K + k])
        .sort((a, b) => b - a);
      const [first, second = Number.NEGATIVE_INFINITY] = window;
      const open = attrs.activation === 'linear' || Math.abs(first) > margin;
      const closed = attrs.activation === 'relu' && first < -margin;
      if (!open || (!closed && first - second < margin)) dy.data[at] = 0;
    }
    return dy;
  };
}

interface Drawn {
  inputs: Array64[];
  attrs: Attrs;
}

/** Kernels, strides and padding that a variant is drawn for. */
interface Domain {
  /** Heights and widths. */
  readonly kernels: readonly number[];
  readonly strides?: readonly number[];
  readonly paddings?: readonly Conv2dAttrs['padding'][];
}

/** Any: explicit zeros are drawn apart. */
const ANY: Domain = { kernels: [1, 2, 3, 4, 5, 7], strides: [1, 1, 2, 3], paddings: ['same', 'valid'] };
const THREE: Domain = {
  kernels: [3],
  paddings: [
    'same',
    'valid',
    'same',
    'valid',
    2,
    [
      [1, 2],
      [1, 0],
    ],
  ],
};
const domains: Record<string, Domain> = { plain: ANY, patches: ANY, product: { kernels: [1] } };
const domainOf = ({ name }: ConvVariant): Domain => domains[name] ?? THREE;

/** Images and filters: channels of all kinds, with and without what may follow. */
function draw({ random, int, chance, pick }: Draw, domain: Domain): Drawn {
  const { kernels, strides = [1], paddings = ['same', 'valid'] } = domain;
  const [I, J] = [pick(kernels), pick(kernels)];
  const zeros = [0, 0, 0, 0].map(() => int(0, 3));
  const explicit = [
    [zeros[0], zeros[1]],
    [zeros[2], zeros[3]],
  ] as const;
  const [C, K] = chance(0.5)
    ? [pick([4, 8, 12, 32]), pick([4, 8, 20, 64])]
    : [pick([1, 2, 3, 4, 5, 8, 17]), pick([1, 2, 4, 7, 8, 10, 33])];
  const [N, H, W] = [int(1, 5), int(I + 1, 13), int(J + 1, 13)];
  const bias = chance(0.6) ? [random.uniform([K])] : [];
  return {
    inputs: [random.uniform([N, H, W, C]), random.uniform([I, J, C, K]), ...bias],
    attrs: {
      padding: domain === ANY && chance(0.4) ? explicit : pick(paddings),
      strides: [pick(strides), pick(strides)],
      activation: chance(0.5) ? 'relu' : 'linear',
      maxPool: chance(0.5),
    },
  };
}

const check = (variant: ConvVariant, { inputs, attrs }: Drawn, random: Draw['random'], label: string) =>
  checkOp({
    reference: fused,
    op: ([x, w, bias]) => conv2d(x, w, bias, { ...attrs, variant: variant.name }),
    inputs,
    attrs,
    cotangent: decidedOnly(inputs, attrs, random),
    factor: variant.roundOffs,
    label,
  });

/** Random shapes for each variant: few for those that are compiled anew, in seconds, for every shape. */
const counts: Record<string, number> = { winograd4: 3, winograd2: 3, broadcast: 3, plain: 16, patches: 16 };

const PASSES = ['forward', 'inputGradient', 'filterGradient'] as const;

/** A layer of v5, which every variant suits, with a kernel of its own, on an adapter that has it at all. */
const usual = (variant: ConvVariant) => {
  const size = domainOf(variant).kernels.at(-1)!;
  const shapes = [
    [2, 14, 14, 64],
    [size, size, 64, 128],
  ];
  return geometryOf(shapes, 'same');
};
const offered = variants.filter((variant) =>
  PASSES.some((pass) => variant.supports(usual(variant), pass, gpu)),
);

describe.each(offered)('$name', (variant) => {
  test('matches the reference', async () => {
    let checked = 0;
    for (const drawn of draws(`conv2d ${variant.name}`, 40)) {
      const given = draw(drawn, domainOf(variant));
      const g = geometryOf(
        given.inputs.map(({ shape }) => shape),
        given.attrs.padding,
        given.attrs.strides,
      );
      if (checked === (counts[variant.name] ?? 5) || (given.attrs.maxPool && (g.Y < 2 || g.X < 2))) continue;
      if (!PASSES.some((pass) => variant.supports(g, pass, gpu))) continue;
      await check(variant, given, drawn.random, drawn.label);
      checked++;
    }
    expect(checked).toBeGreaterThan(0);
  });
});

/** What follows a convolution lets NaN through, from a pixel and from a bias; behind it a ReLU's gradient passes, as in PyTorch. */
describe.each(offered)('$name', (variant) => {
  test.each([false, true])('NaN comes through a ReLU, max-pool %s', async (maxPool) => {
    const [{ random, label, int }] = draws(`conv2d NaN ${variant.name}`, 1);
    const size = domainOf(variant).kernels.at(-1)!;
    const attrs: Attrs = { padding: 'same', activation: 'relu', maxPool };
    const inputs = [random.uniform([2, 8, 8, 4]), random.uniform([size, size, 4, 8]), random.uniform([8])];
    const [x, , b] = inputs;
    const broken = int(0, 7);
    x.data[int(0, x.data.length / 2 - 1)] = Number.NaN;
    b.data[broken] = Number.NaN;
    const [y, db] = scope(() => {
      const given = inputs.map(({ data, shape }) => tensor(Float32Array.from(data), shape));
      given[2].requiresGrad = true;
      const y = conv2d(given[0], given[1], given[2], { ...attrs, variant: variant.name });
      return [y, ...gradients(sum(y), [given[2]])];
    });
    // A fast algorithm mixes the pixels of a tile: more of image 0 may be NaN than the reference has, and nothing more of image 1.
    const expected = fused.forward(inputs, attrs);
    const second = ([_, ...shape]: number[], data: ArrayLike<number>) =>
      make([1, ...shape], Array.from(data).slice(data.length / 2));
    const found = await y.data();
    compare(found, expected, size * size * 4, label, variant.roundOffs, 1, true);
    compare(
      second(y.shape as number[], found).data,
      second(expected.shape, expected.data),
      size * size * 4,
      label,
      variant.roundOffs,
      1,
    );
    expect((await db.data())[broken], label).toBe(y.size / 8);
    for (const t of [y, db]) t.dispose();
  });
});

/** A batch-norm after a convolution that gathered the moments, and one that needs a pass for them. */
describe.each(offered.filter(({ name }) => /broadcast|winograd/.test(name)))('$name', (variant) => {
  test.each([
    [[3, 28, 28, 4], 8, false],
    [[2, 9, 30, 4], 12, false],
    [[2, 50, 7, 8], 4, true],
  ] as const)('gathers moments of the output of x [%s]', async (shape, K, maxPool) => {
    const [drawn] = draws(`conv2d moments ${variant.name} ${shape}`, 1);
    const channels = [drawn.random.uniform([K]), drawn.random.uniform([K])];
    const given = [drawn.random.uniform(shape), drawn.random.uniform([3, 3, shape[3], K]), ...channels];
    const run = (moments: boolean) =>
      scope(() => {
        const [x, w, gamma, beta] = given.map(({ data, shape }) => tensor(Float32Array.from(data), shape));
        const options = {
          padding: 'same',
          activation: 'relu',
          maxPool,
          moments,
          variant: variant.name,
        } as const;
        const y = conv2d(x, w, undefined, options);
        const gathered = y.moments !== undefined;
        const moving = { mean: zeros([K]), variance: zeros([K]) };
        const normalised = batchNormTraining(y, gamma, beta, moving, { momentum: 0.5, epsilon: 1e-3 });
        return { gathered, results: [normalised, moving.mean, moving.variance] };
      });
    const live = gpu.pool.liveBytes;
    const [fused, unfused] = [run(true), run(false)];
    expect(unfused.gathered).toBe(false);
    // A tile of the direct variant must be part of one row.
    const tells = variant.name === 'broadcast' ? !maxPool && shape[2] >= 28 : true;
    expect(fused.gathered).toBe(tells);
    const rows = unfused.results[0].size / K;
    for (const [i, result] of fused.results.entries()) {
      const expected = make(unfused.results[i].shape, await unfused.results[i].data());
      compare(await result.data(), expected, rows, `result ${i}, ${drawn.label}`, 8, 1);
    }
    for (const t of [...fused.results, ...unfused.results]) t.dispose();
    expect(gpu.pool.liveBytes, 'live bytes').toBe(live);
  });
});

/** What runs on an adapter that promises no subgroup width. */
describe.each(variants.filter(({ name }) => name.startsWith('winograd')))(
  '$name without subgroups',
  (variant) => {
    test('matches the reference', async () => {
      const { subgroupSize } = gpu;
      const setSubgroupSize = (value: number) => Object.defineProperty(gpu, 'subgroupSize', { value });
      setSubgroupSize(0);
      try {
        let checked = 0;
        for (const drawn of draws(`conv2d ${variant.name} without subgroups`, 60)) {
          const given = draw(drawn, THREE);
          const g = geometryOf(
            given.inputs.map(({ shape }) => shape),
            given.attrs.padding,
          );
          if (checked === 3 || !variant.supports(g, 'forward', gpu)) continue;
          if (given.attrs.maxPool && (g.Y < 2 || g.X < 2)) continue;
          await check(variant, given, drawn.random, drawn.label);
          checked++;
        }
        expect(checked).toBe(3);
      } finally {
        setSubgroupSize(subgroupSize);
      }
    });
  },
);

describe('more images than go through Winograd at a time', () => {
  const [N, size, C, K] = [160, 27, 16, 32];
  const g = geometryOf(
    [
      [N, size, size, C],
      [3, 3, C, K],
    ],
    'same',
  );
  const winograd = variants.filter(({ name }) => name.startsWith('winograd'));
  test.each(winograd)('$name is as plain', async (variant) => {
    const [{ random, label }] = draws(`conv2d chunks ${variant.name}`, 1);
    const given = (...shape: number[]) => tensor(Float32Array.from(random.uniform(shape).data), shape);
    const [x, w, bias] = [given(N, size, size, C), given(3, 3, C, K), given(K)];
    const pooled = [N, 13, 13, K];
    const expectClose = async (actual: Tensor, expected: Tensor, terms: number, what: string) => {
      const wanted = make(expected.shape, await expected.data());
      compare(await actual.data(), wanted, terms, `${label}: ${what}`, variant.roundOffs + plain.roundOffs);
    };

    const whole = empty([N, size, size, K]);
    plain.forward(g, x, w, { bias, relu: true, pool: false, y: whole });
    const y = empty(whole.shape);
    variant.forward(g, x, w, { bias, relu: true, pool: false, y });
    await expectClose(y, whole, 9 * C, 'output');
    const [maxima, wantedMaxima] = [empty(pooled), empty(pooled)];
    variant.forward(g, x, w, { bias, relu: true, pool: true, y: maxima });
    pool(whole, POOL_WINDOWS, wantedMaxima, true);
    await expectClose(maxima, wantedMaxima, 9 * C, 'pooled output');

    // A byte a window: any of its places.
    const words = Uint32Array.from(
      random.integers(N * 13 * 13 * (K / 4), 2 ** 30),
      (word) => word & 0x03030303,
    );
    const folded = [
      { dy: given(N, size, size, K), y: whole },
      { dy: given(...pooled), winners: tensor(words, [N, 13, 13, K / 4]) },
    ];
    for (const cotangent of folded) {
      const [dx, wanted] = [empty(x.shape), empty(x.shape)];
      variant.inputGradient(g, cotangent, w, dx);
      plain.inputGradient(g, { dy: unfold(g, cotangent) }, w, wanted);
      await expectClose(dx, wanted, 9 * K, `input gradient, ${Object.keys(cotangent)}`);
    }
  });
});

/** Chunks that begin between multiples of 64 elements of the image, and chunks that are longer so that y's begin at one. */
test.each([
  [402, 15, 7, 4],
  [402, 15, 8, 3],
  [500, 13, 7, 3],
])('patches of %d images %d wide, %d to %d channels, are as plain', async (N, size, C, K) => {
  const [{ random, label }] = draws(`conv2d patches ${N} ${size} ${C} ${K}`, 1);
  const given = (...shape: number[]) => tensor(Float32Array.from(random.uniform(shape).data), shape);
  const [x, w, bias] = [given(N, size, size, C), given(5, 5, C, K), given(K)];
  const g = geometryOf([x.shape, w.shape], 'same', 2);
  const dy = given(N, g.Y, g.X, K);
  const results = [patches, plain].map((variant) => {
    const [y, dx] = [empty(dy.shape), empty(x.shape)];
    variant.forward(g, x, w, { bias, relu: true, pool: false, y });
    variant.inputGradient(g, { dy }, w, dx);
    return [y, dx, variant.filterGradient(g, x, { dy })];
  });
  const terms = [25 * C, 25 * K, N * g.Y * g.X];
  for (const [pass, expected] of results[1].entries()) {
    const wanted = make(expected.shape, await expected.data());
    const found = await results[0][pass].data();
    compare(found, wanted, terms[pass], `${label}: ${PASSES[pass]}`, patches.roundOffs + plain.roundOffs);
  }
});

describe("v5's shapes, few images", () => {
  // [height and width, channels, filters, padding]
  const layers = [
    [28, 1, 64, 'same'],
    [14, 128, 64, 'same'],
    [7, 64, 128, 'valid'],
  ] as const;
  test.each(layers)('%dx%d, %d channels, %s', async (size, C, K, padding) => {
    for (const { random, label } of draws(`conv2d v5 ${size} ${C}`, 1)) {
      const inputs = [random.uniform([2, size, size, C]), random.uniform([3, 3, C, K]), random.uniform([K])];
      await checkOp({
        reference,
        op: ([x, w, bias]) => conv2d(x, w, bias, { padding }),
        inputs,
        attrs: { padding },
        cotangent: random.uniform,
        label,
      });
    }
  });
});

test('a decision is named by kernel, strides and the zeros that count', () => {
  const x = tensor(new Float32Array(7 * 8 * 2), [1, 7, 8, 2]);
  const key = (kernel: [number, number], options: Conv2dOptions) => {
    const keys: string[] = [];
    const w = tensor(new Float32Array(kernel[0] * kernel[1] * 6), [...kernel, 2, 3]);
    listenToChoices(
      (request) => keys.push(request.key),
      () => conv2d(x, w, undefined, options),
    );
    return keys[0];
  };
  expect(key([5, 3], {})).toBe('conv2d forward 7x8 2-3 5x3 valid, one');
  expect(key([5, 3], { padding: [2, 1], activation: 'relu' })).toBe(
    'conv2d forward 7x8 2-3 5x3 same relu, one',
  );
  expect(key([1, 7], { padding: 'same', strides: 2 })).toBe('conv2d forward 7x8 2-3 1x7 stride 2 same, one');
  expect(
    key([3, 3], {
      padding: [
        [0, 1],
        [2, 0],
      ],
      strides: [2, 1],
    }),
  ).toBe('conv2d forward 7x8 2-3 3x3 stride 2x1 pad 0,0;2,0, one');
});

test('refuses what is no convolution', () => {
  const x = tensor(new Float32Array(2 * 4 * 4 * 3), [2, 4, 4, 3]);
  const filters = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);
  expect(() => conv2d(filters(4, 4), filters(3, 3, 3, 2))).toThrow(
    'conv2d: expected x [N, H, W, C], got [4, 4]',
  );
  expect(() => conv2d(x, filters(3, 3))).toThrow(
    'conv2d: expected filters [kernel height, kernel width, C, K], got [3, 3]',
  );
  expect(() => conv2d(x, filters(3, 3, 4, 2))).toThrow(
    'conv2d: expected filters for 3 channels, as x [2, 4, 4, 3] has, got [3, 3, 4, 2]',
  );
  const options = (options: object) => () => conv2d(x, filters(3, 3, 3, 2), undefined, options);
  const strides = [0, 1.5, [2], [1, -1], '2'];
  for (const [i, got] of ['0', '1.5', '[2]', '[1, -1]', "'2'"].entries())
    expect(options({ strides: strides[i] })).toThrow(
      `conv2d: expected strides of a positive whole number, or two, got ${got}`,
    );
  const paddings = ['full', -1, [1], [1, 0.5], [[1, 1], [1]]];
  for (const [i, got] of ["'full'", '-1', '[1]', '[1, 0.5]', 'an array of 2'].entries())
    expect(options({ padding: paddings[i] })).toThrow(
      `conv2d: expected padding 'same', 'valid', a number of zeros, [rows, columns] or [[top, bottom], [left, right]], got ${got}`,
    );
  expect(() => conv2d(x, filters(3, 3, 3, 2), filters(3))).toThrow(
    'conv2d: expected a bias of shape [2], got [3]',
  );
  expect(() => conv2d(x, filters(5, 5, 3, 2), undefined, { padding: 'valid' })).toThrow(
    'conv2d: expected an image of at least 5x5, got [2, 4, 4, 3]',
  );
});
