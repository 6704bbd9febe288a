import { beforeAll, expect, test } from 'vitest';
import { mul } from '../../src/kernels/binary.ts';
import { conv2d } from '../../src/kernels/conv2d/index.ts';
import { gather } from '../../src/kernels/gather.ts';
import { mean } from '../../src/kernels/reduce.ts';
import { elementwise } from '../../src/kernels/shared/elementwise.ts';
import { exp, square } from '../../src/kernels/unary.ts';
import { defineOp } from '../../src/tensor/autograd.ts';
import { checkGradients } from '../../src/tensor/checkGradients.ts';
import { currentGpu } from '../../src/tensor/device.ts';
import { scope } from '../../src/tensor/scope.ts';
import { empty, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { testGpu } from '../support/gpu.ts';

beforeAll(testGpu);

const uniform = (shape: number[], seed: number) =>
  tensor(Float32Array.from(createRandom(seed).uniform(shape).data), shape);

test('passes right gradients, of every f32 input and any output shape', async () => {
  await checkGradients((x) => exp(x), [uniform([3, 5], 1)]);
  await checkGradients((x, y) => mean(mul(square(x), y)), [uniform([4, 3], 2), uniform([3], 3)]);
  await checkGradients(
    (x, w, b) => conv2d(x, w, b, { variant: 'plain' }),
    [uniform([2, 5, 4, 3], 4), uniform([3, 3, 3, 2], 5), uniform([2], 6)],
  );
  await checkGradients(
    (x, indices) => gather(x, indices),
    [uniform([4, 2], 7), tensor(Int32Array.of(1, 3, 1))],
  );
});

/** x^2 with a gradient that a mistake changed. */
const mistaken = (gradient: string): ((x: Tensor) => Tensor) => {
  const op = defineOp({
    name: 'mistaken-square',
    shape: ([x]) => x,
    forward({ inputs: [x], output, save }) {
      elementwise('square', 'x * x', { x }, output);
      save(x);
    },
    backward({ gradient: dy, saved: [x] }) {
      const dx = empty(x.shape);
      elementwise('mistake', gradient, { x, dy }, dx);
      return [dx];
    },
  });
  return (x) => op([x], undefined);
};

test.each([
  ['a forgotten factor', 'dy * x'],
  ['a wrong sign', '-2.0 * x * dy'],
  ['a forgotten output gradient', '2.0 * x'],
  ['3 % too much', '2.06 * x * dy'],
  ['one wrong element', 'select(2.0 * x * dy, 0.0, at == 3u)'],
  ['a NaN', 'select(2.0 * x * dy, log(-abs(x)), at == 3u)'],
])('finds %s', async (_, gradient) => {
  const x = tensor([
    [0.7, -0.4, 0.9, -0.8],
    [0.3, 0.6, -0.5, 1.2],
  ]);
  await expect(checkGradients(mistaken(gradient), [x])).rejects.toThrow(
    /^checkGradients: input 0 \[2, 4\], element \d: the gradient is \S+, the central difference \S+ \(/,
  );
  await expect(checkGradients(mistaken('2.0 * x * dy'), [x])).resolves.toBeUndefined();
});

test('names the input', async () => {
  const wrong = mistaken('dy * x');
  await expect(
    checkGradients((x, y) => mul(x, wrong(y)), [uniform([3], 1), uniform([3], 2)]),
  ).rejects.toThrow('checkGradients: input 1 [3]');
});

test('says when the output is no function of an input, or not of f32', async () => {
  await expect(checkGradients((x) => exp(x), [uniform([2], 1), uniform([2], 2)])).rejects.toThrow(
    "the loss doesn't depend on target 1",
  );
  await expect(checkGradients(() => tensor(new Int32Array(1)), [uniform([2], 1)])).rejects.toThrow(
    'checkGradients: expected a function with an f32 output, got i32',
  );
});

test('holds on to no memory, whether it passes or fails', async () => {
  const x = scope(() => uniform([2, 4], 9));
  const before = currentGpu().pool.liveBytes;
  await checkGradients((t) => exp(square(t)), [x]);
  await expect(checkGradients(mistaken('dy * x'), [x])).rejects.toThrow();
  expect(currentGpu().pool.liveBytes).toBe(before);
});
