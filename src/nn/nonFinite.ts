import type { BatchSource } from '../data/batchSource.ts';
import { WeftError } from '../errors.ts';
import { noGrad } from '../tensor/autograd.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import type { Sequential } from './sequential.ts';

/** A loss that is infinite or not a number. */
export class NonFiniteError extends WeftError {
  override name = 'NonFiniteError';
}

const allFinite = async (t: Tensor): Promise<boolean> => (await t.data()).every(Number.isFinite);

/** Runs the samples through the model layer by layer, and says where the first value appears that isn't finite. */
export async function whereNonFinite(
  model: Sequential,
  source: BatchSource,
  samples: Uint32Array,
): Promise<string> {
  const batch = noGrad(() => source.batch(tensor(samples), true));
  let x = batch.x;
  for (const layer of model.layers) {
    for (const parameter of layer.parameters) {
      if (!(await allFinite(parameter.tensor))) return `weight ${parameter.name} isn't finite`;
    }
    const input = x;
    x = noGrad(() =>
      layer === model.layers[model.layers.length - 1]
        ? layer.linear(input, { training: true })
        : layer.call(input, { training: true }),
    );
    if (!(await allFinite(x))) return `the output of layer ${layer.name} is the first that isn't finite`;
  }
  return 'every layer output is finite, so it arises in the loss itself';
}
