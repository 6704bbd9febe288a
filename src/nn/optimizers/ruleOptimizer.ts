import { WeftError } from '../../errors.ts';
import { clipScales } from '../../kernels/gradientScales.ts';
import type { Update, UpdatesOptions } from '../../kernels/shared/updates.ts';
import { gradients } from '../../tensor/autograd.ts';
import { zeros } from '../../tensor/create.ts';
import { keep, scope } from '../../tensor/scope.ts';
import { hostTensor, type Tensor } from '../../tensor/tensor.ts';
import type { Parameter } from '../parameter.ts';
import { type LearningRate, rateAt } from '../schedules.ts';
import { layOut, type Segment, Slot } from '../slots.ts';
import { type LossFunction, Optimizer, type OptimizerConfig } from './optimizer.ts';

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

/** An optimizer that follows one rule for every parameter and its gradient. */
export abstract class RuleOptimizer extends Optimizer {
  iterations = 0;
  private readonly segments = new Map<Parameter, Segment>();

  /**
   * @param kinds kinds of state
   * @throws WeftError for norms that are none
   */
  constructor(
    public learningRate: LearningRate,
    private readonly kinds: readonly string[],
    private readonly clip: ClipOptions,
  ) {
    super();
    for (const [name, norm] of Object.entries(clip))
      if (norm !== undefined && !(norm > 0)) throw new WeftError(`${name} must be above 0, got ${norm}`);
    if (clip.clipNorm !== undefined && clip.globalClipNorm !== undefined)
      throw new WeftError('clipNorm and globalClipNorm exclude each other: give one of them');
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
    this.allocate(parameters);
    const { clipNorm, globalClipNorm } = this.clip;
    const norm = clipNorm ?? globalClipNorm;
    const updates = parameters.map((parameter, i) => ({
      parameter: parameter.tensor,
      gradient: gradients[i],
      ...this.segments.get(parameter)!,
    }));
    scope(() => {
      const gradientScales =
        norm === undefined ? undefined : clipScales(gradients, norm, clipNorm === undefined);
      const rates = hostTensor([this.rateCount], 'f32', () => {
        const step = this.iterations++;
        return this.ratesAt(step, rateAt(this.learningRate, step));
      });
      this.update(updates, rates, { halt, gradientScales });
    });
  }

  /** How many scalars the rule has. */
  protected abstract readonly rateCount: number;

  /** The rule's scalars at a step, counted from 0. */
  protected abstract ratesAt(step: number, learningRate: number): Float32Array;

  /** Issues the rule. */
  protected abstract update(
    updates: readonly Update[],
    rates: Tensor,
    options: Pick<UpdatesOptions, 'halt' | 'gradientScales'>,
  ): void;

  /** The momentum that the schedule has for a step, else the one given. */
  protected momentumAt(step: number, otherwise: number): number {
    const { learningRate } = this;
    return typeof learningRate === 'number' ? otherwise : (learningRate.momentum?.(step) ?? otherwise);
  }

  state(parameters: readonly Parameter[]): Map<string, Slot> {
    this.allocate(parameters);
    return new Map(
      parameters.flatMap((parameter) => {
        const { name, shape } = parameter;
        const { state, offset } = this.segments.get(parameter)!;
        return this.kinds.map(
          (kind) => [`${kind} of ${name}`, new Slot(shape, state[kind], offset)] as const,
        );
      }),
    );
  }

  /** Gives state to the parameters that have none, zeros at first. */
  private allocate(parameters: readonly Parameter[]): void {
    const open = parameters.filter((parameter) => !this.segments.has(parameter));
    const made = layOut(open, this.kinds, (size) =>
      open[0].tensor.storage.gpu.unrecorded(() => keep(zeros([size]))),
    );
    for (const [parameter, segment] of made) this.segments.set(parameter, segment);
  }

  dispose(): void {
    const tensors = [...this.segments.values()].flatMap(({ state }) => Object.values(state));
    for (const tensor of new Set(tensors)) tensor.dispose();
    this.segments.clear();
  }
}
