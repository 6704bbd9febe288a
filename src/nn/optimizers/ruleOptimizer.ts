import { checkNumber } from '../../checks.ts';
import { WeftError } from '../../errors.ts';
import { clipScales } from '../../kernels/gradientScales.ts';
import { SEGMENT_STEP, type Update, type UpdatesOptions } from '../../kernels/shared/updates.ts';
import { gradients } from '../../tensor/autograd.ts';
import { zeros } from '../../tensor/create.ts';
import { keep, scope } from '../../tensor/scope.ts';
import { hostTensor, type Tensor } from '../../tensor/tensor.ts';
import type { Parameter } from '../parameter.ts';
import { checkLearningRate, type LearningRate, momentumAt, rateAt } from '../schedules.ts';
import { layOut, type Segment, Slot } from '../slots.ts';
import { checkMinimize, type LossFunction, Optimizer, type OptimizerConfig } from './optimizer.ts';

/** How gradients are limited. */
export interface ClipOptions {
  /** Each gradient whose L2 norm is larger is scaled to it, as Keras' `clipnorm` does. */
  clipNorm?: number;
  /**
   * All gradients are scaled by one factor where the norm of all together is larger: Keras' `global_clipnorm`; PyTorch's
   * `clip_grad_norm_`, but for the 1e-6 that it adds to the norm.
   */
  globalClipNorm?: number;
}

/** Where an optimizer stands. */
export interface StepCount {
  /** Steps that it made, counted from 0. */
  readonly iteration: number;
  /** Those that the parameter took part in. */
  readonly own: number;
}

/** What is kept for a parameter. */
interface Kept extends Segment {
  steps: number;
}

/** An optimizer that follows one rule for every parameter and its gradient. */
export abstract class RuleOptimizer extends Optimizer {
  iterations = 0;
  private rate: LearningRate;
  private readonly kept = new Map<Parameter, Kept>();

  /**
   * @param kinds kinds of state
   * @throws WeftError for a learning rate or norms that are none
   */
  constructor(
    protected readonly name: string,
    learningRate: LearningRate,
    private readonly kinds: readonly string[],
    private readonly clip: ClipOptions,
  ) {
    super();
    this.rate = checkLearningRate(name, learningRate);
    for (const [option, norm] of Object.entries(clip))
      if (norm !== undefined) checkNumber(name, option, norm, { above: 0, to: Number.POSITIVE_INFINITY });
    if (clip.clipNorm !== undefined && clip.globalClipNorm !== undefined)
      throw new WeftError('clipNorm and globalClipNorm exclude each other: give one of them');
  }

  get learningRate(): LearningRate {
    return this.rate;
  }

  /** @throws WeftError unless it is a number of at least 0, or a schedule */
  set learningRate(rate: LearningRate) {
    this.rate = checkLearningRate(this.name, rate);
  }

  get config(): OptimizerConfig {
    const { learningRate } = this;
    const { name, ...options } = this.ownConfig;
    return {
      name,
      learningRate: typeof learningRate === 'number' ? learningRate : learningRate.config,
      ...options,
      ...this.clip,
    };
  }

  protected abstract readonly ownConfig: OptimizerConfig;

  minimize(loss: Tensor | LossFunction, parameters: readonly Parameter[], halt?: Tensor): Tensor {
    checkMinimize(loss, parameters);
    const made = typeof loss === 'function' ? loss({ updateStatistics: true }) : loss;
    const found = gradients(
      made,
      parameters.map((parameter) => parameter.tensor),
    );
    this.apply(parameters, found, halt);
    for (const gradient of found) gradient.dispose();
    return made;
  }

  /** Makes one step with the given gradients. */
  apply(parameters: readonly Parameter[], gradients: readonly Tensor[], halt?: Tensor): void {
    const kept = this.keptFor(parameters);
    const { clipNorm, globalClipNorm } = this.clip;
    const norm = clipNorm ?? globalClipNorm;
    const updates = parameters.map((parameter, i) => ({
      parameter: parameter.tensor,
      gradient: gradients[i],
      ...kept[i],
    }));
    scope(() => {
      const gradientScales =
        norm === undefined ? undefined : clipScales(gradients, norm, clipNorm === undefined, halt);
      const rates = hostTensor([SEGMENT_STEP * parameters.length], 'f32', () => {
        const learningRate = rateAt(this.learningRate, this.iterations);
        const iteration = this.iterations++;
        const values = new Float32Array(SEGMENT_STEP * parameters.length);
        for (const [i, own] of kept.entries())
          values.set(this.ratesAt({ iteration, own: own.steps++ }, learningRate), SEGMENT_STEP * i);
        return values;
      });
      this.update(updates, rates, { halt, gradientScales });
    });
  }

  /** The rule's scalars for a parameter. */
  protected abstract ratesAt(step: StepCount, learningRate: number): Float32Array;

  /**
   * Issues the rule.
   * @param rates f32 [64 * updates]: each update's scalars, 64 elements from the next one's
   */
  protected abstract update(
    updates: readonly Update[],
    rates: Tensor,
    options: Pick<UpdatesOptions, 'halt' | 'gradientScales'>,
  ): void;

  /** The momentum that the schedule has for a step, else the one given. */
  protected momentumAt({ iteration }: StepCount, otherwise: number): number {
    return momentumAt(this.learningRate, iteration) ?? otherwise;
  }

  state(parameters: readonly Parameter[]): Map<string, Slot> {
    const kept = this.keptFor(parameters);
    return new Map(
      parameters.flatMap(({ name, shape }, i) => {
        const { state, offset } = kept[i];
        return this.kinds.map(
          (kind) => [`${kind} of ${name}`, new Slot(shape, state[kind], offset)] as const,
        );
      }),
    );
  }

  stepsOf(parameter: Parameter): number {
    return this.kept.get(parameter)?.steps ?? 0;
  }

  setSteps(parameter: Parameter, steps: number): void {
    this.keptFor([parameter])[0].steps = steps;
  }

  /** What is kept for each parameter: for one that is new, zeros at first. */
  private keptFor(parameters: readonly Parameter[]): Kept[] {
    const open = parameters.filter((parameter) => !this.kept.has(parameter));
    const made = layOut(open, this.kinds, (size) =>
      open[0].tensor.storage.gpu.unrecorded(() =>
        keep(zeros([size])).called(`state of ${this.ownConfig.name}`),
      ),
    );
    for (const [parameter, segment] of made) this.kept.set(parameter, { ...segment, steps: 0 });
    return parameters.map((parameter) => this.kept.get(parameter)!);
  }

  dispose(): void {
    const tensors = [...this.kept.values()].flatMap(({ state }) => Object.values(state));
    for (const tensor of new Set(tensors)) tensor.dispose();
    this.kept.clear();
  }
}
