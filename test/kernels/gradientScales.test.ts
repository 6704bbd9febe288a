import { expect, test } from 'vitest';
import { clipScales, perturbationScale } from '../../src/kernels/gradientScales.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, make } from '../reference/array64.ts';
import { clipped, perturbed } from '../reference/gradientScales.ts';
import { bitsOf, expectSameBits } from '../support/bits.ts';
import { compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { rounded } from '../support/large.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

const upload = ({ data, shape }: Array64): Tensor => tensor(Float32Array.from(data), shape);

/** Gradients of sizes below, at and past blocks, of several scales. */
const someGradients = () => {
  const random = createRandom(seed);
  return [[1], [3, 3, 5, 4], [2048], [2049], [7000], [1]].map((shape, i) =>
    rounded(random.uniform(shape, -(10 ** -i), 10 ** -i)),
  );
};

/** The values that each of the gradients has under its factor. */
async function apply(gradients: readonly Array64[], scales: Tensor): Promise<Array64[]> {
  const factors = await scales.data();
  const stride = factors.length === 1 ? 0 : 64;
  return gradients.map(({ shape, data }, p) =>
    make(
      shape,
      data.map((value) => value * factors[stride * p]),
    ),
  );
}

test.each([
  { norm: 0.5, together: false },
  { norm: 0.5, together: true },
  { norm: 1e4, together: true },
])('clipping to $norm, together $together, matches the reference', async ({ norm, together }) => {
  const gradients = someGradients();
  const found = await apply(gradients, clipScales(gradients.map(upload), norm, together));
  const expected = clipped(gradients, norm, together);
  found.forEach(({ data }, p) => {
    compare(data, expected[p], 7000, `gradient ${p}, ${again}`, 2);
  });
});

test('a gradient within the norm stays as it is, one that is not finite does not become finite', async () => {
  const [small, broken] = [
    [3, 4],
    [1, Number.NaN],
  ].map((values) => tensor(values));
  expect((await clipScales([small], 5, true).data())[0]).toBe(1);
  expect((await clipScales([small, broken], 5, true).data())[0]).toBeNaN();
});

test('a perturbation matches the reference, and is none for a gradient of zeros', async () => {
  const gradients = someGradients();
  const found = await apply(gradients, perturbationScale(gradients.map(upload), 0.05));
  const expected = perturbed(
    gradients.map(({ shape, data }) =>
      make(
        shape,
        data.map(() => 0),
      ),
    ),
    gradients,
    0.05,
  );
  found.forEach(({ data }, p) => {
    compare(data, expected[p], 7000, `gradient ${p}, ${again}`, 2);
  });
  const [scale] = await perturbationScale([tensor([0, 0])], 0.05).data();
  expect(scale * 0).toBe(0);
});

test('has the same bits twice, and split as whole', async () => {
  const gradients = someGradients().map(upload);
  const scale = () => clipScales(gradients, 0.1, true);
  expectSameBits([await bitsOf(scale())], [await bitsOf(scale())], again);
  // 64 blocks of 2048 elements, where the next part may begin.
  const long = upload(rounded(createRandom(seed).uniform([150_000])));
  await expectSplitLikeWhole(gpu, 64 * 8192, () => [clipScales([long], 0.1, true)], again);
});
