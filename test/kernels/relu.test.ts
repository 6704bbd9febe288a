import { beforeAll, test } from 'vitest';
import { relu } from '../../src/kernels/relu.ts';
import { make } from '../reference/array64.ts';
import { relu as reference } from '../reference/relu.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';

beforeAll(testGpu);

test('matches the reference', async () => {
  for (const { random, label, shape, int } of draws('relu', 6)) {
    await checkOp({
      reference,
      op: ([x]) => relu(x),
      inputs: [random.uniform(shape(int(0, 4), 9000))],
      attrs: {},
      cotangent: random.uniform,
      label,
    });
  }
});

test('has no slope at 0', async () => {
  await checkOp({
    reference,
    op: ([x]) => relu(x),
    inputs: [make([3], [0, -0, 1])],
    attrs: {},
    cotangent: () => make([3], [5, 6, 7]),
    label: 'relu at 0',
  });
});
