import { v5 } from '../../../src/experiments/czerny/v5.ts';
import { variants } from '../../../src/kernels/conv2d/passes.ts';
import { close } from '../../../src/tensor/device.ts';
import { type Sample, samples } from '../../../test/adapters/samples.ts';
import { createRandom } from '../../../test/reference/array64.ts';
import { type ModelGradients, modelGradients } from '../../../test/reference/model.ts';
import {
  caseOf,
  compareOutputs,
  compareStep,
  outputsOf,
  sampleBatch,
} from '../../../test/support/compareModel.ts';
import { withVariants } from '../../../test/support/variants.ts';
import type { RunContext } from '../context.ts';
import { failureOf, openDevice } from '../device.ts';

/** A check against an f64 reference, as it came out. */
interface CheckedCase {
  readonly name: string;
  /** Which variants ops took; null where they chose themselves, or have none. */
  readonly variant: string | null;
  /** The seed of the random inputs: a new one for each check, so that values left unwritten can't be right by chance. */
  readonly seed: number;
  /** What was wrong; null where it was right. */
  readonly failure: string | null;
  readonly ms: number;
}

/** Images of v5's step: batch-norm needs more than two values of each channel. */
const BATCH = 4;

/** Checks in their order. */
class Checks {
  private readonly cases: CheckedCase[] = [];
  private readonly seed = Math.floor(Math.random() * 2 ** 31);

  constructor(private readonly context: RunContext) {}

  async check(name: string, variant: string | null, check: (seed: number) => Promise<void>): Promise<void> {
    const seed = this.seed + this.cases.length;
    const start = performance.now();
    const failure = await failureOf(this.context, () => check(seed));
    if (failure)
      this.context.note(`wrong: ${name}${variant ? ` by ${variant}` : ''}: ${failure.split('\n')[0]}`);
    this.cases.push({ name, variant, seed, failure, ms: performance.now() - start });
    const failed = this.cases.filter((checked) => checked.failure !== null).length;
    this.context.set({ cases: this.cases, passed: this.cases.length - failed, failed });
  }
}

/**
 * Runs a check, which issues its work before it first waits.
 * @param variant what ops take where it suits; undefined leaves it to them
 * @returns the variants that ops could have taken
 */
async function checkBy(variant: string | undefined, check: () => Promise<void>): Promise<Set<string>> {
  const offered = new Set<string>();
  await withVariants((_, candidates) => {
    for (const { name } of candidates) offered.add(name);
    return variant;
  }, check);
  return offered;
}

/** Every op's cases, forward and gradients, then v5's gradients, then the cases again by each variant; all against f64 references. */
export async function correct(context: RunContext): Promise<void> {
  const checks = new Checks(context);
  await openDevice(context);
  const isOver = () => {
    if (context.secondsLeft > 0) return false;
    context.cut();
    return true;
  };
  const offered = new Map<Sample, Set<string>>();
  for (const sample of samples) {
    if (isOver()) return close();
    await checks.check(sample.name, null, async (seed) => {
      offered.set(sample, await checkBy(undefined, () => sample.check(seed)));
    });
  }
  await checkV5(checks, isOver);
  for (const [{ name, check }, variants] of offered) {
    for (const variant of variants) {
      if (isOver()) return close();
      await checks.check(name, variant, async (seed) => void (await checkBy(variant, () => check(seed))));
    }
  }
  close();
}

/** The loss and every gradient of v5's step at full width, the backward pass by each variant of the convolution. */
async function checkV5(checks: Checks, isOver: () => boolean): Promise<void> {
  if (isOver()) return;
  // Round-off takes a ReLU or a max-pool to the other side now and then. The reference is told which side it was.
  const forward = 'plain';
  let known: { seed: number; expected: ModelGradients } | undefined;
  /** The step that the reference knows. */
  const stepOf = (seed: number) => {
    const model = v5.network(seed);
    return { model, samples: sampleBatch(model, BATCH, 'classify', createRandom(seed)) };
  };
  await checks.check('v5, what each layer gives', forward, async (seed) => {
    const { model, samples } = stepOf(seed);
    const outputs = await outputsOf(model, samples, { forward, backward: forward });
    const expected = modelGradients(model, { ...(await caseOf(model, samples)), outputs });
    known = { seed, expected };
    compareOutputs(model, outputs, expected, `seed ${seed}`);
    model.dispose();
  });
  if (!known) return;
  const { seed, expected } = known;
  for (const { name: backward } of variants.toReversed()) {
    if (isOver()) return;
    await checks.check(`v5, gradients at batch ${BATCH}`, backward, async () => {
      const { model, samples } = stepOf(seed);
      await compareStep(model, samples, expected, `seed ${seed}`, { forward, backward });
      model.dispose();
    });
  }
}
