import { expect } from 'vitest';
import { mul } from '../../src/kernels/binary.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import type { Array64 } from '../reference/array64.ts';
import type { Reference } from '../reference/reference.ts';

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
  /** Whether NaN may come out where the reference has numbers, as it does of fast algorithms that mix more inputs. */
  spreads?: boolean;
  /** Size of the terms of a gradient that may cancel, where the signs of the inputs don't tell: of a difference within the op. */
  gradientTerms?: number;
  /** Round-offs that are allowed, in root-mean-square ones of a sum; default 8. Say where more are needed, and why. */
  factor?: number;
}

/** Unit round-off of f32. */
const EPSILON = 2 ** -24;

const asF32 = ({ shape, data }: Array64): Array64 => ({
  shape,
  data: Float64Array.from(Float32Array.from(data)),
});
const absolute = ({ shape, data }: Array64): Array64 => ({ shape, data: data.map(Math.abs) });
const largest = ({ data }: Array64): number =>
  data.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0);

/** What the GPU is given. Every other NaN is negative, as those that x86 processors make. */
function given({ data }: Array64): Float32Array {
  const values = Float32Array.from(data);
  const bits = new Uint32Array(values.buffer);
  values.forEach((value, at) => {
    if (Number.isNaN(value)) bits[at] = at % 2 ? 0xffc00000 : 0x7fc00000;
  });
  return values;
}

/**
 * Holds an op's output and every gradient to its f64 reference. An f32 sum of n terms is off by about sqrt(n) round-offs of its
 * terms' size; 8 of those, at the scale of the largest value in the array, is the bound.
 */
export async function checkOp<A>({
  reference,
  op,
  inputs,
  attrs,
  cotangent,
  label,
  spreads,
  gradientTerms = 0,
  factor = 8,
}: OpCase<A>): Promise<void> {
  // The reference computes from what the GPU is given: values rounded to f32.
  const rounded = inputs.map(asF32);
  const expected = reference.forward(rounded, attrs);
  const dy = asF32(cotangent(expected.shape));
  const expectedGradients = reference.backward(rounded, attrs, dy);
  const terms = reference.sumLength(rounded, attrs);
  const where = `${label}, inputs ${inputs.map(({ shape }) => `[${shape}]`).join(' ')} ${JSON.stringify(attrs)}`;

  // In an array of few values each may have come out small because its terms cancel. Their typical size is that of the sum of their
  // absolute values over sqrt(n).
  const positive = rounded.map(absolute);
  const few = [expected, ...expectedGradients].some((array) => array && array.data.length < 64);
  const typicalOutput = few ? largest(reference.forward(positive, attrs)) / Math.sqrt(terms) : 0;
  const typicalGradients = few ? reference.backward(positive, attrs, absolute(dy)) : [];

  const tensors = rounded.map((input) => tensor(given(input), input.shape));
  for (const [i, t] of tensors.entries()) t.requiresGrad = expectedGradients[i] !== null;
  const wanted = tensors.filter((t) => t.requiresGrad);
  const results = scope(() => {
    const output = op(tensors, attrs);
    const cotangentTensor = tensor(Float32Array.from(dy.data), dy.shape);
    const found = wanted.length > 0 ? gradients(sum(mul(output, cotangentTensor)), wanted) : [];
    return { output, found };
  });
  expect(results.output.shape, `${where}: shape`).toEqual(expected.shape);
  compare(await results.output.data(), expected, terms, `${where}: output`, factor, typicalOutput, spreads);
  let next = 0;
  for (const [i, expectedGradient] of expectedGradients.entries()) {
    if (!expectedGradient) continue;
    const gradient = results.found[next++];
    const summed = typicalGradients[i] ? largest(typicalGradients[i]) / Math.sqrt(terms) : 0;
    const typical = Math.max(summed, gradientTerms);
    expect(gradient.shape, `${where}: shape of gradient ${i}`).toEqual(expectedGradient.shape);
    compare(
      await gradient.data(),
      expectedGradient,
      terms,
      `${where}: gradient ${i}`,
      factor,
      typical,
      spreads,
    );
  }
  for (const t of [...tensors, results.output, ...results.found]) t.dispose();
}

/**
 * @param factor round-offs that are allowed, in root-mean-square ones of a sum
 * @param typical the size of the values, where their own largest may be small by chance
 * @param spreads whether NaN may stand where the reference has a number
 * @throws where a value is further from its reference than f32 sums of `terms` terms explain, and where only one of them is NaN.
 */
export function compare(
  actual: ArrayLike<number>,
  expected: Array64,
  terms: number,
  label: string,
  factor = 8,
  typical = 0,
  spreads = false,
): void {
  const bound = factor * EPSILON * Math.sqrt(terms + 1) * Math.max(largest(expected), typical, 1e-30);
  expect(actual.length, `${label}: length`).toBe(expected.data.length);
  let worst = -1;
  let worstError = bound;
  for (let i = 0; i < actual.length; i++) {
    if (Number.isNaN(actual[i]) && (spreads || Number.isNaN(expected.data[i]))) continue;
    const error = Math.abs(actual[i] - expected.data[i]);
    // Written so that NaN fails.
    if (!(error <= worstError)) {
      worst = i;
      worstError = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
    }
  }
  if (worst >= 0)
    expect.fail(
      `${label}: element ${worst} is ${actual[worst]}, the reference says ${expected.data[worst]} (bound ${bound.toExponential(2)}, ${terms} terms)`,
    );
}
