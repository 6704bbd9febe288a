import { expect, test } from 'vitest';
import { logSoftmax, softmax } from '../../src/kernels/softmax.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom } from '../reference/array64.ts';
import { logSoftmax as logReference } from '../reference/logSoftmax.ts';
import { softmax as reference } from '../reference/softmax.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

// WGSL lets exp(x) be off by 3 + 2 |x| units in the last place, two round-offs each; |x| is at most 6 here.
const EXP_ROUND_OFFS = 2 * (3 + 2 * 6);

const upload = ({ data, shape }: Array64): Tensor => tensor(Float32Array.from(data), shape);
const ops = { softmax: { op: softmax, reference }, logSoftmax: { op: logSoftmax, reference: logReference } };

test.each(['softmax', 'logSoftmax'] as const)(
  '%s matches the reference on random shapes, forward and gradient',
  async (name) => {
    const random = createRandom(seed);
    const K = () => 2 + random.integers(1, 60)[0];
    for (const shape of [[K()], [1, K()], [5, K()], [3, 2, K()], [2, 1, 4, K()], [513, 10], [7, 1000]]) {
      await checkOp({
        reference: ops[name].reference,
        op: ([x]) => ops[name].op(x),
        inputs: [random.uniform(shape, -3, 3)],
        attrs: {},
        cotangent: random.uniform,
        label: `${name}, ${again}`,
        factor: EXP_ROUND_OFFS,
      });
    }
  },
);

test('one class has probability 1', async () => {
  const x = tensor([[-3], [0], [88]]);
  x.requiresGrad = true;
  const y = softmax(x);
  const log = logSoftmax(x);
  expect([...(await y.data())]).toEqual([1, 1, 1]);
  expect([...(await log.data())].map(Math.abs)).toEqual([0, 0, 0]);
  for (const output of [y, log]) {
    const [dx] = output.node!.run(tensor([[1], [-2], [3]])) as Tensor[];
    expect([...(await dx.data())].map(Math.abs)).toEqual([0, 0, 0]);
  }
});

test('large scores neither overflow nor lose the small probabilities', async () => {
  const x = tensor([
    [10_000, 9_990, -10_000],
    [-3e38, -3e38, -3e38],
  ]);
  const p = await softmax(x).data();
  const log = await logSoftmax(x).data();
  expect(p[1] / Math.exp(-10)).toBeCloseTo(1, 4);
  expect(p[2]).toBe(0);
  expect(log[0] / -Math.log1p(Math.exp(-10))).toBeCloseTo(1, 4);
  for (const value of p.slice(3)) expect(value).toBeCloseTo(1 / 3, 6);
  expect(log[1]).toBeCloseTo(-10, 3);
  expect(log[2]).toBe(-20_000);
});

test('split launches give the bits of whole ones, and so do two runs', async () => {
  const random = createRandom(seed);
  const x = random.uniform([1000, 11]);
  const dy = random.uniform([1000, 11]);
  const run = () =>
    [softmax, logSoftmax].flatMap((op) => {
      const given = upload(x);
      given.requiresGrad = true;
      const y = op(given);
      return [y, y.node!.run(upload(dy))[0] as Tensor];
    });
  await expectSplitLikeWhole(gpu, 8192, run, again);
  expectSameBits(await allBits(run()), await allBits(run()), again);
});

test('wrong inputs are named', () => {
  expect(() => softmax(tensor(1))).toThrow(/softmax: expected x with an axis of classes, got a scalar/);
  expect(() => logSoftmax(tensor(new Int32Array(3)))).toThrow(/logSoftmax: expected x f32, got i32 \[3\]/);
});
