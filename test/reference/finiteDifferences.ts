/**
 * The root of all trust in gradients: a reference's backward against central differences of its own forward.
 *
 * With a random cotangent c, S(inputs) = sum(c * forward(inputs)) is a scalar with the gradient backward(c):
 *   dS/dx_i = (S(x_i + h) - S(x_i - h)) / 2h + O(h^2).
 */

import { type Array64, createRandom, type Random } from './array64.ts';
import type { Reference } from './reference.ts';

/** Half the width of the difference: truncation (h^2) and rounding (1e-16 / h) are then both near 1e-10. */
const STEP = 1e-5;
/** Allowed error, relative to the gradient … */
const RELATIVE = 1e-6;
/** … plus this, for gradients near zero: inputs and cotangents are of order 1. */
const ABSOLUTE = 1e-8;

/** Inputs and attributes to check a reference with. */
export interface Case<Attrs> {
  inputs: Array64[];
  attrs: Attrs;
  /** Inputs whose gradient must be null; every other input must have one. */
  frozen?: number[];
}

/** Whether a gradient and its central difference agree. */
export function agrees(
  gradient: number,
  difference: number,
  relative = RELATIVE,
  absolute = ABSOLUTE,
): boolean {
  // Written so that NaN disagrees.
  const scale = Math.max(Math.abs(gradient), Math.abs(difference));
  return Math.abs(gradient - difference) <= relative * scale + absolute;
}

/** The central difference of `scalar` for one element of `array`, which is left as it was. */
export function centralDifference(
  array: Array64,
  element: number,
  scalar: () => number,
  step = STEP,
): number {
  const value = array.data[element];
  array.data[element] = value + step;
  const above = scalar();
  array.data[element] = value - step;
  const below = scalar();
  array.data[element] = value;
  return (above - below) / (2 * step);
}

/**
 * Compares every element of every gradient of `reference` with a central difference, once for each seed, and
 * throws an error that names the seed, the input and the element where they part.
 *
 * @param makeCase builds inputs and attributes from the seed's random data, away from kinks and ties
 */
export function checkReference<Attrs>(
  reference: Reference<Attrs>,
  makeCase: (random: Random) => Case<Attrs>,
  seeds: readonly number[] = [1, 2],
): void {
  for (const seed of seeds) {
    const random = createRandom(seed);
    const { inputs, attrs, frozen = [] } = makeCase(random);
    const before = inputs.map((input) => input.data.slice());
    const output = reference.forward(inputs, attrs);
    const cotangent = random.uniform(output.shape);
    const gradients = reference.backward(inputs, attrs, cotangent);
    const fail = (message: string): never => {
      throw new Error(
        `seed ${seed}, inputs ${inputs.map((input) => `[${input.shape}]`).join(' ')}: ${message}`,
      );
    };

    inputs.forEach((input, i) => {
      if (input.data.some((value, e) => !Object.is(value, before[i][e]))) fail(`input ${i} was changed`);
    });
    if (gradients.length !== inputs.length) fail(`${gradients.length} gradients for ${inputs.length} inputs`);

    const scalar = (): number => {
      const { data } = reference.forward(inputs, attrs);
      let sum = 0;
      for (let i = 0; i < data.length; i++) sum += data[i] * cotangent.data[i];
      return sum;
    };
    for (const [i, input] of inputs.entries()) {
      const gradient = gradients[i];
      if (frozen.includes(i)) {
        if (gradient !== null) fail(`input ${i} is frozen, but has a gradient`);
        continue;
      }
      if (gradient === null) {
        fail(`input ${i} has no gradient`);
        continue;
      }
      if (String(gradient.shape) !== String(input.shape) || gradient.data.length !== input.data.length) {
        fail(`the gradient of input ${i} has the shape [${gradient.shape}]`);
      }
      for (let e = 0; e < input.data.length; e++) {
        const difference = centralDifference(input, e, scalar);
        if (!agrees(gradient.data[e], difference)) {
          fail(
            `the gradient of input ${i}, element ${e}, is ${gradient.data[e]}, ` +
              `the central difference ${difference}`,
          );
        }
      }
    }
  }
}
