import { expect, test } from 'vitest';
import { type Array64, make, type Random, zeros } from './array64.ts';
import { dense } from './dense.ts';
import { agrees, checkReference } from './finiteDifferences.ts';
import type { NoAttrs, Reference } from './reference.ts';

const makeCase = (random: Random) => ({
  inputs: [random.uniform([3, 4]), random.uniform([4, 2]), random.uniform([2])],
  attrs: {},
});

/** `dense` with its gradients changed. */
function mutant(change: (gradients: Array64[]) => (Array64 | null)[]): Reference<NoAttrs> {
  return {
    ...dense,
    backward: (inputs, attrs, g) => change(dense.backward(inputs, attrs, g) as Array64[]),
  };
}

function scaled(x: Array64, factor: number): Array64 {
  return { shape: x.shape, data: x.data.map((value) => factor * value) };
}

test('a right gradient passes', () => {
  checkReference(dense, makeCase);
});

for (const input of [0, 1, 2]) {
  const replaced = (change: (gradient: Array64) => Array64 | null) =>
    mutant((gradients) => gradients.map((gradient, i) => (i === input ? change(gradient) : gradient)));

  test(`wrong gradients of input ${input} fail, with the seed in the message`, () => {
    const message = new RegExp(
      `^seed 7, inputs \\[3,4\\] \\[4,2\\] \\[2\\]: the gradient of input ${input}, `,
    );
    const wrong: Record<string, (gradient: Array64) => Array64 | null> = {
      'scaled by 1.0001': (gradient) => scaled(gradient, 1.0001),
      'sign flipped': (gradient) => scaled(gradient, -1),
      zero: (gradient) => zeros(gradient.shape),
      'NaN in the last element': (gradient) => make(gradient.shape, gradient.data.with(-1, Number.NaN)),
      reversed: (gradient) => make(gradient.shape, gradient.data.toReversed()),
    };
    for (const [name, change] of Object.entries(wrong)) {
      expect(() => checkReference(replaced(change), makeCase, [7]), name).toThrow(message);
    }
  });

  test(`a gradient of input ${input} that is missing, out of shape or not wanted fails`, () => {
    expect(() =>
      checkReference(
        replaced(() => null),
        makeCase,
      ),
    ).toThrow(`input ${input} has no gradient`);
    expect(() =>
      checkReference(
        replaced(() => zeros([5])),
        makeCase,
      ),
    ).toThrow(`the gradient of input ${input} has the shape [5]`);
    const frozen = (random: Random) => ({ ...makeCase(random), frozen: [input] });
    expect(() => checkReference(dense, frozen)).toThrow(`input ${input} is frozen, but has a gradient`);
    checkReference(
      replaced(() => null),
      frozen,
    );
  });
}

test('too few gradients fail', () => {
  const reference = mutant((gradients) => gradients.slice(1));
  expect(() => checkReference(reference, makeCase)).toThrow('2 gradients for 3 inputs');
});

test('an op that changes its input fails', () => {
  const reference: Reference<NoAttrs> = {
    ...dense,
    forward(inputs, attrs) {
      const output = dense.forward(inputs, attrs);
      inputs[0].data[0] += 1;
      return output;
    },
  };
  expect(() => checkReference(reference, makeCase)).toThrow('input 0 was changed');
});

test('agreement is relative, with a floor for gradients near zero', () => {
  expect(agrees(100, 100.00005)).toBe(true);
  expect(agrees(100, 100.0002)).toBe(false);
  expect(agrees(0, 5e-9)).toBe(true);
  expect(agrees(0, 5e-8)).toBe(false);
  expect(agrees(Number.NaN, Number.NaN)).toBe(false);
});
