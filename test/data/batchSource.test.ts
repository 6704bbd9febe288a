import { expect, test } from 'vitest';
import { imageDataGenerator } from '../../src/data/augmentation.ts';
import { ArraySource, type Batch, type BatchSource, ImageSource } from '../../src/data/batchSource.ts';
import { gather } from '../../src/kernels/gather.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';
import { withSmallBindings } from '../support/smallBindings.ts';

const gpu = await testGpu();
const random = createRandom(seed);
const COUNT = 500;
/** Bytes of a binding that holds what a dispatch writes at least, 64 samples as f32: less than half of a table. */
const bindingOf = (elements: number) => 64 * 4 * elements;

/** Samples of the first and last places, of places all over, and past the end. */
const indices = Uint32Array.of(0, COUNT - 1, 1, ...random.integers(80, COUNT), COUNT, 2 ** 32 - 1);

/** Two batches, one for training. */
function batches(source: BatchSource) {
  const at = tensor(indices);
  const made = [source.batch(at, true), source.batch(at, false)];
  source.dispose();
  return made.flatMap(({ x, labels }: Batch) => [x, labels]);
}

const labels = Uint8Array.from(random.integers(COUNT, 3));

/** Sizes of a sample at which parts begin and don't begin where a binding may. */
test.each([
  [7, 5, 3],
  [8, 8, 1],
  [1, 1, 1],
  [16, 16, 4],
])('images of %ix%ix%i in several buffers and bindings are those in one', async (height, width, channels) => {
  const images = Uint8Array.from(random.integers(COUNT * height * width * channels, 256));
  const set = { images, labels, count: COUNT, height, width, channels, classNames: [] };
  for (const augment of [
    undefined,
    imageDataGenerator({ widthShiftRange: 3, heightShiftRange: 3, horizontalFlip: true }),
  ]) {
    const run = () => batches(new ImageSource(set, { augment, seed }));
    const whole = run();
    const size = height * width * channels;
    const cut = withSmallBindings(gpu, Math.max(4096, bindingOf(size)), run, 300 * size);
    expectSameBits(await allBits(cut), await allBits(whole), again);
  }
});

test.each([1, 3, 64, 77])(
  'samples of %i numbers in several buffers and bindings are those in one',
  async (size) => {
    const values = Float32Array.from(random.uniform([COUNT * size]).data);
    const run = () => batches(new ArraySource(values, labels, [size]));
    expectSameBits(
      await allBits(withSmallBindings(gpu, Math.max(512, bindingOf(size)), run, 1200 * size)),
      await allBits(run()),
      again,
    );
  },
);

test('a table past a binding gathers as a small one', async () => {
  const table = tensor(Float32Array.from(random.uniform([COUNT * 9]).data), [COUNT, 9]);
  const run = () => [gather(table, tensor(indices))];
  expectSameBits(await allBits(withSmallBindings(gpu, bindingOf(9), run)), await allBits(run()), again);
});

test('a sample past a binding is refused when the source is made', () => {
  const make = () => new ArraySource(new Float32Array(4000), [0, 1], [2000]);
  expect(() => withSmallBindings(gpu, 4096, make)).toThrow(
    'ArraySource: a sample takes 8000 bytes, and this adapter binds 4096 at a time (maxStorageBufferBindingSize): smaller samples are needed',
  );
});
