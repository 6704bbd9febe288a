import { checkNumber } from '../checks.ts';
import { gather } from '../kernels/gather.ts';
import { checkedSamples, type Samples } from '../nn/samples.ts';
import { noGrad } from '../tensor/autograd.ts';
import { record } from '../tensor/record.ts';
import { Tensor, tensor } from '../tensor/tensor.ts';

/** Images to look at: a tensor [N, height, width, channels], or samples of a source. */
export type Images = Tensor | Samples;

/** How images go through a network. */
export interface BatchOptions {
  /** Images that go through the network at a time: memory grows with it. */
  readonly batchSize?: number;
  /** Called after each batch with the images done. What it throws ends the work. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** How many they are. @throws WeftError where they are none */
export const countImages = (op: string, images: Images): number => indicesOf(op, images).length;

/** Their numbers, in a tensor or a source. @throws WeftError where they are none */
const indicesOf = (op: string, images: Images): Uint32Array =>
  images instanceof Tensor
    ? Uint32Array.from({ length: images.shape[0] }, (_, i) => i)
    : checkedSamples(op, 'images', images).indices;

/**
 * Computes something of every batch, through a step that is recorded once for each batch size.
 * @param compute from images [n, ...] to what is wanted of them
 * @param take is given it, with the number of the batch's first image
 */
export async function forEachBatch(
  op: string,
  images: Images,
  { batchSize = 128, onProgress }: BatchOptions,
  compute: (x: Tensor) => Tensor,
  take: (values: Float32Array, first: number) => void,
): Promise<void> {
  const indices = indicesOf(op, images);
  const count = indices.length;
  checkNumber(op, 'batchSize', batchSize, { from: 1, whole: true });
  const step = record((part: Tensor) =>
    noGrad(() =>
      compute(images instanceof Tensor ? gather(images, part) : images.source.batch(part, false).x),
    ),
  );
  try {
    for (let first = 0; first < count; first += batchSize) {
      const part = tensor(indices.subarray(first, first + batchSize));
      const result = await step(part);
      part.dispose();
      take((await result.data()) as Float32Array, first);
      result.dispose();
      onProgress?.(Math.min(first + batchSize, count), count);
    }
  } finally {
    step.dispose();
  }
}
