import { beforeAll, describe, expect, test } from 'vitest';
import { add, mul, sub } from '../../src/kernels/binary.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import { reshape } from '../../src/kernels/reshape.ts';
import { square } from '../../src/kernels/unary.ts';
import { defineOp, gradients, noGrad, variable } from '../../src/tensor/autograd.ts';
import { full } from '../../src/tensor/create.ts';
import { scope } from '../../src/tensor/scope.ts';
import { empty, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

beforeAll(testGpu);

const values = async (t: Tensor) => [...(await t.data())];

describe('gradients', () => {
  test('a diamond sums what its branches give', async () => {
    // loss = sum(u * v), u = x^2, v = x + u: d loss/dx = 2x (v + u) + u = 4x^3 + 3x^2
    const x = variable(tensor([1, 2, -3]));
    const [dx] = scope(() => {
      const u = square(x);
      return gradients(sum(mul(u, add(x, u))), [x]);
    });
    expect(await values(dx)).toEqual([7, 44, -81]);
  });

  test('a chain of diamonds costs one backward pass each', async () => {
    // Without a topological order the passes would double with every link: 2^40.
    let passes = 0;
    const twice = defineOp({
      name: 'twice',
      shape: ([a]) => a,
      forward: ({ output }) => fillOne(output),
      backward: ({ gradient }) => {
        passes++;
        return [gradient, gradient];
      },
    });
    const x = variable(tensor([1]));
    const [dx] = scope(() => {
      let y: Tensor = x;
      for (let i = 0; i < 40; i++) y = twice([y, y], undefined);
      return gradients(y, [x]);
    });
    expect(passes).toBe(40);
    expect(await dx.item()).toBe(2 ** 40);
  });

  test('gradients of several paths are summed in a fixed order: newest first', async () => {
    // 1e8 + 1 - 1e8 is 0 in f32, in the other order it is 1.
    const x = variable(tensor([1]));
    const [dx] = scope(() => {
      const [a, b, c] = [mul(x, -1e8), mul(x, 1), mul(x, 1e8)];
      return gradients(sum(add(add(a, b), c)), [x]);
    });
    expect(await dx.item()).toBe(0);
    const [dy] = scope(() => {
      const [b, a, c] = [mul(x, 1), mul(x, -1e8), mul(x, 1e8)];
      return gradients(sum(add(add(a, b), c)), [x]);
    });
    expect(await dy.item()).toBe(1);
  });

  test('of several targets, tensors in between included', async () => {
    const a = variable(tensor([2]));
    const b = variable(tensor([5]));
    const [da, db] = scope(() => gradients(sub(mul(a, b), a), [a, b]));
    expect([await da.item(), await db.item()]).toEqual([4, 2]);
  });

  test('a target that is the loss itself has gradient 1', async () => {
    const x = variable(tensor([3]));
    const [dx] = gradients(x, [x]);
    expect(await dx.item()).toBe(1);
  });

  test('the same target twice', async () => {
    const x = variable(tensor([3]));
    const [one, two] = scope(() => gradients(square(x), [x, x]));
    expect([await one.item(), await two.item()]).toEqual([6, 6]);
  });

  test('one gradient that is handed to two inputs is not summed into itself', async () => {
    // add gives its own gradient to both sides; each side then adds to it.
    const a = variable(tensor([1, 1]));
    const b = variable(tensor([1, 1]));
    const [da, db] = scope(() => gradients(sum(add(add(a, b), mul(a, 10))), [a, b]));
    expect([await values(da), await values(db)]).toEqual([
      [11, 11],
      [1, 1],
    ]);
  });

  test('a second pass over the same tape is an error', () => {
    const x = variable(tensor([1, 2]));
    const loss = scope(() => sum(square(x)));
    gradients(loss, [x]);
    expect(() => gradients(loss, [x])).toThrow(
      "gradients() ran through 'sum' a second time: the first pass freed what it needs; compute the output again",
    );
    loss.dispose();
  });

  test('names a target that the loss does not depend on', () => {
    const x = variable(tensor([1]));
    const y = variable(tensor([[1, 2]]));
    expect(() => scope(() => gradients(square(x), [x, y]))).toThrow(
      "gradients: the loss doesn't depend on target 1 (shape [1, 2]), or it doesn't require a gradient",
    );
    const constant = tensor([1]);
    expect(() => scope(() => gradients(mul(x, constant), [constant]))).toThrow("doesn't depend on target 0");
  });

  test('takes a loss of one element, whatever its rank', async () => {
    const x = variable(tensor([[3]]));
    expect(await values(scope(() => gradients(square(x), [x]))[0])).toEqual([6]);
    const y = variable(tensor([1, 2]));
    expect(() => gradients(square(y), [y])).toThrow('gradients: expected a loss of one element, got [2]');
  });

  test('leave no memory behind', async () => {
    const gpu = await testGpu();
    const x = variable(tensor(new Float32Array(500).fill(1)));
    const before = gpu.pool.liveBytes;
    for (const g of scope(() => gradients(sum(mul(relu(x), square(x))), [x]))) g.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
    expect(() => scope(() => gradients(sum(mul(relu(x), square(x))), [x, tensor([1])]))).toThrow();
    expect(gpu.pool.liveBytes).toBe(before);
  });
});

describe('noGrad', () => {
  test('keeps no tape', () => {
    const x = variable(tensor([1]));
    const y = noGrad(() => square(x));
    expect(y.node).toBeUndefined();
    expect(() => gradients(y, [x])).toThrow("doesn't depend on target 0");
    expect(square(x).node).toBeDefined();
  });

  test('ends when its function throws', () => {
    const x = variable(tensor([1]));
    expect(() =>
      noGrad(() => {
        throw new Error('on purpose');
      }),
    ).toThrow('on purpose');
    expect(square(x).node).toBeDefined();
  });

  test('cuts a path out of the gradient', async () => {
    const x = variable(tensor([3]));
    const [dx] = scope(() => {
      const constant = noGrad(() => square(x));
      return gradients(mul(x, constant), [x]);
    });
    expect(await dx.item()).toBe(9);
  });
});

const fillOne = (output: Tensor) => {
  const one = full(output.shape, 1);
  output.storage.gpu.copy(one.storage.buffer, output.storage.buffer, output.size * 4);
};

describe('defineOp', () => {
  test('says which gradients are needed', () => {
    const seen: boolean[][] = [];
    const op = defineOp({
      name: 'spy',
      shape: ([a]) => a,
      forward: ({ needs, output }) => {
        seen.push([...needs]);
        fillOne(output);
      },
      backward: ({ gradient }) => [gradient, null],
    });
    const [x, c] = [variable(tensor([1])), tensor([2])];
    op([x, c], undefined);
    op([c, square(x)], undefined);
    noGrad(() => op([x, x], undefined));
    expect(seen).toEqual([
      [true, false],
      [false, true],
      [false, false],
    ]);
  });

  test('refuses a gradient of another shape than its input', () => {
    const op = defineOp({
      name: 'wrong',
      shape: () => [],
      forward: ({ output }) => fillOne(output),
      backward: () => [empty([2])],
    });
    const x = variable(tensor([1, 2, 3]));
    expect(() => scope(() => gradients(op([x], undefined), [x]))).toThrow(
      'gradient of wrong: expected [3], got [2]',
    );
  });

  test('frees what a failed forward pass made', async () => {
    const gpu = await testGpu();
    const x = variable(tensor([1, 2, 3]));
    const before = gpu.pool.liveBytes;
    const op = defineOp({
      name: 'failing',
      shape: ([a]) => a,
      forward: ({ save, inputs: [a] }) => {
        save(a, empty([1000]));
        throw new Error('on purpose');
      },
      backward: () => [null],
    });
    expect(() => op([x], undefined)).toThrow('on purpose');
    expect(gpu.pool.liveBytes).toBe(before);
  });

  test('frees what a failed backward pass was given', async () => {
    const gpu = await testGpu();
    const x = variable(tensor([1, 2, 3]));
    const op = defineOp({
      name: 'failing-backward',
      shape: ([a]) => a,
      forward: ({ inputs: [a], output }) => gpu.copy(a.storage.buffer, output.storage.buffer, 12),
      backward: () => {
        throw new Error('on purpose');
      },
    });
    const before = gpu.pool.liveBytes;
    expect(() => scope(() => gradients(sum(op([x], undefined)), [x]))).toThrow('on purpose');
    expect(gpu.pool.liveBytes).toBe(before);
    expect(() => scope(() => gradients(sum(mul(op([x], undefined), x)), [x]))).toThrow('on purpose');
    expect(gpu.pool.liveBytes).toBe(before);
  });

  test('an op without a forward pass is a view', async () => {
    const x = variable(tensor([1, 2, 3, 4]));
    const [dx] = scope(() => {
      const y = reshape(x, [2, 2]);
      expect(y.storage).toBe(x.storage);
      return gradients(
        sum(
          mul(
            y,
            tensor([
              [1, 2],
              [3, 4],
            ]),
          ),
        ),
        [x],
      );
    });
    expect([dx.shape, await values(dx)]).toEqual([[4], [1, 2, 3, 4]]);
  });
});
