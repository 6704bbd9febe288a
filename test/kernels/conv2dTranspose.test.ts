import { expect, test } from 'vitest';
import { variants } from '../../src/kernels/conv2d/passes.ts';
import { conv2dTranspose } from '../../src/kernels/conv2dTranspose.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { conv2dTranspose as reference } from '../reference/conv2dTranspose.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';

await testGpu();

test('matches the reference', async () => {
  for (const { random, label, int, pick, chance } of draws('conv2dTranspose', 16)) {
    const [I, J] = [int(1, 5), int(1, 5)];
    const [C, K] = [pick([1, 2, 3, 4, 7, 8, 16]), pick([1, 3, 4, 8, 12])];
    const strides = [pick([1, 2, 2, 3]), pick([1, 2, 2, 3])] as const;
    const zeros = [int(0, 1), int(0, 1), int(0, 1), int(0, 1)];
    const explicit = [
      [zeros[0], zeros[1]],
      [zeros[2], zeros[3]],
    ] as const;
    const padding = chance(0.3) ? explicit : pick(['same', 'valid'] as const);
    // An even kernel with 'same' takes an output padding of 1 at least.
    const extra = strides.map((stride, axis) => int([I, J][axis] % 2 || stride === 1 ? 0 : 1, stride - 1));
    const odd = I % 2 && J % 2;
    const outputPadding =
      chance(0.4) && (odd || padding !== 'same') ? ([extra[0], extra[1]] as const) : undefined;
    const bias = chance(0.6) ? [random.uniform([K])] : [];
    const [N, H, W] = [int(1, 3), int(3, 9), int(3, 9)];
    await checkOp({
      reference,
      op: ([x, w, b], attrs) => conv2dTranspose(x, w, b, attrs),
      inputs: [random.uniform([N, H, W, C]), random.uniform([I, J, K, C]), ...bias],
      attrs: { padding, strides, outputPadding },
      cotangent: random.uniform,
      // What the least exact variant needs.
      factor: Math.max(...variants.map(({ roundOffs }) => roundOffs)),
      label,
    });
  }
});

test('refuses what is no transposed convolution', () => {
  const make = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);
  const x = make(1, 3, 3, 2);
  expect(() => conv2dTranspose(make(3, 3), make(3, 3, 4, 2))).toThrow(
    'conv2dTranspose: expected x [N, H, W, C], got [3, 3]',
  );
  expect(() => conv2dTranspose(x, make(3, 3, 2, 4))).toThrow(
    'conv2dTranspose: expected filters [kernel height, kernel width, filters, 2], got [3, 3, 2, 4]',
  );
  expect(() => conv2dTranspose(x, make(3, 3, 4, 2), make(2))).toThrow(
    'conv2dTranspose: expected a bias of shape [4], got [2]',
  );
  expect(() => conv2dTranspose(x, make(3, 3, 4, 2), undefined, { strides: 2, outputPadding: 2 })).toThrow(
    'conv2dTranspose: expected output padding from 0 to below the strides 2,2, got 2,2',
  );
  expect(() => conv2dTranspose(x, make(1, 1, 4, 2), undefined, { padding: 3 })).toThrow(
    'conv2dTranspose: expected an output of at least one pixel, got x [1, 3, 3, 2], filters [1, 1, 4, 2], output -3x-3',
  );
  const even = { strides: 2, padding: 'same', outputPadding: 0 } as const;
  expect(() => conv2dTranspose(x, make(2, 2, 4, 2), undefined, even)).toThrow(
    'conv2dTranspose: expected an output padding whose output comes from 3x3 inputs, got x [1, 3, 3, 2], filters [2, 2, 4, 2], output 4x4',
  );
});
