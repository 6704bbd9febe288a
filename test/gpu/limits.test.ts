import { beforeAll, expect, test } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { biasAdd } from '../../src/kernels/biasAdd.ts';
import { add, mul } from '../../src/kernels/binary.ts';
import { concat } from '../../src/kernels/concat.ts';
import { dense } from '../../src/kernels/dense.ts';
import { l2 } from '../../src/kernels/l2.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';
import { max, sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import { reshape } from '../../src/kernels/reshape.ts';
import { slice } from '../../src/kernels/slice.ts';
import { SGD } from '../../src/nn/optimizers/index.ts';
import { Parameter } from '../../src/nn/parameter.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { full } from '../../src/tensor/create.ts';
import { launch, split } from '../../src/tensor/launch.ts';
import { scope } from '../../src/tensor/scope.ts';
import { empty, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

/*
 * Tensors beyond one binding (128 MiB) and grids beyond one dimension (65,535 workgroups), with values that an index decides and
 * elements read here and there.
 */

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

/** x[i] = (i mod 1009) - 504 */
const patternKernel = kernel({
  name: 'pattern',
  lanes: 64,
  write: { x: 'f32' },
  body: 'if (item < u.items) { x[item] = f32((u.first + item) % 1009u) - 504.0; }',
});
const pattern = (i: number) => (i % 1009) - 504;

function patterned(shape: number[]): Tensor {
  const x = empty(shape);
  launch(patternKernel, { x: split(x, 1) }, { items: x.size });
  return x;
}

/** Rows of two channels: 140 MB, more than a binding holds by default, in a chunk and a bit. */
const ROWS = 17_500_003;
const sampledRows = [0, 1, 63, 64, 4_194_240, 16_777_215, 16_777_216, 16_777_217, ROWS - 1];

async function rowsOf(x: Tensor, rows: readonly number[]): Promise<number[][]> {
  const parts = scope(() => rows.map((row) => slice(x, [row, 0], [1, 2])));
  const found = await Promise.all(parts.map((part) => part.data()));
  for (const part of parts) part.dispose();
  return found.map((values) => [...values]);
}

test('elementwise ops and their gradients on 140 MB', async () => {
  const [y, dx, dbias] = scope(() => {
    const x = variable(patterned([ROWS, 2]));
    const bias = variable(tensor([0.5, -1]));
    const y = biasAdd(relu(mul(x, tensor([2, 3]))), bias);
    const found = gradients(sum(y), [x, bias]);
    x.dispose();
    bias.dispose();
    return [y, ...found];
  });
  const expected = (f: (value: number, channel: number) => number) =>
    sampledRows.map((row) => [f(pattern(2 * row), 0), f(pattern(2 * row + 1), 1)]);
  expect(await rowsOf(y, sampledRows)).toEqual(
    expected((value, c) => Math.max(value * [2, 3][c], 0) + [0.5, -1][c]),
  );
  expect(await rowsOf(dx, sampledRows)).toEqual(expected((value, c) => (value > 0 ? [2, 3][c] : 0)));
  // A sum of ones is a whole number at every step: exact up to 2^24, and rounded by 1 at most in each addition beyond. The last pass
  // adds no more than 256 partial results.
  const roundings = Math.ceil(256 * (1 - 2 ** 24 / ROWS));
  const [first, second] = await dbias.data();
  expect(first).toBe(second);
  expect(Math.abs(first - ROWS)).toBeLessThanOrEqual(roundings);
  for (const t of [y, dx, dbias]) t.dispose();
});

test('reductions, slices and concatenation on 140 MB', async () => {
  const [columns, total, largest, part, joined] = scope(() => {
    const x = patterned([ROWS, 2]);
    const spike = full([1, 2], 1000);
    const joined = concat([x, spike], 0);
    return [
      sum(x, { axes: 0 }),
      sum(x),
      max(joined, { axes: 0 }),
      slice(reshape(x, [2 * ROWS]), [2 * 16_777_216 - 1], [3]),
      joined,
    ];
  });
  let [a, b] = [0, 0];
  for (let row = 0; row < ROWS; row++) {
    a += pattern(2 * row);
    b += pattern(2 * row + 1);
  }
  // Each value has a size of about 290; partial sums stay small, since the pattern's period sums to 0.
  const bound = 2 ** -24 * 290 * Math.sqrt(ROWS) * 8;
  const [first, second] = await columns.data();
  expect(Math.abs(first - a)).toBeLessThan(bound);
  expect(Math.abs(second - b)).toBeLessThan(bound);
  expect(Math.abs((await total.item()) - a - b)).toBeLessThan(2 * bound);
  expect([...(await largest.data())]).toEqual([1000, 1000]);
  expect([...(await part.data())]).toEqual([
    pattern(2 * 16_777_216 - 1),
    pattern(2 * 16_777_216),
    pattern(2 * 16_777_216 + 1),
  ]);
  expect(await rowsOf(joined, [0, ROWS - 1, ROWS])).toEqual([
    [pattern(0), pattern(1)],
    [pattern(2 * ROWS - 2), pattern(2 * ROWS - 1)],
    [1000, 1000],
  ]);
  for (const t of [columns, total, largest, part, joined]) t.dispose();
});

test('a grid of more than 65,535 workgroups', async () => {
  const n = 65_536 * 64 + 1;
  const y = scope(() => add(patterned([n]), 1));
  const last = scope(() => slice(y, [n - 2], [2]));
  expect([...(await last.data())]).toEqual([pattern(n - 2) + 1, pattern(n - 1) + 1]);
  y.dispose();
  last.dispose();
});

test('what no split helps is an error that names kernel, limit and size', async () => {
  const bytes = 4 * 2 * ROWS;
  if (gpu.limits.maxStorageBufferBindingSize >= bytes) return;
  const x = patterned([ROWS, 2]);
  expect(() => scope(() => launch(patternKernel, { x }, { items: 1 }))).toThrow(
    `kernel pattern: 'x' needs ${bytes} bytes in one binding, maxStorageBufferBindingSize is ${gpu.limits.maxStorageBufferBindingSize}`,
  );
  x.dispose();
  // The refusal leaves the device as it was.
  expect(await tensor(3).item()).toBe(3);
});

test("a weight's gradient whose operands are larger than a binding, and a product without a bias beside one", async () => {
  // Whole numbers, whose sums stay below 2^24: exact in any order.
  const [K, M, N] = [131_200, 256, 256];
  const [dw, y] = scope(() => {
    const ones = full([K, N], 1);
    return [matmul(patterned([K, M]), ones, { transposeA: true }), matmul(ones, full([N, 4], 0.5))];
  });
  const columns = new Float64Array(M);
  for (let i = 0; i < K * M; i++) columns[i % M] += pattern(i);
  const found = await dw.data();
  for (let m = 0; m < M; m++) for (const n of [0, 31, 32, N - 1]) expect(found[m * N + n]).toBe(columns[m]);
  const last = scope(() => slice(y, [K - 1, 0], [1, 4]));
  expect([...(await last.data())]).toEqual([128, 128, 128, 128]);
  for (const t of [dw, y, last]) t.dispose();
});

/** Weights of 134 MB, w[i, o] = (31 (4096 i + o) mod 11) - 5: whole numbers, exact in any order. */
const [INPUTS, UNITS] = [8200, 4096];
const weight = (i: number, o: number) => ((31 * (UNITS * i + o)) % 11) - 5;
const weights = () => Float32Array.from({ length: INPUTS * UNITS }, (_, at) => ((31 * at) % 11) - 5);
const sumOver = (length: number, term: (i: number) => number) => {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += term(i);
  return sum;
};

test.each(['tiled', 'subgroup'])(
  'a dense layer whose weights are larger than a binding, and its gradients: %s',
  async (variant) => {
    const rows = 3;
    const [xs, dys] = [INPUTS, UNITS].map((width) =>
      Float32Array.from({ length: rows * width }, (_, at) => (at % 7) - 3),
    );
    const [y, dx, dw] = scope(() => {
      const x = variable(tensor(xs, [rows, INPUTS]));
      const w = variable(tensor(weights(), [INPUTS, UNITS]));
      const y = dense(x, w, full([UNITS], 2), { variant });
      const found = gradients(sum(mul(y, tensor(dys, [rows, UNITS]))), [x, w]);
      for (const used of [x, w]) used.dispose();
      return [y, ...found];
    });
    const [outputs, ofX, ofW] = await Promise.all([y, dx, dw].map((t) => t.data()));
    for (let n = 0; n < rows; n++) {
      for (const o of [0, 63, 64, UNITS - 1])
        expect(outputs[n * UNITS + o]).toBe(2 + sumOver(INPUTS, (i) => xs[n * INPUTS + i] * weight(i, o)));
      for (const i of [0, 4096, 8191, INPUTS - 1])
        expect(ofX[n * INPUTS + i]).toBe(sumOver(UNITS, (o) => dys[n * UNITS + o] * weight(i, o)));
    }
    for (const i of [0, 8191, 8192, INPUTS - 1])
      for (const o of [0, 65, UNITS - 1])
        expect(ofW[i * UNITS + o]).toBe(sumOver(rows, (n) => xs[n * INPUTS + i] * dys[n * UNITS + o]));
    for (const t of [y, dx, dw]) t.dispose();
  },
);

test('a dense layer of so many units that 64 rows of its weights pass a binding, and its gradients', async () => {
  // Whole numbers, whose sums stay below 2^24: exact in any order.
  const [rows, inputs, units] = [2, 64, 600_000];
  const xs = Float32Array.from({ length: rows * inputs }, (_, at) => (at % 7) - 3);
  const factor = (n: number, o: number) => ((n + o) % 3) - 1;
  const [outputs, ofX, ofW] = scope(() => {
    const x = variable(tensor(xs, [rows, inputs]));
    const w = variable(patterned([inputs, units]));
    const bias = patterned([units]);
    const factors = Float32Array.from({ length: rows * units }, (_, at) =>
      factor(Math.floor(at / units), at % units),
    );
    const y = dense(x, w, bias);
    const found = gradients(sum(mul(y, tensor(factors, [rows, units]))), [x, w]);
    for (const used of [x, w]) used.dispose();
    return [y, ...found];
  });
  const [y, dx] = await Promise.all([outputs.data(), ofX.data()]);
  const ofWAt = async (i: number, o: number) => {
    const part = scope(() => slice(ofW, [i, o], [1, 1]));
    return part.item().finally(() => part.dispose());
  };
  for (let n = 0; n < rows; n++) {
    for (const o of [0, 63, 64, 524_287, 524_288, units - 1])
      expect(y[n * units + o]).toBe(
        pattern(o) + sumOver(inputs, (i) => xs[n * inputs + i] * pattern(i * units + o)),
      );
    for (const i of [0, 1, inputs - 1])
      expect(dx[n * inputs + i]).toBe(sumOver(units, (o) => factor(n, o) * pattern(i * units + o)));
  }
  for (const i of [0, inputs - 1])
    for (const o of [0, 65, units - 1])
      expect(await ofWAt(i, o)).toBe(sumOver(rows, (n) => xs[n * inputs + i] * factor(n, o)));
  for (const t of [outputs, ofX, ofW]) t.dispose();
});

test("a product of transposed operands, 64 of the first one's rows of which pass a binding", async () => {
  const [terms, rows] = [64, 524_352];
  const y = scope(() =>
    matmul(patterned([terms, rows]), full([1, terms], 1), { transposeA: true, transposeB: true }),
  );
  const found = await y.data();
  for (const m of [0, 63, 524_287, 524_288, rows - 1])
    expect(found[m]).toBe(sumOver(terms, (k) => pattern(k * rows + m)));
  y.dispose();
});

test('an optimizer, an L2 penalty and clipping on weights that are larger than a binding', async () => {
  const owner = { name: 'layer', seed: 0, trainable: true };
  const parameter = new Parameter(owner, 'w', [INPUTS, UNITS], { initializer: 'zeros' });
  parameter.set(weights());
  // The gradient of the penalty is 2 * 0.5 * w; of its norm, half is left.
  const squares = weights().reduce((total, value) => total + value * value, 0);
  const optimizer = new SGD({ learningRate: 1, momentum: 0.9, globalClipNorm: Math.sqrt(squares) / 2 });
  optimizer.minimize(() => l2(parameter.tensor, 0.5), [parameter]);
  const found = await parameter.data();
  for (const at of [0, 1, 33_554_432, 33_554_433, INPUTS * UNITS - 1]) {
    const before = ((31 * at) % 11) - 5;
    expect(found[at]).toBeCloseTo(before / 2, 4);
  }
  for (const used of [optimizer, parameter]) used.dispose();
});
