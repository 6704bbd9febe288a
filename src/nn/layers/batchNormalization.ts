import { checkBoolean, checkNumber, checkOneOf } from '../../checks.ts';
import { batchNormInference, batchNormTraining } from '../../kernels/batchNorm.ts';
import type { Shape } from '../../tensor/shape.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { type CallOptions, Layer, type LayerConfig } from '../layer.ts';
import type { Parameter } from '../parameter.ts';

export interface BatchNormalizationConfig extends LayerConfig {
  /**
   * Whose defaults and moving variance. `'keras'` (default): momentum 0.99, epsilon 1e-3, an unbiased variance for images and a biased
   * one for rows. `'pytorch'`: momentum 0.9 (there written as 0.1, the weight of the new statistics), epsilon 1e-5, always unbiased.
   */
  convention?: 'keras' | 'pytorch';
  /** Weight of the old moving statistics. */
  momentum?: number;
  /** Added to the variance. */
  epsilon?: number;
  /** Whether channels are scaled by a weight gamma; default true. */
  scale?: boolean;
  /** Whether a weight beta is added to channels; default true. */
  center?: boolean;
}

const CONVENTIONS = {
  keras: { momentum: 0.99, epsilon: 1e-3 },
  pytorch: { momentum: 0.9, epsilon: 1e-5 },
} as const;

export class BatchNormalization extends Layer<BatchNormalizationConfig> {
  /** Weight of the old moving statistics in the next update. */
  momentum = this.config.momentum ?? CONVENTIONS[this.convention].momentum;
  private readonly epsilon = this.config.epsilon ?? CONVENTIONS[this.convention].epsilon;
  private gamma!: Parameter;
  private beta!: Parameter;
  private mean!: Parameter;
  private variance!: Parameter;

  private get convention(): keyof typeof CONVENTIONS {
    return this.config.convention ?? 'keras';
  }

  protected override checkConfig(): void {
    const { momentum = 0, epsilon = 0, scale = true, center = true, convention = 'keras' } = this.config;
    checkOneOf(this.name, 'convention', convention, ['keras', 'pytorch']);
    checkNumber(this.name, 'momentum', momentum, { from: 0, to: 1 });
    checkNumber(this.name, 'epsilon', epsilon, { from: 0 });
    checkBoolean(this.name, 'scale', scale);
    checkBoolean(this.name, 'center', center);
  }

  protected makeWeights(inputShape: Shape): Shape {
    const { scale = true, center = true } = this.config;
    const shape = inputShape.slice(-1);
    this.gamma = scale ? this.addWeight('gamma', shape, 'ones') : this.addConstant('gamma', shape, 'ones');
    this.beta = center ? this.addWeight('beta', shape, 'zeros') : this.addConstant('beta', shape, 'zeros');
    this.mean = this.addWeight('moving_mean', shape, 'zeros', { trainable: false });
    this.variance = this.addWeight('moving_variance', shape, 'ones', { trainable: false });
    return inputShape;
  }

  override needsMoments({ training = false, batchStatistics = training }: CallOptions): boolean {
    return batchStatistics && this.trainable;
  }

  linear(x: Tensor, options: CallOptions): Tensor {
    const { momentum, epsilon, convention } = this;
    const [gamma, beta, mean, variance] = [this.gamma, this.beta, this.mean, this.variance].map(
      (parameter) => parameter.tensor,
    );
    if (!this.needsMoments(options)) return batchNormInference(x, gamma, beta, mean, variance, { epsilon });
    // Keras' fused path, for images, keeps the unbiased variance; its path for rows the biased one.
    const unbiased = convention === 'pytorch' || x.rank === 4;
    if (options.updateStatistics ?? true)
      return batchNormTraining(x, gamma, beta, { mean, variance }, { momentum, epsilon, unbiased });
    // What nobody reads takes the update.
    const [unread, alsoUnread] = [empty(mean.shape), empty(variance.shape)];
    const moving = { mean: unread, variance: alsoUnread };
    const y = batchNormTraining(x, gamma, beta, moving, { momentum: 0, epsilon });
    for (const tensor of [unread, alsoUnread]) tensor.dispose();
    return y;
  }
}
