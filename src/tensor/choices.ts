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

/** Is told of a decision that can't be kept, and what is taken instead. */
export type MissingCandidate = (key: string, candidate: string, instead: string) => void;

const decided = new WeakMap<Gpu, Map<string, string>>();
const missing = new WeakMap<Gpu, MissingCandidate>();
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

/**
 * Takes these decisions in the place of all that was decided on a device before. What isn't among them goes by predicted cost alone, so
 * the same decisions give the same bits, whatever was measured since.
 * @param onMissing told once of each decision for a candidate that this device doesn't offer, when an op asks for it
 */
export function pinChoices(
  gpu: Gpu,
  decisions: Readonly<Record<string, string>>,
  onMissing: MissingCandidate = () => {},
): void {
  decided.set(gpu, new Map(Object.entries(decisions)));
  missing.set(gpu, onMissing);
}

/** The candidate that an op takes. A decision for a candidate that isn't offered (any more) doesn't count. */
export function choose(gpu: Gpu, request: ChoiceRequest): string {
  listener?.(request);
  const { key, candidates } = request;
  const choices = choicesOf(gpu);
  const found = choices.get(key);
  if (found !== undefined && candidates.some(({ name }) => name === found)) return found;
  const { name } = byCost(candidates)[0];
  if (found !== undefined) {
    choices.set(key, name);
    missing.get(gpu)?.(key, found, name);
  }
  return name;
}

/** Candidates, the lowest predicted cost first; of equal ones, the first. */
export const byCost = (candidates: readonly Candidate[]): Candidate[] =>
  [...candidates].sort((a, b) => a.cost - b.cost);

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
