import { ShapeError } from '../../errors.ts';
import { maxPool2d } from '../../kernels/maxPool2d.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Layer, type LayerConfig } from '../layer.ts';

export interface MaxPooling2dConfig extends LayerConfig {
  /** Height and width of a window; default 2. Windows don't overlap. */
  poolSize?: number;
}

export class MaxPooling2d extends Layer<MaxPooling2dConfig> {
  readonly poolSize = this.config.poolSize ?? 2;

  protected makeWeights(inputShape: Shape): Shape {
    const { poolSize } = this;
    if (inputShape.length !== 3)
      throw new ShapeError(this.name, 'images [height, width, channels]', showShape(inputShape));
    const [height, width, channels] = inputShape;
    if (height < poolSize || width < poolSize)
      throw new ShapeError(this.name, `images of at least ${poolSize}x${poolSize}`, showShape(inputShape));
    return [Math.floor(height / poolSize), Math.floor(width / poolSize), channels];
  }

  linear(x: Tensor): Tensor {
    return maxPool2d(x, { poolSize: this.poolSize });
  }
}
