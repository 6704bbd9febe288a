import { describe, expect, test } from 'vitest';
import { type FillMode, type WarpImagesOptions, warpImages } from '../../src/kernels/warpImages.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, make } from '../reference/array64.ts';
import { affineMatrix, type Corners, perspectiveMatrix } from '../reference/imageDraws.ts';
import { placeOf, warpImages as reference, type Warp } from '../reference/warpImages.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();
const random = createRandom(seed);

const inSingle = (values: ArrayLike<number>) => Array.from(Float32Array.from(values));
const imagesOf = (shape: readonly number[]): Array64 => {
  const { data } = random.uniform([...shape], 0, 1);
  return make(shape, inSingle(data));
};
const toTensor = ({ shape, data }: Array64): Tensor => tensor(Float32Array.from(data), shape);

const transformsOf = (warps: readonly Warp[]): Tensor =>
  tensor(
    Float32Array.from(
      warps.flatMap(({ matrix, flipColumns, flipRows }) => [...matrix, +flipColumns, +flipRows, 0]),
    ),
    [warps.length, 12],
  );

const uniform = (low: number, high: number) => random.uniform([1], low, high).data[0];
const coin = () => uniform(0, 1) < 0.5;

/** A map with everything in it, its matrix rounded as the kernel gets it. */
function affine(H: number, W: number): Warp {
  const parameters = {
    theta: uniform(-180, 180),
    shear: uniform(-30, 30),
    zoom: [uniform(0.5, 2), uniform(0.5, 2)],
    shift: [uniform(-0.3, 0.3) * H, uniform(-0.3, 0.3) * W],
  } as const;
  const matrix = inSingle(affineMatrix(parameters, [H / 2 + 0.5, W / 2 + 0.5]));
  return { matrix, flipColumns: coin(), flipRows: coin() };
}

function perspective(H: number, W: number): Warp {
  const move = (size: number) => uniform(0, 0.3) * (size - 1);
  const corners: Corners = [
    [move(W), move(H)],
    [W - 1 - move(W), move(H)],
    [W - 1 - move(W), H - 1 - move(H)],
    [move(W), H - 1 - move(H)],
  ];
  return { matrix: inSingle(perspectiveMatrix(H, W, corners)), flipColumns: coin(), flipRows: coin() };
}

/** Whether f32 may see a coordinate on the other side of where the result jumps. */
function jumps(i: number, n: number, fillMode: FillMode, interpolation: 'linear' | 'nearest'): boolean {
  const near = (x: number) => Math.abs(x - Math.round(x)) < 1e-4;
  if (interpolation === 'nearest') return near(i + 0.5);
  if (fillMode === 'constant') return Math.abs(i) < 1e-4 || Math.abs(i - (n - 1)) < 1e-4;
  return fillMode === 'wrap' && near(i / Math.max(n - 1, 1));
}

async function check(
  x: Array64,
  warps: readonly Warp[],
  options: Required<WarpImagesOptions>,
): Promise<void> {
  const [N, H, W, C] = x.shape;
  const expected = reference(x, warps, options);
  const actual = await warpImages(toTensor(x), transformsOf(warps), options).data();
  expect(actual.length).toBe(expected.data.length);
  let doubtful = 0;
  for (let n = 0; n < N; n++) {
    const { matrix } = warps[n];
    // A coordinate is a sum of three terms; values of 0 .. 1 change by at most 1 a pixel.
    const terms = Math.max(
      ...[0, 3].map((i) => Math.abs(matrix[i]) * H + Math.abs(matrix[i + 1]) * W + Math.abs(matrix[i + 2])),
    );
    const bound = 8 * 2 ** -24 * (1 + 2 * terms) * (options.projective ? 4 : 1);
    for (let p = 0; p < H * W; p++) {
      const [row, column] = placeOf(warps[n], [H, W], Math.floor(p / W), p % W);
      const { fillMode, interpolation } = options;
      if (jumps(row, H, fillMode, interpolation) || jumps(column, W, fillMode, interpolation)) {
        doubtful++;
        continue;
      }
      for (let c = 0; c < C; c++) {
        const at = (n * H * W + p) * C + c;
        const error = Math.abs(actual[at] - expected.data[at]);
        if (!(error <= bound))
          expect.fail(
            `${JSON.stringify(options)}, image ${n} of ${H}x${W}x${C}, pixel ${p}: ${actual[at]}, not ${expected.data[at]} (bound ${bound}), ${again}`,
          );
      }
    }
  }
  if (H > 1 && W > 1) expect(doubtful, 'pixels left out').toBeLessThan(0.05 * N * H * W + 2);
}

