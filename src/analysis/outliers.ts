import { ShapeError, WeftError } from '../errors.ts';
import { mul, sub } from '../kernels/binary.ts';
import { mean } from '../kernels/reduce.ts';
import type { Model } from '../nn/model.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import { type BatchOptions, countImages, forEachBatch, type Images } from './images.ts';

/**
 * How badly an autoencoder gives each image back: the mean, over its pixels and channels, of the squared difference between what it
 * gives and what it was given. Computed on the GPU; one number an image comes back.
 *
 * ```ts
 * import { layers, ones, rankOutliers, reconstructionErrors, sequential } from 'weft-gpu';
 *
 * const { flatten, dense, reshape } = layers;
 * const model = sequential([flatten(), dense({ units: 2 }), dense({ units: 16 }), reshape({ targetShape: [4, 4, 1] })], {
 *   inputShape: [4, 4, 1],
 * });
 * const errors = await reconstructionErrors(model, ones([10, 4, 4, 1]));
 * const [worst] = rankOutliers(errors, 1);
 * console.log(`image ${worst.index} comes back worst: ${worst.score}`);
 * ```
 *
 * @param images [N, ...the model's input shape], or samples of a source: `{ source, indices }`
 * @param options batchSize: images at a time, by default 128
 * @returns an error for each image, in their order; in the square of the images' unit
 * @throws ShapeError where the model gives back another shape than it takes; WeftError where an error is no number
 */
export async function reconstructionErrors(
  model: Model,
  images: Images,
  options: BatchOptions = {},
): Promise<Float32Array> {
  const { inputShape, outputShape } = model;
  if (!sameShape(inputShape, outputShape))
    throw new ShapeError(
      'reconstructionErrors',
      `an autoencoder, which gives ${showShape(inputShape)} back`,
      `a model that gives ${showShape(outputShape)}`,
    );
  const errors = new Float32Array(countImages('reconstructionErrors', images));
  const axes = inputShape.map((_, axis) => axis + 1);
  await forEachBatch(
    'reconstructionErrors',
    images,
    options,
    (x) => {
      const difference = sub(model.call(x), x);
      return mean(mul(difference, difference), { axes });
    },
    (values, first) => errors.set(values, first),
  );
  const broken = errors.findIndex((error) => !Number.isFinite(error));
  if (broken >= 0)
    throw new WeftError(`reconstructionErrors: the model gives no numbers back for image ${broken} of them`);
  return errors;
}

/** A sample and how much of an outlier it is. */
export interface Outlier {
  readonly index: number;
  readonly score: number;
}

/**
 * The samples of the largest scores, the largest first; of equal ones the earlier sample comes first.
 *
 * ```ts
 * import { rankOutliers } from 'weft-gpu';
 *
 * console.log(rankOutliers([0.1, 0.7, 0.3], 2)); // [ { index: 1, score: 0.7 }, { index: 2, score: 0.3 } ]
 * ```
 *
 * @param scores one a sample: errors of an autoencoder, for instance
 * @param count how many, at most. Default: all
 * @throws WeftError where a score is no number
 */
export function rankOutliers(scores: ArrayLike<number>, count: number = scores.length): Outlier[] {
  const all = Array.from(scores, (score, index) => ({ index, score }));
  const wrong = all.find(({ score }) => Number.isNaN(score));
  if (wrong) throw new WeftError(`rankOutliers: the score of sample ${wrong.index} is no number`);
  return all.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, Math.max(0, count));
}
