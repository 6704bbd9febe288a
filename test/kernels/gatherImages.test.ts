import { expect, test } from 'vitest';
import { gatherImages } from '../../src/kernels/gatherImages.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, zeros } from '../reference/array64.ts';
import { augmentationOf, augment as reference, type Sample } from '../reference/augment.ts';
import { philox4x32 } from '../reference/philox.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

/** Bytes as the words of a tensor, the last one filled up with a mark that must not show. */
function pack(bytes: Uint8Array): Tensor {
  const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4).fill(0xee);
  padded.set(bytes);
  return tensor(new Uint32Array(padded.buffer));
}

const drawTensor = (position: number): Tensor =>
  Object.assign(new RandomStream(seed, 'augment'), { position }).drawTensor();

/** The reference sees one channel at a time. */
function expectedImages(
  bytes: Uint8Array,
  [H, W, C]: readonly number[],
  samples: readonly Sample[],
): Array64 {
  const output = zeros([samples.length, H, W, C]);
  for (let c = 0; c < C; c++) {
    const plane = reference(
      bytes.filter((_, at) => at % C === c),
      H,
      W,
      samples,
    );
    plane.data.forEach((value, at) => {
      output.data[at * C + c] = value;
    });
  }
  return output;
}

const imageShapes = [
  [1, 1, 1],
  [5, 7, 1],
  [3, 5, 3],
  [28, 28, 1],
  [9, 2, 4],
];

test.each(imageShapes)(
  'images of %ix%ix%i come out scaled, in the order asked for',
  async (height, width, channels) => {
    const random = createRandom(seed);
    const size = height * width * channels;
    const bytes = Uint8Array.from(random.integers(11 * size, 256));
    const indices = [...random.integers(17, 11), 10, 0, 10];
    const images = gatherImages(pack(bytes), tensor(Uint32Array.from(indices)), { height, width, channels });
    expect(images.shape).toEqual([20, height, width, channels]);
    const samples = indices.map((index) => ({ index, dy: 0, dx: 0, flip: false }));
    compare(
      await images.data(),
      expectedImages(bytes, [height, width, channels], samples),
      1,
      `images, ${again}`,
    );
  },
);

test.each(imageShapes)(
  'augmented images of %ix%ix%i match the reference with the same words',
  async (height, width, channels) => {
    const random = createRandom(seed);
    const bytes = Uint8Array.from(random.integers(6 * height * width * channels, 256));
    const indices = random.integers(40, 6);
    const draw = drawTensor(height);
    const [counter, stream, key0, key1] = await draw.data();
    for (const { shift, flip } of [
      { shift: 3, flip: true },
      { shift: 0, flip: true },
      { shift: 1, flip: false },
      { shift: 2, flip: false },
      { shift: 30, flip: true },
    ]) {
      const samples = indices.map((index, n): Sample => {
        const drawn = augmentationOf(philox4x32([n, counter, stream, 0], [key0, key1]), Math.max(shift, 1));
        return { index, ...drawn, flip: flip && drawn.flip };
      });
      const images = gatherImages(pack(bytes), tensor(Uint32Array.from(indices)), {
        height,
        width,
        channels,
        augment: { draw, shift, flip },
      });
      compare(
        await images.data(),
        expectedImages(bytes, [height, width, channels], samples),
        1,
        `shift ${shift}, flip ${flip}, ${again}`,
      );
    }
  },
);

