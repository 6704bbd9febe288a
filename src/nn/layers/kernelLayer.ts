import { checkBoolean, checkNumber, checkOneOf, checkOptions } from '../../checks.ts';
import type { Shape } from '../../tensor/shape.ts';
import { fansOf, type InitializerName, initializerNames } from '../initializers.ts';
import { type Activation, Layer, type LayerConfig, type Regularizer } from '../layer.ts';
import type { Parameter } from '../parameter.ts';

export interface KernelLayerConfig extends LayerConfig {
  activation?: Activation;
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerName;
  kernelRegularizer?: Regularizer;
  /** Default 'zeros'. */
  biasInitializer?: InitializerName;
  /** Default true. */
  useBias?: boolean;
}

/** A layer whose weights are a kernel and, unless it does without, a bias. */
export abstract class KernelLayer<Config extends KernelLayerConfig> extends Layer<Config> {
  protected kernel!: Parameter;
  protected bias: Parameter | undefined;

  protected override checkConfig(): void {
    super.checkConfig();
    const { kernelInitializer, biasInitializer, kernelRegularizer, useBias } = this.config;
    for (const [name, value] of Object.entries({ kernelInitializer, biasInitializer }))
      if (value !== undefined) checkOneOf(this.name, name, value, initializerNames);
    if (useBias !== undefined) checkBoolean(this.name, 'useBias', useBias);
    if (kernelRegularizer === undefined) return;
    const { l2 } = checkOptions(`${this.name}: kernelRegularizer`, kernelRegularizer, '{ l2: 0.01 }');
    checkNumber(this.name, 'kernelRegularizer.l2', l2, { from: 0 });
  }

  /** @param boundWhole see `ParameterOptions` */
  protected addKernel(shape: Shape, outputs: number, boundWhole: boolean): void {
    const { kernelInitializer = 'glorotUniform', kernelRegularizer: regularizer } = this.config;
    const { biasInitializer = 'zeros', useBias = true } = this.config;
    this.kernel = this.addWeight('kernel', shape, kernelInitializer, { regularizer, boundWhole });
    // PyTorch draws a bias by what its kernel takes in.
    if (useBias) this.bias = this.addWeight('bias', [outputs], biasInitializer, { fans: fansOf(shape) });
  }
}
