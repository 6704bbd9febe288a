import { randomSplit, stratifiedSplit } from '../data/splits.ts';
import { RandomStream } from '../tensor/random.ts';
import { classesIn, type ExperimentSet } from './experimentSet.ts';
import type { Plan } from './plan.ts';
import { repeatSizes } from './presets.ts';

/** Decides all that is random in a repeat of a run. */
export const repeatSeed = (runSeed: number, repeat: number): number =>
  new RandomStream(runSeed, `repeat ${repeat}`).words(1)[0];

/**
 * Training and validation images of a repeat, counted from 1: of nested ones, parts of the training images of the one before. A run's seed
 * and plan decide them.
 */
export function splitImages(
  runSeed: number,
  plan: Plan,
  set: ExperimentSet,
  repeat: number,
): [training: Uint32Array, validation: Uint32Array] {
  const { trainingImages, validationImages } = repeatSizes(plan, repeat);
  const sizes = [trainingImages, validationImages];
  const stream = new RandomStream(repeatSeed(runSeed, repeat), 'split');
  if (!plan.nested || repeat === 1) {
    const [training, validation] = plan.stratified
      ? stratifiedSplit(classesIn(set), sizes, stream)
      : randomSplit(set.count, sizes, stream);
    return [training, validation];
  }
  const [before] = splitImages(runSeed, plan, set, repeat - 1);
  const [training, validation] = randomSplit(before.length, sizes, stream).map((part) =>
    part.map((i) => before[i]),
  );
  return [training, validation];
}