const shapes = [
  [4, 28, 28, 1],
  [3, 9, 5, 3],
  [2, 1, 1, 1],
  [2, 1, 7, 3],
  [2, 11, 1, 1],
];

describe.each(shapes)('%i images of %ix%ix%i', (...shape) => {
  const [N, H, W] = shape;
  const affines = () => Array.from({ length: N }, () => affine(H, W));

  test.each(['constant', 'nearest', 'reflect', 'wrap', 'blend'] as const)('linear, %s', async (fillMode) => {
    await check(imagesOf(shape), affines(), {
      interpolation: 'linear',
      fillMode,
      fill: 0.3,
      projective: false,
    });
  });

  test('nearest neighbour', async () => {
    await check(imagesOf(shape), affines(), {
      interpolation: 'nearest',
      fillMode: 'constant',
      fill: 0.3,
      projective: false,
    });
  });

  test('perspectives', async () => {
    if (H === 1 || W === 1) return;
    const warps = Array.from({ length: N }, () => perspective(H, W));
    await check(imagesOf(shape), warps, {
      interpolation: 'linear',
      fillMode: 'blend',
      fill: 0.3,
      projective: true,
    });
  });

  test('whole-pixel shifts and flips copy values exactly', async () => {
    const x = imagesOf(shape);
    const warps = Array.from({ length: N }, (): Warp => {
      const [row, column] = random.integers(2, 7);
      return { matrix: [1, 0, row - 3, 0, 1, column - 3, 0, 0, 1], flipColumns: coin(), flipRows: coin() };
    });
    for (const interpolation of ['linear', 'nearest'] as const) {
      const options = { interpolation, fillMode: 'constant', fill: 0.25 } as const;
      const y = await warpImages(toTensor(x), transformsOf(warps), options).data();
      expect(Array.from(y), again).toEqual(Array.from(reference(x, warps, options).data));
    }
    const options = { interpolation: 'linear', fillMode: 'reflect', fill: 0 } as const;
    const y = await warpImages(toTensor(x), transformsOf(warps), options).data();
    expect(Array.from(y), again).toEqual(Array.from(reference(x, warps, options).data));
  });
});

test('split launches give the bits of whole ones', async () => {
  const x = toTensor(imagesOf([150, 5, 7, 1]));
  const transforms = transformsOf(Array.from({ length: 150 }, () => affine(5, 7)));
  await expectSplitLikeWhole(gpu, 16384, () => [warpImages(x, transforms, { fillMode: 'nearest' })], again);
  const twice = [0, 1].map(() => [warpImages(x, transforms, { fillMode: 'nearest' })]);
  expectSameBits(await allBits(twice[0]), await allBits(twice[1]), again);
});

test('wrong inputs are named', () => {
  const x = tensor(new Float32Array(8), [2, 2, 2, 1]);
  expect(() => warpImages(x, tensor(new Float32Array(18), [2, 9]))).toThrow(
    /warpImages: expected transforms \[2, 12\], got \[2, 9\]/,
  );
  expect(() => warpImages(tensor([1, 2]), tensor(new Float32Array(24), [2, 12]))).toThrow(
    /x \[N, H, W, C\], got \[2\]/,
  );
});
