import { checkNumber } from '../checks.ts';
import { noGrad } from '../tensor/autograd.ts';
import { scope } from '../tensor/scope.ts';
import { tensor } from '../tensor/tensor.ts';
import { BatchNormalization } from './layers/batchNormalization.ts';
import type { Model } from './model.ts';
import { checkedSamples, type Samples } from './samples.ts';

/** How `updateBatchNorm` goes through the samples. */
export interface UpdateBatchNormOptions {
  /** Default 32. Batches of one size weigh the same; what is left of the samples is not used. */
  batchSize?: number;
  /** Called after each batch with the samples done. What it throws ends the update. */
  onProgress?: (done: number, total: number) => void;
}

/**
 * Replaces the moving statistics of the batch-norm layers by the plain mean of the statistics of batches of samples, with the
 * weights as they are now (as PyTorch's `update_bn` does). After few steps a moving average with momentum 0.99 still holds much of
 * its start. Nothing else of the model changes: inputs aren't augmented, dropout drops nothing.
 *
 * @throws WeftError for a batch size or an index out of its range
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
  const size = Math.min(batchSize, indices.length);
  const batches = Math.floor(indices.length / size);
  try {
    for (let i = 0; i < batches; i++) {
      // The mean of i + 1 values from the mean of i: the first batch replaces what was there.
      for (const norm of norms) norm.momentum = i / (i + 1);
      const last = scope(() =>
        noGrad(() => {
          const { x } = source.batch(tensor(indices.subarray(i * size, (i + 1) * size)), false);
          return model.call(x, { training: false, batchStatistics: true });
        }),
      );
      // Waiting keeps the queue short and the progress honest.
      await last.data();
      last.dispose();
      onProgress?.((i + 1) * size, batches * size);
    }
  } finally {
    norms.forEach((norm, i) => {
      norm.momentum = momenta[i];
    });
  }
}
