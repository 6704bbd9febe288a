import { expect } from 'vitest';
import { gradients } from '../../src/tensor/autograd.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import type { Array64 } from '../reference/array64.ts';
import type { Reference } from '../reference/reference.ts';
import { mul } from '../../src/kernels/binary.ts';
import { sum } from '../../src/kernels/reduce.ts';

export interface OpCase<A> {
  reference: Reference<A>;
  /** The op under test. */
  op: (inputs: Tensor[], attrs: A) => Tensor;
  inputs: Array64[];
  attrs: A;
  /** What the random output gradient is drawn from. */
  cotangent: (shape: readonly number[]) => Array64;
  /** Said in the failure message: how to see it again. */
  label: string;
}

/** Unit round-off of f32. */
const EPSILON = 2 ** -24;

/**
 * Holds an op's output and every gradient to its f64 reference. An f32 sum of n terms is off by about sqrt(n) round-offs of its
 * terms' size; 8 of those, at the scale of the largest value in the array, is the bound.
 */
export async function checkOp<A>({ reference, op, inputs, attrs, cotangent, label }: OpCase<A>): Promise<void> {
  // The reference computes from what the GPU is given: values rounded to f32.
  const rounded = inputs.map(({ shape, data }) => ({ shape, data: Float64Array.from(Float32Array.from(data)) }));
  const expected = reference.forward(rounded, attrs);
  const dyRaw = cotangent(expected.shape);
  const dy = { shape: dyRaw.shape, data: Float64Array.from(Float32Array.from(dyRaw.data)) };
  const expectedGradients = reference.backward(rounded, attrs, dy);
  const terms = reference.sumLength(rounded, attrs);

  const given = rounded.map(({ shape, data }) => tensor(Float32Array.from(data), shape));
  for (const [i, t] of given.entries()) t.requiresGrad = expectedGradients[i] !== null;
  const wanted = given.filter((t) => t.requiresGrad);
  const results = scope(() => {
    const output = op(given, attrs);
    const cotangentTensor = tensor(Float32Array.from(dy.data), dy.shape);
    const found = wanted.length > 0 ? gradients(sum(mul(output, cotangentTensor)), wanted) : [];
    return { output, found };
  });
  expect(results.output.shape, `${label}: shape`).toEqual(expected.shape);
  compare(await results.output.data(), expected, terms, `${label}: output`);
  let next = 0;
  for (const [i, expectedGradient] of expectedGradients.entries()) {
    if (!expectedGradient) continue;
    const gradient = results.found[next++];
    expect(gradient.shape, `${label}: shape of gradient ${i}`).toEqual(expectedGradient.shape);
    compare(await gradient.data(), expectedGradient, terms, `${label}: gradient ${i}`);
  }
  for (const t of [...given, results.output, ...results.found]) t.dispose();
}

/** @throws where a value is further from its reference than f32 sums of `terms` terms explain. */
export function compare(actual: ArrayLike<number>, expected: Array64, terms: number, label: string, factor = 8): void {
  const scale = expected.data.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const bound = factor * EPSILON * Math.sqrt(terms + 1) * Math.max(scale, 1e-30);
  expect(actual.length, `${label}: length`).toBe(expected.data.length);
  let worst = -1;
  for (let i = 0; i < actual.length; i++) {
    // Written so that NaN fails.
    if (!(Math.abs(actual[i] - expected.data[i]) <= bound)) if (worst < 0 || !(Math.abs(actual[i] - expected.data[i]) <= Math.abs(actual[worst] - expected.data[worst]))) worst = i;
  }
  if (worst >= 0) expect.fail(`${label}: element ${worst} is ${actual[worst]}, the reference says ${expected.data[worst]} (bound ${bound.toExponential(2)}, ${terms} terms)`);
}
