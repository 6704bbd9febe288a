import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { type SgdState, sgd } from './sgd.ts';

test('without momentum, a step down the gradient', () => {
  const attrs = { learningRate: 0.1, momentum: 0, nesterov: false };
  const { w } = sgd({ w: make([2], [1, 2]), v: zeros([2]) }, make([2], [10, -5]), attrs);
  expect([...w.data]).toEqual([0, 2.5]);
});

test('with momentum, a constant gradient gives a geometric velocity', () => {
  const [learningRate, momentum, gradient, steps] = [0.1, 0.9, 3, 25];
  let state: SgdState = { w: zeros([1]), v: zeros([1]) };
  let position = 0;
  for (let t = 1; t <= steps; t++) {
    state = sgd(state, make([1], [gradient]), { learningRate, momentum, nesterov: false });
    const velocity = (-learningRate * gradient * (1 - momentum ** t)) / (1 - momentum);
    position += velocity;
    expect(state.v.data[0]).toBeCloseTo(velocity, 12);
    expect(state.w.data[0]).toBeCloseTo(position, 12);
  }
});

test("nesterov follows the look-ahead point of Nesterov's own form", () => {
  // Sutskever et al. 2013: v' = mu v - lr f'(u + mu v), u' = u + v'. The stored weights are w = u + mu v.
  const [learningRate, momentum] = [0.05, 0.8];
  const slope = (x: number) => 2 * (x - 3) + 0.3 * x ** 3;
  let [u, v] = [-1, 0];
  let state: SgdState = { w: make([1], [u]), v: zeros([1]) };
  for (let t = 0; t < 30; t++) {
    v = momentum * v - learningRate * slope(u + momentum * v);
    u += v;
    state = sgd(state, make([1], [slope(state.w.data[0])]), { learningRate, momentum, nesterov: true });
    expect(state.v.data[0]).toBeCloseTo(v, 12);
    expect(state.w.data[0]).toBeCloseTo(u + momentum * v, 12);
  }
});

test.each([false, true])(
  "PyTorch's form takes Keras' steps while the rate stays, nesterov %s, and two steps worked by hand",
  (nesterov) => {
    const attrs = { learningRate: 0.05, momentum: 0.8, nesterov };
    const slope = (x: number) => 2 * (x - 3);
    let [keras, pytorch]: SgdState[] = [0, 1].map(() => ({ w: make([1], [-1]), v: zeros([1]) }));
    for (let t = 0; t < 30; t++) {
      keras = sgd(keras, make([1], [slope(keras.w.data[0])]), attrs);
      pytorch = sgd(pytorch, make([1], [slope(pytorch.w.data[0])]), { ...attrs, form: 'pytorch' });
      expect(pytorch.w.data[0]).toBeCloseTo(keras.w.data[0], 12);
    }
    // The velocity is 4, then 0.5 * 4 + 2 = 4: its steps are 0.1 * 4 and, at another rate, 1 * 4. With nesterov 0.1 * (4 + 0.5 * 4)
    // and 1 * (2 + 0.5 * 4).
    const given = { form: 'pytorch', momentum: 0.5, nesterov } as const;
    const first = sgd({ w: make([1], [10]), v: zeros([1]) }, make([1], [4]), { ...given, learningRate: 0.1 });
    const second = sgd(first, make([1], [2]), { ...given, learningRate: 1 });
    expect(first.w.data[0]).toBeCloseTo(nesterov ? 9.4 : 9.6, 12);
    expect(second.w.data[0]).toBeCloseTo(nesterov ? 5.4 : 5.6, 12);
  },
);

test('weight decay adds to the gradient', () => {
  const attrs = { learningRate: 0.1, momentum: 0, nesterov: false, weightDecay: 0.5 };
  expect(sgd({ w: make([1], [4]), v: zeros([1]) }, make([1], [3]), attrs).w.data[0]).toBeCloseTo(3.5, 12);
});
