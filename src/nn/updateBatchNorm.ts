import { checkNumber } from '../checks.ts';
import { haltUnlessFinite } from '../kernels/shared/updates.ts';
import { noGrad } from '../tensor/autograd.ts';
import { keep, scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import { BatchNormalization } from './layers/batchNormalization.ts';
import type { Model } from './model.ts';
import { firstNonFinite, layerOf, NonFiniteError } from './nonFinite.ts';
import { type Parameter, readParameters } from './parameter.ts';
import { checkedSamples, type Samples } from './samples.ts';

/** How `updateBatchNorm` goes through the samples. */
export interface UpdateBatchNormOptions {
  /** Default 32. Batches of one size weigh the same; what is left of the samples is not used. */
  batchSize?: number;
  /** Called after each batch with the samples done. What it throws ends the update, of which nothing is kept. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * Replaces the moving statistics of the batch-norm layers by the plain mean of the statistics of batches of samples, with the
 * weights as they are now (as PyTorch's `update_bn` does). After few steps a moving average with momentum 0.99 still holds much of
 * its start. Nothing else of the model changes: inputs aren't augmented, dropout drops nothing. Where it throws, `onProgress` included,
 * the statistics are those of before.
 *
 * @throws WeftError for a batch size or an index out of its range; NonFiniteError where a statistic would be infinite or NaN, naming layer and
 * batch
 * @example
 * ```ts
 * import { ArraySource, layers, sequential, updateBatchNorm } from 'weft-gpu';
 *
 * const model = sequential([layers.batchNormalization()], { inputShape: [1] });
 * const source = new ArraySource(Float32Array.of(1, 3), [0, 0], [1]);
 * await updateBatchNorm(model, { source, indices: Uint32Array.of(0, 1) });
 * console.log((await model.weights()).get('batch_normalization.moving_mean')?.data); // Float32Array [2]
 * ```
 */
export async function updateBatchNorm(
  model: Model,
  samples: Samples,
  { batchSize = 32, onProgress }: UpdateBatchNormOptions = {},
): Promise<void> {
  const { source, indices } = checkedSamples('updateBatchNorm', 'samples', samples);
  checkNumber('updateBatchNorm', 'batchSize', batchSize, { from: 1, whole: true });
  const norms = model.layers.filter((layer) => layer instanceof BatchNormalization);
  const momenta = norms.map((norm) => norm.momentum);
  const statistics = norms.flatMap(({ parameters }) => parameters.filter(({ moving }) => moving));
  const before = await readParameters(statistics);
  const halt = keep(tensor(Uint32Array.of(0)));
  const size = Math.min(batchSize, indices.length);
  const batches = Math.floor(indices.length / size);
  try {
    for (let i = 0; i < batches; i++) {
      // The mean of i + 1 values from the mean of i: the first batch replaces what was there.
      for (const norm of norms) norm.momentum = i / (i + 1);
      scope(() =>
        noGrad(() => {
          const { x } = source.batch(tensor(indices.subarray(i * size, (i + 1) * size)), false);
          model.call(x, { training: false, batchStatistics: true });
        }),
      );
      haltUnlessFinite(
        statistics.map((statistic) => statistic.tensor),
        halt,
      );
      // Waiting keeps the queue short and the progress honest, too.
      if ((await halt.item()) !== 0) throw await nonFiniteError(statistics, i + 1);
      onProgress?.((i + 1) * size, batches * size);
    }
  } catch (error) {
    statistics.forEach((statistic, i) => {
      statistic.set(before[i]);
    });
    throw error;
  } finally {
    halt.dispose();
    norms.forEach((norm, i) => {
      norm.momentum = momenta[i];
    });
  }
}

async function nonFiniteError(statistics: readonly Parameter[], batch: number): Promise<NonFiniteError> {
  const { parameter, value } = (await firstNonFinite(statistics))!;
  const layer = layerOf(parameter);
  return new NonFiniteError(
    `updateBatchNorm: with batch ${batch} the ${parameter.ownName} of layer ${layer} becomes ${value}. The statistics are those of before`,
    { step: batch, layer },
  );
}
