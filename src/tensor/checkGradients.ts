import { ShapeError, WeftError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { defineOp, gradients, noGrad } from './autograd.ts';
import { launch, split } from './launch.ts';
import { RandomStream } from './random.ts';
import { keep, scope } from './scope.ts';
import { showShape } from './shape.ts';
import { empty, type Tensor, tensor } from './tensor.ts';

/*
 * With a random cotangent c, S(x) = sum(c * fn(x)) is a scalar, and for every element of every input
 *   dS/dx = (S(x + h) - S(x - h)) / 2h + O(h^2)
 * fn runs on the GPU in f32; the outputs' differences are summed on the CPU in f64, so that they keep what digits they have.
 */

/** How finely and how strictly gradients are checked. */
export interface CheckGradientsOptions {
  /** h for elements up to 1 in size, h * |x| for larger ones. Default 1/256: truncation and rounding errors are then alike. */
  step?: number;
  /** Allowed difference, relative to the largest gradient of the input that was met. Default 0.01. */
  tolerance?: number;
  /** Decides cotangent and sampled elements. Default 1. */
  seed?: number;
  /** Elements that are checked of each input, at most. Default 16. */
  samples?: number;
}

const weightedSumKernel = kernel({
  name: 'weighted-sum',
  lanes: 1,
  read: { x: 'f32', weights: 'f32' },
  write: { y: 'f32' },
  uniforms: { length: 'u32' },
  body: `
    var s = 0.0;
    for (var i = 0u; i < u.length; i++) { s += x[i] * weights[i]; }
    y[0] = s;`,
});

const weightedSumGradientKernel = kernel({
  name: 'weighted-sum-gradient',
  lanes: 64,
  read: { dy: 'f32', weights: 'f32' },
  write: { dx: 'f32' },
  body: 'if (item < u.items) { dx[item] = dy[0] * weights[item]; }',
});

/** sum(x * weights): the scalar that gradients are taken of. */
const weightedSum = defineOp({
  name: 'weighted-sum',
  shape: () => [],
  forward({ inputs: [x, weights], output: y, save }) {
    launch(weightedSumKernel, { x, weights, y }, { items: 1, uniforms: { length: x.size } });
    save(weights);
  },
  backward({ gradient: dy, saved: [weights] }) {
    const dx = empty(weights.shape);
    launch(
      weightedSumGradientKernel,
      { dy, weights: split(weights, 1), dx: split(dx, 1) },
      { items: dx.size },
    );
    return [dx, null];
  },
});

/** Unit round-off of f32. */
const EPSILON = 2 ** -24;
/** Round-offs that an output may be off by: WGSL grants its functions a few, and sums add theirs. */
const ROUND_OFFS = 16;

/**
 * Checks the gradients that `fn`'s backward passes give against central differences of its forward pass: for ops of your own. Keep
 * inputs away from kinks (0 for `relu`, ties for `max`) by more than the step, and random draws out of `fn`.
 *
 * @param fn a function of the inputs that is made of ops; its output may have any shape
 * @param inputs the f32 ones are checked, others are passed on
 * @throws WeftError naming the input, the element, the gradient and the central difference where they part
 * @example
 * ```ts
 * import { checkGradients, mul, tensor, tanh } from 'weft-gpu';
 *
 * await checkGradients((x, y) => mul(tanh(x), y), [tensor([0.5, -1]), tensor([2, 3])]);
 * ```
 */
export async function checkGradients(
  fn: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  { step = 1 / 256, tolerance = 0.01, seed = 1, samples = 16 }: CheckGradientsOptions = {},
): Promise<void> {
  const checked = inputs.flatMap((input, i) => (input.dtype === 'f32' ? [i] : []));
  const random = new RandomStream(seed, 'checkGradients');
  let cotangent = new Float32Array();

  const [output, ...found] = scope(() => {
    const variables = inputs.map((input) => input.alias());
    for (const i of checked) variables[i].requiresGrad = true;
    const y = fn(...variables);
    if (y.dtype !== 'f32') throw new ShapeError('checkGradients', 'a function with an f32 output', y.dtype);
    cotangent = random.uniform(y.size).map((value) => 2 * value - 1);
    const loss = weightedSum([y, tensor(cotangent, y.shape)], undefined);
    const all = [
      y.alias(),
      ...gradients(
        loss,
        checked.map((i) => variables[i]),
      ),
    ];
    for (const variable of variables) variable.dispose();
    return all.map(keep);
  });
  output.dispose();

  try {
    for (const [at, i] of checked.entries()) await checkInput(i, (await found[at].data()) as Float32Array);
  } finally {
    for (const gradient of found) gradient.dispose();
  }

  async function checkInput(i: number, gradient: Float32Array): Promise<void> {
    const input = inputs[i];
    const values = (await input.data()) as Float32Array;
    const outputWith = async (element: number, value: number) => {
      const changed = Float32Array.from(values);
      changed[element] = value;
      const y = scope(() => noGrad(() => fn(...inputs.with(i, tensor(changed, input.shape)))).alias());
      const data = await y.data();
      y.dispose();
      return data;
    };
    const all = values.length <= samples;
    const elements = all ? values.keys() : random.permutation(values.length).subarray(0, samples);
    const met: { element: number; difference: number; noise: number }[] = [];
    for (const element of elements) {
      const h = step * Math.max(1, Math.abs(values[element]));
      const [high, low] = [Math.fround(values[element] + h), Math.fround(values[element] - h)];
      const [above, below] = [await outputWith(element, high), await outputWith(element, low)];
      met.push({ element, ...differenceOf(above, below, cotangent, high - low) });
    }
    const scale = Math.max(...met.flatMap((m) => [Math.abs(gradient[m.element]), Math.abs(m.difference)]));
    for (const { element, difference, noise } of met) {
      const allowed = tolerance * scale + noise;
      // Written so that NaN fails.
      if (Math.abs(gradient[element] - difference) <= allowed) continue;
      throw new WeftError(
        `checkGradients: input ${i} ${showShape(input.shape)}, element ${element}: the gradient is ${gradient[element]}, the central difference ${difference} (${allowed.toExponential(1)} apart are allowed)`,
      );
    }
  }
}

/** The central difference of sum(c * y), and what rounding of the outputs that moved can be in it. */
function differenceOf(
  above: ArrayLike<number>,
  below: ArrayLike<number>,
  c: Float32Array,
  width: number,
): { difference: number; noise: number } {
  let sum = 0;
  let squares = 0;
  for (let j = 0; j < c.length; j++) {
    if (above[j] === below[j]) continue;
    sum += c[j] * (above[j] - below[j]);
    squares += (c[j] * above[j]) ** 2;
  }
  return { difference: sum / width, noise: (ROUND_OFFS * EPSILON * Math.sqrt(squares)) / width };
}
