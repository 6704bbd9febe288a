import { beforeAll, expect, test } from 'vitest';
import { biasAdd } from '../../src/kernels/biasAdd.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { biasAdd as reference } from '../reference/biasAdd.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';

beforeAll(testGpu);

test('matches the reference', async () => {
  for (const { random, label, shape, int } of draws('biasAdd', 8)) {
    const x = random.uniform(shape(int(1, 4), 9000));
    const bias = random.uniform([x.shape[x.shape.length - 1]]);
    await checkOp({
      reference,
      op: ([a, b]) => biasAdd(a, b),
      inputs: [x, bias],
      attrs: {},
      cotangent: random.uniform,
      label,
    });
  }
});

test('refuses a bias of another size', () => {
  expect(() => biasAdd(tensor([[1, 2]]), tensor([1]))).toThrow(
    'biasAdd: expected a bias of shape [2], got [1]',
  );
  expect(() => biasAdd(tensor(1), tensor([1]))).toThrow('biasAdd: expected x of at least one axis, got []');
});
