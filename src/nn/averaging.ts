import { checkNumber, checkOptions } from '../checks.ts';
import { averageWeights, swapWeights } from '../kernels/weightCopies.ts';
import { zeros } from '../tensor/create.ts';
import { keep } from '../tensor/scope.ts';
import { hostTensor, type Tensor } from '../tensor/tensor.ts';
import type { Parameter } from './parameter.ts';
import { layOut, type Segment, Slot } from './slots.ts';

/** How weights are averaged. */
export interface AveragingOptions {
  /** Share of the average that stays in an update, from 0 to below 1. */
  decay: number;
}

/**
 * An exponential moving average of a model's weights: `average = decay * average + (1 - decay) * weight` after each step, from the
 * weights after the first (as in PyTorch's AveragedModel). Moving statistics of batch-norm are averaged like weights, so that they fit
 * the averaged weights better than those of the last ones would.
 *
 * In a loop of one's own: `update()` inside the recorded step, after `minimize`; `swap()` outside it, before and after the model is
 * used with its averaged weights.
 */
export class WeightAverage {
  /** Updates made so far. */
  updates = 0;
  private readonly segments: ReadonlyMap<Parameter, Segment>;

  /** @throws WeftError for a decay that is none */
  constructor(
    parameters: readonly Parameter[],
    private readonly options: AveragingOptions,
  ) {
    const { decay } = checkOptions('averaging', options, '{ decay: 0.999 }');
    checkNumber('averaging', 'decay', decay, { from: 0, below: 1 });
    this.segments = layOut(parameters, ['average'], (size) =>
      parameters[0].tensor.storage.gpu.unrecorded(() => keep(zeros([size])).called('average of weights')),
    );
  }

  /**
   * Takes the weights as they are into the average.
   * @param halt a u32 [1]: where it isn't 0, the average stays as it is
   */
  update(halt?: Tensor): void {
    const rates = hostTensor([2], 'f32', () => {
      const decay = this.updates++ === 0 ? 0 : this.options.decay;
      return Float32Array.of(decay, 1 - decay);
    });
    averageWeights(this.all, rates, halt);
    rates.dispose();
  }

  /** Exchanges the model's weights and their averages, bit by bit: a second call exchanges them back. */
  swap(): void {
    swapWeights(this.all);
  }

  /** The averages by name: `average of conv2d.kernel`. Part of a checkpoint, as `updates` is. */
  state(): Map<string, Slot> {
    return new Map(
      [...this.segments].map(([{ name, shape }, { state, offset }]) => [
        `average of ${name}`,
        new Slot(shape, state.average, offset),
      ]),
    );
  }

  /** Frees the averages. */
  dispose(): void {
    for (const { state } of new Set(this.segments.values())) state.average.dispose();
  }

  private get all() {
    return [...this.segments].map(([parameter, segment]) => ({ parameter: parameter.tensor, ...segment }));
  }
}