test('shifts and flips have the distribution that Keras has', async () => {
  const count = 30_000;
  // Pixels 1 to 25 in reading order: the one that ends in the centre tells the shift, its neighbour the flip.
  const bytes = Uint8Array.from({ length: 25 }, (_, i) => i + 1);
  const shape = { height: 5, width: 5, channels: 1 };
  const augment = { draw: drawTensor(1000), shift: 3, flip: true };
  const images = await gatherImages(pack(bytes), tensor(new Uint32Array(count)), {
    ...shape,
    augment,
  }).data();
  const seen = new Map<string, number>();
  for (let n = 0; n < count; n++) {
    const [centre, right] = [12, 13].map((at) => Math.round(images[n * 25 + at] * 255) - 1);
    const [row, column] = [Math.floor(centre / 5), centre % 5];
    // What is right of the centre came from the left where the image was flipped; -1 where that is outside.
    const [plain, flipped] = [column === 4 ? -1 : centre + 1, column === 0 ? -1 : centre - 1];
    expect([plain, flipped]).toContain(right);
    const key = `${2 - row} ${2 - column} ${right === flipped}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  const probability = (shift: number) => (shift === 0 ? 1 / 3 : 1 / 6);
  for (const down of [-2, -1, 0, 1, 2]) {
    for (const right of [-2, -1, 0, 1, 2]) {
      for (const flip of [true, false]) {
        const p = probability(down) * probability(right) * 0.5;
        const found = seen.get(`${down} ${right} ${flip}`) ?? 0;
        // Six deviations: chance alone goes beyond once in 500 million counts.
        expect(
          Math.abs(found - p * count),
          `down ${down}, right ${right}, flip ${flip}: ${found} of ${count}, ${again}`,
        ).toBeLessThan(6 * Math.sqrt(p * (1 - p) * count));
      }
    }
  }
  expect(seen.size).toBe(50);
});

test('an index past the last image shows as NaN and touches no other image', async () => {
  const bytes = Uint8Array.from({ length: 12 }, (_, i) => 20 * i);
  const options = { height: 2, width: 2, channels: 1 };
  const values = [
    ...(await gatherImages(pack(bytes), tensor(Uint32Array.of(2, 3, 2 ** 31, 0)), options).data()),
  ];
  expect(values.slice(4, 12).every(Number.isNaN)).toBe(true);
  expect([...values.slice(0, 4), ...values.slice(12)].map((value) => Math.round(value * 255))).toEqual([
    160, 180, 200, 220, 0, 20, 40, 60,
  ]);
});

test('split launches give the bits of whole ones, and so do two runs', async () => {
  const random = createRandom(seed);
  const bytes = pack(Uint8Array.from(random.integers(20 * 35, 256)));
  const indices = random.integers(900, 20);
  const run = () => [
    gatherImages(bytes, tensor(Uint32Array.from(indices)), {
      height: 5,
      width: 7,
      channels: 1,
      augment: { draw: drawTensor(7), shift: 3, flip: true },
    }),
  ];
  await expectSplitLikeWhole(gpu, 16384, run, again);
  expectSameBits(await allBits(run()), await allBits(run()), again);
});

test('wrong inputs are named', () => {
  const bytes = pack(new Uint8Array(64));
  const indices = tensor(Uint32Array.of(0));
  const options = { height: 4, width: 4, channels: 1 };
  const draw = drawTensor(0);
  expect(() => gatherImages(tensor([1, 2]), indices, options)).toThrow(
    /gatherImages: expected bytes u32, got f32 \[2\]/,
  );
  expect(() => gatherImages(bytes, tensor(Int32Array.of(0)), options)).toThrow(
    /expected indices u32, got i32/,
  );
  expect(() => gatherImages(bytes, tensor(Uint32Array.of(0), [1, 1]), options)).toThrow(
    /expected indices \[N\], got \[1, 1\]/,
  );
  expect(() => gatherImages(bytes, indices, { ...options, height: 17 })).toThrow(
    /at least one image of 17x4x1, got \[16\]/,
  );
  expect(() => gatherImages(bytes, indices, { ...options, channels: 0 })).toThrow(
    /height, width and channels of at least 1/,
  );
  expect(() =>
    gatherImages(bytes, indices, { ...options, augment: { draw, shift: 1.5, flip: true } }),
  ).toThrow(/shift range that is a whole number of at least 0, got 1.5/);
  expect(() =>
    gatherImages(bytes, indices, { ...options, augment: { draw: indices, shift: 1, flip: true } }),
  ).toThrow(/expected draw u32 of shape \[4\], got u32 \[1\]/);
});
