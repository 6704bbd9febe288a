import { describe, expect, test } from 'vitest';
import { dense } from '../../src/kernels/dense.ts';
import { matmul, variants } from '../../src/kernels/matmul/index.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { dense as denseReference } from '../reference/dense.ts';
import { matmul as matmulReference } from '../reference/matmul.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { type Draw, draws } from '../support/property.ts';

const gpu = await testGpu();
const offered = variants
  .filter((variant) => variant.supports({ M: 64, N: 64, K: 64, transposeA: false, transposeB: false }, gpu))
  .map(({ name }) => name);

/** Extents below, at and above a tile's; or a sum long enough to be cut into slices. */
function extents({ int, chance, pick }: Draw): [M: number, K: number, N: number] {
  const edge = () => pick([1, int(2, 15), 16, 32, int(17, 70), 64]);
  return chance(0.3) ? [int(1, 40), int(512, 1500), int(1, 40)] : [edge(), edge(), edge()];
}

describe.each(offered)('%s', (variant) => {
  test('matmul matches the reference, transposed or not', async () => {
    for (const draw of draws(`matmul ${variant}`, 8)) {
      const { random, label, chance } = draw;
      const [M, K, N] = extents(draw);
      const attrs = { transposeA: chance(0.5), transposeB: chance(0.5) };
      const inputs = [
        random.uniform(attrs.transposeA ? [K, M] : [M, K]),
        random.uniform(attrs.transposeB ? [N, K] : [K, N]),
      ];
      await checkOp({
        reference: matmulReference,
        op: ([a, b]) => matmul(a, b, { ...attrs, variant }),
        inputs,
        attrs,
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('dense matches the reference, with and without bias', async () => {
    for (const draw of draws(`dense ${variant}`, 6)) {
      const { random, label, chance } = draw;
      const [N, I, O] = extents(draw);
      const inputs = [
        random.uniform([N, I]),
        random.uniform([I, O]),
        ...(chance(0.7) ? [random.uniform([O])] : []),
      ];
      await checkOp({
        reference: denseReference,
        op: ([x, w, bias]) => dense(x, w, bias, { variant }),
        inputs,
        attrs: {},
        cotangent: random.uniform,
        label,
      });
    }
  });
});

test("v5's dense layers, batch 64", async () => {
  for (const { random, label } of draws('dense, v5', 1)) {
    for (const [inputs, units] of [
      [512, 512],
      [512, 10],
    ]) {
      const given = [random.uniform([64, inputs]), random.uniform([inputs, units]), random.uniform([units])];
      await checkOp({
        reference: denseReference,
        op: ([x, w, bias]) => dense(x, w, bias),
        inputs: given,
        attrs: {},
        cotangent: random.uniform,
        label,
      });
    }
  }
});

test('blocks of 8 x 4, which large products take', async () => {
  for (const { random, label } of draws('matmul, large', 1)) {
    const inputs = [random.uniform([1025, 5]), random.uniform([5, 1030])];
    await checkOp({
      reference: matmulReference,
      op: ([a, b]) => matmul(a, b, { variant: 'tiled' }),
      inputs,
      attrs: {},
      cotangent: random.uniform,
      label,
    });
  }
});

test('refuses what is no product', () => {
  const a = tensor(new Float32Array(6), [2, 3]);
  expect(() => matmul(a, a)).toThrow(
    'matmul: expected matrices of one inner extent, got [2, 3] and [2, 3]: 3 and 2',
  );
  expect(() => matmul(a, tensor([1, 2, 3]))).toThrow('matmul: expected two matrices, got [2, 3] and [3]');
  expect(() => dense(a, tensor(new Float32Array(3), [3, 1]), tensor([1, 2]))).toThrow(
    'dense: expected a bias of shape [1], got [2]',
  );
  expect(() => dense(a, tensor(new Int32Array(3), [3, 1]))).toThrow('dense: expected w f32, got i32 [3, 1]');
});
