import { describe, expect, test } from 'vitest';
import { geometryOf } from '../../src/kernels/conv2d/geometry.ts';
import { conv2d, variants } from '../../src/kernels/conv2d/index.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import type { Array64 } from '../reference/array64.ts';
import { conv2d as reference } from '../reference/conv2d.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { type Draw, draws } from '../support/property.ts';

const gpu = await testGpu();
/** A layer of v5, which every variant suits on an adapter that has it at all. */
const usual = geometryOf(
  [
    [2, 14, 14, 64],
    [3, 3, 64, 128],
  ],
  'same',
);
const offered = variants.filter((variant) => variant.supports(usual, gpu));
/** Random shapes for each variant: few for the one that is compiled anew, in seconds, for every shape. */
const counts: Record<string, number> = { broadcast: 2, plain: 6 };

interface Drawn {
  inputs: Array64[];
  padding: 'same' | 'valid';
}

/** Images and filters: 3x3 for every variant, other odd kernels for the plain one. */
function draw({ random, int, chance, pick }: Draw, anyKernel: boolean): Drawn {
  const [I, J] = anyKernel ? [pick([1, 3, 5]), pick([1, 3, 5])] : [3, 3];
  const [C, K] = [pick([1, 2, 3, 4, 5, 8, 17]), pick([1, 2, 4, 7, 8, 10, 33])];
  const [N, H, W] = [int(1, 5), int(I, 12), int(J, 12)];
  const bias = chance(0.6) ? [random.uniform([K])] : [];
  return {
    inputs: [random.uniform([N, H, W, C]), random.uniform([I, J, C, K]), ...bias],
    padding: chance(0.5) ? 'same' : 'valid',
  };
}

const check = (variant: string, { inputs, padding }: Drawn, random: Draw['random'], label: string) =>
  checkOp({
    reference,
    op: ([x, w, bias]) => conv2d(x, w, bias, { padding, variant }),
    inputs,
    attrs: { padding },
    cotangent: random.uniform,
    label,
  });

describe.each(offered)('$name', (variant) => {
  test('matches the reference', async () => {
    let checked = 0;
    for (const drawn of draws(`conv2d ${variant.name}`, 20)) {
      const given = draw(drawn, variant.name === 'plain');
      const shapes = given.inputs.map(({ shape }) => shape);
      if (
        checked === (counts[variant.name] ?? 5) ||
        !variant.supports(geometryOf(shapes, given.padding), gpu)
      )
        continue;
      await check(variant.name, given, drawn.random, drawn.label);
      checked++;
    }
    expect(checked).toBeGreaterThan(0);
  });
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
  expect(() => conv2d(x, filters(2, 3, 3, 2))).toThrow(
    'conv2d: expected a kernel of odd height and width, got [2, 3, 3, 2]',
  );
  expect(() => conv2d(x, filters(3, 3, 3, 2), filters(3))).toThrow(
    'conv2d: expected a bias of shape [2], got [3]',
  );
  expect(() => conv2d(x, filters(5, 5, 3, 2), undefined, { padding: 'valid' })).toThrow(
    'conv2d: expected an image of at least 5x5, got [2, 4, 4, 3]',
  );
});
