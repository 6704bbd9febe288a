import { WeftError } from '../errors.ts';
import { relu } from '../kernels/relu.ts';
import { softmax } from '../kernels/softmax.ts';
import type { RandomStream } from '../tensor/random.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { InitializerName } from './initializers.ts';
import { Parameter } from './parameter.ts';

export type Activation = 'linear' | 'relu' | 'softmax';

/** How a model runs. */
export interface CallOptions {
  /** Dropout drops and batch-norm uses the batch's statistics (and updates the moving ones). Default false. */
  training?: boolean;
  /** Batch-norm uses and updates by the batch's statistics, dropout or not. Default: as `training`. */
  batchStatistics?: boolean;
  /** The next layer needs the moments of this one's output: a layer that can gathers them as it writes it. Set by the model. */
  gatherMoments?: boolean;
}

/** What a layer is given when its model is put together. */
export interface BuildContext {
  readonly name: string;
  readonly seed: number;
}

/** One layer. `config` is plain data, from which the layer can be made again. */
export abstract class Layer<Config extends object = object> {
  /** The name in summaries and files: the kind, numbered as Keras does. */
  name = '';
  readonly parameters: Parameter[] = [];
  inputShape: Shape = [];
  outputShape: Shape = [];
  /** The source of randomness of a layer that has one: its position is part of a checkpoint. */
  randomStream: RandomStream | undefined;
  /** L2 penalties: weight and factor. */
  readonly penalties: { parameter: Parameter; l2: number }[] = [];
  private seed = 0;

  constructor(
    /** The layer's name in `layers`. */
    readonly kind: string,
    readonly config: Config,
  ) {}

  /** Makes the weights for inputs of a shape (without the batch) and returns the shape of the outputs. Needs no GPU. */
  build(inputShape: Shape, { name, seed }: BuildContext): Shape {
    if (this.name !== '')
      throw new WeftError(`layer ${this.name} is already part of a model: make a new one`);
    this.name = name;
    this.seed = seed;
    this.inputShape = inputShape;
    this.outputShape = this.makeWeights(inputShape, seed);
    return this.outputShape;
  }

  protected abstract makeWeights(inputShape: Shape, seed: number): Shape;

  /** The layer's output before its activation. */
  abstract linear(x: Tensor, options: CallOptions): Tensor;

  /** Whether this layer needs the moments of its input's channels. */
  needsMoments(_options: CallOptions): boolean {
    return false;
  }

  /** The activation after `linear`. */
  get activation(): Activation {
    return (this.config as { activation?: Activation }).activation ?? 'linear';
  }

  call(x: Tensor, options: CallOptions): Tensor {
    const y = this.linear(x, options);
    if (this.activation === 'linear') return y;
    const activated = this.activation === 'relu' ? relu(y) : softmax(y);
    if (y !== x) y.dispose();
    return activated;
  }

  /** This layer and the one after it as one, where a single pass computes both. Undefined: they run one after the other. */
  fuse(_next: Layer): ((x: Tensor, options: CallOptions) => Tensor) | undefined {
    return undefined;
  }

  protected addWeight(name: string, shape: Shape, initializer: InitializerName, trainable = true): Parameter {
    const parameter = new Parameter(`${this.name}.${name}`, shape, trainable, initializer, this.seed);
    this.parameters.push(parameter);
    return parameter;
  }
}
