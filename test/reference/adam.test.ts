import { expect, test } from 'vitest';
import { type AdamState, adam } from './adam.ts';
import { make, zeros } from './array64.ts';

const constants = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };

test('under a constant gradient both moments and the step have a closed form', () => {
  const gradients = [2, -0.5, 1e-4];
  const g = make([3], gradients);
  let state: AdamState = { w: zeros([3]), m: zeros([3]), v: zeros([3]) };
  const position = [0, 0, 0];
  for (let step = 1; step <= 20; step++) {
    state = adam(state, g, { ...constants, step });
    const correction = Math.sqrt(1 - 0.999 ** step);
    gradients.forEach((gradient, i) => {
      expect(state.m.data[i]).toBeCloseTo(gradient * (1 - 0.9 ** step), 12);
      expect(state.v.data[i]).toBeCloseTo(gradient ** 2 * (1 - 0.999 ** step), 12);
      // The factors 1 - b1^t cancel; epsilon stands beside sqrt(v), which is not corrected.
      position[i] -= (0.01 * correction * gradient) / (Math.abs(gradient) * correction + 1e-7);
      expect(state.w.data[i]).toBeCloseTo(position[i], 12);
    });
  }
});

test('two steps worked by hand', () => {
  const attrs = { learningRate: 1, beta1: 0.5, beta2: 0.75, epsilon: 0.5 };
  const first = adam({ w: make([1], [10]), m: zeros([1]), v: zeros([1]) }, make([1], [4]), {
    ...attrs,
    step: 1,
  });
  // m = 2, v = 4; rate = sqrt(1/4) / (1/2) = 1; step 2 / (2 + 0.5) = 0.8.
  expect([first.m.data[0], first.v.data[0], first.w.data[0]]).toEqual([2, 4, expect.closeTo(9.2, 12)]);
  const second = adam(first, make([1], [-2]), { ...attrs, step: 2 });
  // m = 0, so w stays; v = 3 + 1.
  expect([second.m.data[0], second.v.data[0], second.w.data[0]]).toEqual([0, 4, first.w.data[0]]);
});

test("PyTorch's form corrects the moment under epsilon, too", () => {
  // Under a constant gradient both corrected moments are those of the gradient itself.
  const g = make([1], [1e-3]);
  let state: AdamState = { w: zeros([1]), m: zeros([1]), v: zeros([1]) };
  for (let step = 1; step <= 5; step++) {
    state = adam(state, g, { ...constants, form: 'pytorch', epsilon: 1e-3, step });
    expect(state.w.data[0]).toBeCloseTo(-step * 0.01 * 0.5, 12);
  }
});

test('coupled weight decay passes through the moments, decoupled does not', () => {
  const start = { w: make([1], [10]), m: zeros([1]), v: zeros([1]) };
  const attrs = { learningRate: 0.1, beta1: 0.5, beta2: 0.75, epsilon: 0, step: 1 };
  const coupled = adam(start, make([1], [1]), { ...attrs, weightDecay: 0.3 });
  // The gradient is 1 + 3; a first step has the size of the rate whatever the gradient.
  expect([coupled.m.data[0], coupled.v.data[0]]).toEqual([2, 4]);
  expect(coupled.w.data[0]).toBeCloseTo(9.9, 12);
  const decoupled = adam(start, make([1], [1]), { ...attrs, decoupledWeightDecay: 0.3 });
  expect([decoupled.m.data[0], decoupled.v.data[0]]).toEqual([0.5, 0.25]);
  expect(decoupled.w.data[0]).toBeCloseTo(10 - 0.3 - 0.1, 12);
});
