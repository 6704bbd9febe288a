import { checkNumber, checkPair } from '../../checks.ts';
import { directFlops, geometryOf } from '../../kernels/conv2d/geometry.ts';
import { type Conv2dOptions, conv2d } from '../../kernels/conv2d/index.ts';
import type { Padding, Strides } from '../../kernels/shared/padding.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { isMonotonic } from '../activations.ts';
import type { CallOptions, Layer } from '../layer.ts';
import { expectImages } from './images.ts';
import { KernelLayer, type KernelLayerConfig } from './kernelLayer.ts';
import { MaxPooling2d } from './maxPooling2d.ts';

/** Options of `layers.conv2d`. */
export interface Conv2dConfig extends KernelLayerConfig {
  filters: number;
  /** Height and width of the kernel. Default 3. */
  kernelSize?: number | readonly [number, number];
  /** How far the kernel moves, down and across. Default 1. */
  strides?: Strides;
  /** 'valid' (default) or 'same', as in Keras, or the number of zeros: see `conv2d`. */
  padding?: Padding;
}

export class Conv2d extends KernelLayer<Conv2dConfig> {
  protected override checkConfig(): void {
    super.checkConfig();
    const { filters, kernelSize = 3 } = this.config;
    checkNumber(this.name, 'filters', filters, { from: 1, whole: true });
    checkPair(this.name, 'kernelSize', kernelSize, { from: 1, whole: true });
  }

  protected makeWeights(inputShape: Shape): Shape {
    const { filters, kernelSize = 3, strides, padding = 'valid' } = this.config;
    expectImages(this.name, inputShape);
    const [height, width] = typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize;
    const shape = [height, width, inputShape[2], filters];
    const { Y, X } = geometryOf([[1, ...inputShape], shape], padding, strides);
    this.addKernel(shape, filters, true);
    return [Y, X, filters];
  }

  override multiplyAdds(inputShape: Shape): number {
    const { padding = 'valid', strides } = this.config;
    return directFlops(geometryOf([[1, ...inputShape], this.kernel.shape], padding, strides)) / 2;
  }

  linear(x: Tensor, { gatherMoments }: CallOptions): Tensor {
    return this.convolve(x, { moments: this.activation === 'linear' && gatherMoments });
  }

  override call(x: Tensor, options: CallOptions): Tensor {
    return this.convolveAndActivate(x, options, false);
  }

  override fuse(next: Layer): ((x: Tensor, options: CallOptions) => Tensor) | undefined {
    if (!(next instanceof MaxPooling2d && next.halves && isMonotonic(this.activation))) return undefined;
    return (x, options) => this.convolveAndActivate(x, options, true);
  }

  /** An activation that isn't part of the convolution comes after the pool, where there is a quarter of the values. */
  private convolveAndActivate(x: Tensor, { gatherMoments: moments }: CallOptions, maxPool: boolean): Tensor {
    const { activation } = this;
    if (activation === 'linear' || activation === 'relu')
      return this.convolve(x, { activation, maxPool, moments });
    return this.activate(this.convolve(x, { maxPool }));
  }

  private convolve(x: Tensor, options: Conv2dOptions): Tensor {
    const { strides, padding } = this.config;
    return conv2d(x, this.kernel.tensor, this.bias?.tensor, { strides, padding, ...options });
  }
}
