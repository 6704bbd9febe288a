import { ShapeError } from '../../errors.ts';
import { add } from '../../kernels/binary.ts';
import { concat } from '../../kernels/concat.ts';
import { type Shape, sameShape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Activation, type CallOptions, Layer, type LayerConfig } from '../layer.ts';

/** A layer over several inputs. */
abstract class Merge<Config extends object> extends Layer<Config> {
  override get merges(): boolean {
    return true;
  }
}

export interface AddConfig extends LayerConfig {
  /** Applied to the sum: 'relu' ends a residual block. */
  activation?: Activation;
}

export class Add extends Merge<AddConfig> {
  protected makeWeights(inputShape: Shape, ...more: Shape[]): Shape {
    for (const shape of more) {
      if (!sameShape(shape, inputShape))
        throw new ShapeError(
          this.name,
          `inputs of one shape, ${showShape(inputShape)} as the first`,
          showShape(shape),
        );
    }
    return inputShape;
  }

  linear(x: Tensor, _options: CallOptions, ...more: Tensor[]): Tensor {
    return more.reduce((total, term) => {
      const sum = add(total, term);
      if (total !== x) total.dispose();
      return sum;
    }, x);
  }
}

export class Concatenate extends Merge<LayerConfig> {
  protected makeWeights(inputShape: Shape, ...more: Shape[]): Shape {
    const rest = inputShape.slice(0, -1);
    for (const shape of more) {
      if (!sameShape(shape.slice(0, -1), rest))
        throw new ShapeError(
          this.name,
          `inputs that differ in channels only, as the first ${showShape(inputShape)}`,
          showShape(shape),
        );
    }
    const channels = [inputShape, ...more].reduce((total, shape) => total + shape[shape.length - 1], 0);
    return [...rest, channels];
  }

  linear(x: Tensor, _options: CallOptions, ...more: Tensor[]): Tensor {
    return more.length === 0 ? x : concat([x, ...more], -1);
  }
}
