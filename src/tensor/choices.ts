import type { Gpu } from '../gpu/gpu.ts';
import type { Tensor } from './tensor.ts';

/*
 * Which of its variants an op takes. An op asks `choose` while its commands are issued; the answer is what was decided for this
 * adapter before (measured by the tuner, or pinned by a run's manifest), else the candidate with the lowest predicted cost.
 */

/** One way to do the work, with what a model of the adapter predicts for it; costs of one request compare with each other only. */
export interface Candidate {
  readonly name: string;
  readonly cost: number;
  /** How far its values may be from the exact ones, as a share of the largest. */
  readonly tolerance: number;
}

/** Operands of a trial: small enough to time often. */
export interface Trial {
  /** Issues the work as one candidate does it, and returns what it computes. */
  run(candidate: string): Tensor;
  dispose(): void;
}

/** A decision that an op asks for. */
export interface ChoiceRequest {
  /** What is decided, the same for every batch of a bucket: `conv2d forward 28x28 64-128 same, large`. */
  readonly key: string;
  /** Never empty; all compute the same up to rounding. The one named `plain` is what the others are compared with. */
  readonly candidates: readonly Candidate[];
  /** Floating-point operations of the direct method in a trial. */
  readonly flops: number;
  /** Makes random operands for a trial of at most `TRIAL_IMAGES` images. */
  prepare(): Trial;
}

/** Images of a trial at most. */
export const TRIAL_IMAGES = 8;

/** Batches that a choice serves alike: one image, up to `TRIAL_IMAGES`, and more. */
export const batchBucket = (images: number): 'one' | 'small' | 'large' =>
  images === 1 ? 'one' : images <= TRIAL_IMAGES ? 'small' : 'large';

/** Images of a trial for a batch: what its bucket is timed with. */
export const trialImages = (images: number): number => Math.min(images, TRIAL_IMAGES);

const decided = new WeakMap<Gpu, Map<string, string>>();
let listener: ((request: ChoiceRequest) => void) | undefined;

/** What was decided on a device, by key. Entries may be set before an op asks. */
export function choicesOf(gpu: Gpu): Map<string, string> {
  let choices = decided.get(gpu);
  if (!choices) {
    choices = new Map();
    decided.set(gpu, choices);
  }
  return choices;
}

/** The candidate that an op takes. A decision for a candidate that isn't offered (any more) doesn't count. */
export function choose(gpu: Gpu, request: ChoiceRequest): string {
  listener?.(request);
  const { key, candidates } = request;
  const found = choicesOf(gpu).get(key);
  if (found !== undefined && candidates.some(({ name }) => name === found)) return found;
  return candidates.reduce((best, candidate) => (candidate.cost < best.cost ? candidate : best)).name;
}

/** Calls `fn` and hands every request that is made in it to `listen`. */
export function listenToChoices<T>(listen: (request: ChoiceRequest) => void, fn: () => T): T {
  const before = listener;
  listener = listen;
  try {
    return fn();
  } finally {
    listener = before;
  }
}
