import { expect, test } from 'vitest';
import { adjustBrightness } from '../../src/kernels/adjustBrightness.ts';
import { eraseImages } from '../../src/kernels/eraseImages.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { createRandom, make } from '../reference/array64.ts';
import { between, wordsOf } from '../reference/imageDraws.ts';
import {
  type Box,
  adjustBrightness as brightnessReference,
  eraseImages as eraseReference,
} from '../reference/pixels.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();
const random = createRandom(seed);

const shapes = [
  [3, 28, 28, 1],
  [4, 7, 5, 3],
  [2, 1, 1, 1],
];

test.each(shapes)(
  'brightness of %i images of %ix%ix%i: whole grey levels as the reference has them',
  async (...shape) => {
    const [N] = shape;
    const size = shape.slice(1).reduce((a, b) => a * b);
    const factors = Float32Array.from(random.uniform([N], 0, 2).data);
    // Bytes of several ranges: what a gather gives; a dark image, an empty one.
    const bytes = Array.from(random.integers(N * size, 256), (v, at) =>
      at < size ? v % 91 : at < 2 * size ? 0 : v,
    );
    const run = async (values: Float32Array) =>
      adjustBrightness(tensor(values, shape), tensor(factors)).data();
    const exact = brightnessReference(make(shape, bytes), factors);
    expect(Array.from(await run(Float32Array.from(bytes))), again).toEqual(Array.from(exact.data));

    // Any values, as an interpolation gives them, below 0 too. Where f32 cuts another way, it is one level before the factor, and rare.
    const values = Float32Array.from(random.uniform([N * size], -20, 180).data);
    const expected = brightnessReference(make(shape, values), factors);
    const actual = await run(values);
    let off = 0;
    actual.forEach((value, at) => {
      const difference = Math.abs(value - expected.data[at]);
      if (difference > 0) off++;
      expect(difference, `element ${at}, ${again}`).toBeLessThanOrEqual(
        Math.ceil(factors[Math.floor(at / size)]),
      );
    });
    expect(off, again).toBeLessThanOrEqual(1 + 0.001 * actual.length);
  },
);

test('an image with NaN is NaN after a change of brightness, no other one', async () => {
  const values = Float32Array.from(random.uniform([3 * 28], 0, 255).data);
  values[28 + random.integers(1, 28)[0]] = Number.NaN;
  const found = await adjustBrightness(tensor(values, [3, 7, 4, 1]), tensor([1, 1, 1])).data();
  expect(
    [0, 1, 2].map((n) => found.subarray(28 * n, 28 * n + 28).filter(Number.isNaN).length),
    again,
  ).toEqual([0, 28, 0]);
});

function boxesIn(N: number, H: number, W: number): Box[] {
  return Array.from({ length: N }, (_, n): Box => {
    const [height, width] = n === 0 ? [0, 0] : [random.integers(1, H + 1)[0], random.integers(1, W + 1)[0]];
    const [top] = random.integers(1, H - height + 1);
    const [left] = random.integers(1, W - width + 1);
    return { top, left, height, width, value: n + 0.5 };
  });
}

const boxTensor = (boxes: readonly Box[]) =>
  tensor(
    Float32Array.from(
      boxes.flatMap(({ top, left, height, width, value }) => [top, left, height, width, value]),
    ),
    [boxes.length, 5],
  );

test.each(shapes)('boxes in %i images of %ix%ix%i, of one value and of noise', async (...shape) => {
  const [N, H, W] = shape;
  const x = make(shape, Float32Array.from(random.uniform(shape).data));
  const boxes = boxesIn(N, H, W);
  const images = tensor(Float32Array.from(x.data), shape);
  const plain = await eraseImages(images, boxTensor(boxes)).data();
  expect(Array.from(plain), again).toEqual(Array.from(eraseReference(x, boxes).data));

  const draw = new RandomStream(seed, 'noise').drawTensor();
  const words = await draw.data();
  // A quarter of a power of two wide, so that f32 computes it exactly.
  const noise = (image: number, element: number) =>
    between(2, 2.25, wordsOf(words, 3, image)(Math.floor(element / 4))[element % 4]);
  const noisy = await eraseImages(images, boxTensor(boxes), {
    noise: { draw, range: [2, 2.25], purpose: 3 },
  }).data();
  const expected = eraseReference(x, boxes, noise).data;
  noisy.forEach((value, at) => {
    expect(Math.abs(value - expected[at]), `element ${at}, ${again}`).toBeLessThan(2 ** -22);
  });
});

test('split launches give the bits of whole ones', async () => {
  const x = tensor(Float32Array.from(random.uniform([150, 5, 7, 1], 0, 255).data), [150, 5, 7, 1]);
  const draw = new RandomStream(seed, 'split').drawTensor();
  const boxes = boxTensor(boxesIn(150, 5, 7));
  const factors = tensor(Float32Array.from(random.uniform([150], 0, 2).data));
  await expectSplitLikeWhole(
    gpu,
    16384,
    () => [eraseImages(adjustBrightness(x, factors), boxes, { noise: { draw, range: [0, 1] } })],
    again,
  );
});

test('wrong inputs are named', () => {
  const x = tensor(new Float32Array(8), [2, 2, 2, 1]);
  expect(() => adjustBrightness(x, tensor([1, 2, 3]))).toThrow(
    /adjustBrightness: expected factors \[2\], got \[3\]/,
  );
  expect(() => eraseImages(x, tensor(new Float32Array(8), [2, 4]))).toThrow(
    /eraseImages: expected boxes \[2, 5\], got \[2, 4\]/,
  );
});
