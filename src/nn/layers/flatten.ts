import { reshape } from '../../kernels/reshape.ts';
import { type Shape, sizeOf } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Layer } from '../layer.ts';

export class Flatten extends Layer {
  protected makeWeights(inputShape: Shape): Shape {
    return [sizeOf(inputShape)];
  }

  linear(x: Tensor): Tensor {
    return reshape(x, [x.shape[0], sizeOf(x.shape.slice(1))]);
  }
}
