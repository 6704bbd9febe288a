import { type ImageSet, ImageSource } from '../data/batchSource.ts';
import { add } from '../kernels/binary.ts';
import { softmaxCrossEntropy } from '../kernels/softmaxCrossEntropy.ts';
import { Adam } from '../nn/optimizers.ts';
import { record } from '../tensor/record.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import type { Experiment } from './experiment.ts';

/** At least as much is timed. */
const TIMED_STEPS = 2;
const TIMED_MS = 2000;

/**
 * Seconds that a training step takes for an image of a batch, once its kernels are compiled. Measured on weights and random streams
 * of its own, which are thrown away: the run that follows isn't changed by it.
 * @param onStep called after each step; what it throws ends the measurement
 */
export async function secondsPerImage(
  { network }: Experiment,
  set: ImageSet,
  batchSize: number,
  onStep: () => void,
): Promise<number> {
  const model = network(0);
  const optimizer = new Adam();
  const source = new ImageSource(set);
  const indices = tensor(Uint32Array.from({ length: batchSize }, (_, i) => i));
  const step = record((batch: Tensor) => {
    const { x, labels } = source.batch(batch, true);
    const loss = softmaxCrossEntropy(model.logits(x, { training: true }), labels);
    const penalty = model.regularization();
    optimizer.minimize(penalty ? add(loss, penalty) : loss, model.trainableParameters);
    return { loss };
  });
  const finishStep = async () => {
    await (await step(indices)).loss.item();
    onStep();
  };
  try {
    await finishStep();
    const start = performance.now();
    let steps = 0;
    do {
      await finishStep();
      steps++;
    } while (steps < TIMED_STEPS || performance.now() - start < TIMED_MS);
    return (performance.now() - start) / 1000 / steps / batchSize;
  } finally {
    step.dispose();
    indices.dispose();
    source.dispose();
    optimizer.dispose();
    model.dispose();
  }
}
