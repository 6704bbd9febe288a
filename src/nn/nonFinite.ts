import type { BatchSource } from '../data/batchSource.ts';
import { WeftError } from '../errors.ts';
import { noGrad } from '../tensor/autograd.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import type { Model } from './model.ts';

/** A loss that is infinite or not a number. */
export class NonFiniteError extends WeftError {
  override name = 'NonFiniteError';
}

/** As in the step that failed, but for what it would leave behind. */
const LOOKING = { training: true, updateStatistics: false };

const allFinite = async (t: Tensor): Promise<boolean> => (await t.data()).every(Number.isFinite);

/** Runs the samples through the model layer by layer, and says where the first value appears that isn't finite. */
export async function whereNonFinite(
  model: Model,
  source: BatchSource,
  samples: Uint32Array,
): Promise<string> {
  const batch = noGrad(() => source.batch(tensor(samples), true));
  const values = [batch.x];
  const lastCalls = new Set(model.outputs.map((value) => value - 1));
  for (const [i, { layer, inputs }] of model.calls.entries()) {
    for (const parameter of layer.parameters) {
      if (!(await allFinite(parameter.tensor))) return `weight ${parameter.name} isn't finite`;
    }
    const [x, ...more] = inputs.map((value) => values[value]);
    const y = noGrad(() =>
      lastCalls.has(i) ? layer.linear(x, LOOKING, ...more) : layer.call(x, LOOKING, ...more),
    );
    if (!(await allFinite(y))) return `the output of layer ${layer.name} is the first that isn't finite`;
    values.push(y);
  }
  return 'every layer output is finite, so it arises in the loss itself';
}
