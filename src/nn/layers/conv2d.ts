import { ShapeError } from '../../errors.ts';
import { geometryOf, type Padding } from '../../kernels/conv2d/geometry.ts';
import { type Conv2dOptions, conv2d } from '../../kernels/conv2d/index.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { InitializerName } from '../initializers.ts';
import { type Activation, type CallOptions, Layer } from '../layer.ts';
import type { Parameter } from '../parameter.ts';
import { MaxPooling2d } from './maxPooling2d.ts';

export interface Conv2dConfig {
  filters: number;
  /** Height and width of the kernel, odd. Default 3. */
  kernelSize?: number | readonly [number, number];
  /** Default 'valid', as in Keras. */
  padding?: Padding;
  activation?: Activation;
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerName;
  /** Default true. */
  useBias?: boolean;
}

export class Conv2d extends Layer<Conv2dConfig> {
  private kernel!: Parameter;
  private bias: Parameter | undefined;

  protected makeWeights(inputShape: Shape): Shape {
    const {
      filters,
      kernelSize = 3,
      padding = 'valid',
      kernelInitializer = 'glorotUniform',
      useBias = true,
    } = this.config;
    if (inputShape.length !== 3)
      throw new ShapeError(this.name, 'images [height, width, channels]', showShape(inputShape));
    const [height, width] = typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize;
    const shape = [height, width, inputShape[2], filters];
    const { Y, X } = geometryOf([[1, ...inputShape], shape], padding);
    this.kernel = this.addWeight('kernel', shape, kernelInitializer);
    if (useBias) this.bias = this.addWeight('bias', [filters], 'zeros');
    return [Y, X, filters];
  }

  linear(x: Tensor, { gatherMoments }: CallOptions): Tensor {
    return this.convolve(x, { moments: this.activation === 'linear' && gatherMoments });
  }

  override call(x: Tensor, options: CallOptions): Tensor {
    if (this.activation !== 'relu') return super.call(x, options);
    return this.convolve(x, { activation: 'relu', moments: options.gatherMoments });
  }

  override fuse(next: Layer): ((x: Tensor, options: CallOptions) => Tensor) | undefined {
    const { activation } = this;
    if (!(next instanceof MaxPooling2d && next.poolSize === 2) || activation === 'softmax') return undefined;
    return (x, { gatherMoments: moments }) => this.convolve(x, { activation, maxPool: true, moments });
  }

  private convolve(x: Tensor, options: Conv2dOptions): Tensor {
    const { padding } = this.config;
    return conv2d(x, this.kernel.tensor, this.bias?.tensor, { padding, ...options });
  }
}
