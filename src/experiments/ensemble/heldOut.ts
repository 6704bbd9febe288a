import { stratifiedSplit } from '../../data/splits.ts';
import { RandomStream } from '../../tensor/random.ts';
import type { Member } from '../evaluate.ts';
import { classesIn, type ExperimentSet } from '../experimentSet.ts';

/** Training images that no member was trained on. */
export interface HeldOut {
  readonly indices: Uint32Array;
  /** Of them, the first so many: every member was validated on them. */
  readonly validation: number;
}

/** A meta-learner needs so many images of each class, or it learns chance. */
const LEAST_PER_CLASS = 10;

/**
 * Chooses the images that a meta-learner is fitted to: those that all members were validated on, then others that none was trained on, each
 * with the same share of every class as far as they reach. They follow from the members' seeds and plans.
 * @param most how many at most
 * @returns the images, or why there are none to be had
 */
export function heldOutImages(
  members: readonly Pick<Member, 'name' | 'split'>[],
  train: ExperimentSet,
  most: number,
  seed: number,
): HeldOut | { readonly refused: string } {
  const trained = new Uint8Array(train.count);
  const validated = new Uint32Array(train.count);
  for (const { name, split } of members) {
    if (!split)
      return { refused: `${name} is a model's file, which doesn't say which images it was trained on` };
    const [training, validation] = split(train);
    for (const i of training) trained[i] = 1;
    for (const i of validation) validated[i]++;
  }
  const all = Uint32Array.from(trained, (_, i) => i).filter((i) => !trained[i]);
  const shared = all.filter((i) => validated[i] === members.length);
  const others = all.filter((i) => validated[i] < members.length);
  const least = LEAST_PER_CLASS * train.classNames.length;
  if (Math.min(all.length, most) < least)
    return {
      refused: `of ${train.count} training images, there are ${all.length} that no member was trained on; a meta-learner takes at least ${least}. Members trained with the same --seed and sizes share their split`,
    };
  const classes = classesIn(train);
  const choose = (from: Uint32Array, count: number, purpose: string): Uint32Array => {
    if (count >= from.length) return from;
    const labels = Uint8Array.from(from, (i) => classes[i]);
    return stratifiedSplit(labels, [count], new RandomStream(seed, purpose))[0].map((i) => from[i]);
  };
  const first = choose(shared, most, 'held-out validation images');
  const more = choose(others, most - first.length, 'held-out training images');
  return { indices: Uint32Array.of(...first, ...more), validation: first.length };
}
