import { checkOptions, showValue } from '../checks.ts';
import { ShapeError, WeftError } from '../errors.ts';
import { nearestName } from '../nearestName.ts';
import type { RandomStream } from '../tensor/random.ts';
import { type Shape, sameShape, showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Activation, activationFunction, activationNames, isActivation } from './activations.ts';
import type { InitializerName } from './initializers.ts';
import { Parameter, type ParameterOptions, type ParameterOwner } from './parameter.ts';
import { SymbolicTensor } from './symbolic.ts';

export type { Activation };

/** How a model runs. */
export interface CallOptions {
  /** Dropout drops and batch-norm uses the batch's statistics (and updates the moving ones). Default false. */
  training?: boolean;
  /** Batch-norm uses and updates by the batch's statistics, dropout or not. Default: as `training`. */
  batchStatistics?: boolean;
  /** Whether what batch-norm finds in the batch goes into its moving statistics. Default true. */
  updateStatistics?: boolean;
  /** The next layer needs the moments of this one's output: a layer that can gathers them as it writes it. Set by the model. */
  gatherMoments?: boolean;
}

/** Options that every layer takes. */
export interface LayerConfig {
  /** The name in summaries and files, unique in its model. Default: the kind, numbered as Keras does. */
  name?: string;
}

/** A penalty on a weight that Keras calls a regularizer: `l2` times the sum of its squares is added to the loss. */
export interface Regularizer {
  l2: number;
}

/** What a layer says of a weight that it adds. */
export type WeightOptions = Omit<ParameterOptions, 'initializer'> & { regularizer?: Regularizer };

/**
 * One layer. `config` is plain data, from which the layer can be made again.
 *
 * @example
 * ```ts
 * import { Layer, layers, mul, relu, type Shape, sequential, type Tensor } from 'weft-gpu';
 *
 * // A layer of one's own: relu(x * scale), one scale a channel.
 * class Scaled extends Layer {
 *   protected makeWeights(inputShape: Shape): Shape {
 *     this.addWeight('scale', inputShape.slice(-1), 'ones');
 *     return inputShape;
 *   }
 *   linear(x: Tensor): Tensor {
 *     return relu(mul(x, this.parameters[0].tensor));
 *   }
 * }
 * const model = sequential([layers.dense({ units: 3 }), new Scaled('scaled', {})], { inputShape: [4] });
 * console.log(model.layers.map(({ name }) => name)); // [ 'dense', 'scaled' ]
 * ```
 */
export abstract class Layer<Config extends object = object> implements ParameterOwner {
  readonly parameters: Parameter[] = [];
  /** Values that are used as weights and are none: the ones that take the place of a gamma, for one. */
  private readonly constants: Parameter[] = [];
  /** L2 penalties: weight and factor. */
  readonly penalties: { parameter: Parameter; l2: number }[] = [];
  /** Of the input that it was last put on, and of what comes out: without the batch. */
  inputShape: Shape = [];
  outputShape: Shape = [];
  /** False freezes the layer: no gradients, no updates, and batch-norm stays in inference mode. May be changed between training runs. */
  trainable = true;
  /** The source of randomness of a layer that has one: its position is part of a checkpoint. */
  get randomStream(): RandomStream | undefined {
    return undefined;
  }
  private membership: { readonly name: string; readonly seed: number } | undefined;

  /** @throws WeftError naming the option whose value the layer can't take */
  constructor(
    /** The layer's name in `layers`. */
    readonly kind: string,
    readonly config: Config & LayerConfig,
  ) {
    const { name } = checkOptions(kind, config, "{ name: 'first' }");
    if (name !== undefined && (typeof name !== 'string' || name === ''))
      throw new WeftError(`${this.kindName}: name must be a text, got ${showValue(name)}`);
    this.checkConfig();
  }

  /** Looks at the values of the layer's own options, before there is an input. @throws WeftError naming the one that is wrong */
  protected checkConfig(): void {
    const { activation } = this;
    if (isActivation(activation)) return;
    const nearest = typeof activation === 'string' ? nearestName(activation, activationNames) : undefined;
    throw new WeftError(
      `${this.name}: expected an activation of ${activationNames.join(', ')} or { leakyRelu: slope }, got ${showValue(activation)}${nearest === undefined ? '' : `; the nearest is '${nearest}'`}`,
    );
  }

  /** The name in summaries and files. */
  get name(): string {
    return this.membership?.name ?? this.config.name ?? this.kindName;
  }

  /** The kind as Keras writes it in names: `max_pooling2d`. */
  get kindName(): string {
    return this.kind.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
  }

  /** The model's, which decides initial weights and what dropout drops. */
  get seed(): number {
    return this.membership?.seed ?? 0;
  }

  /** Whether it takes several inputs. */
  get merges(): boolean {
    return false;
  }

  /** Makes the layer part of a model. @throws WeftError where it is part of one already. */
  join(membership: { name: string; seed: number }): void {
    if (this.membership) throw new WeftError(`layer ${this.name} is already part of a model: make a new one`);
    this.membership = membership;
  }

  /**
   * Puts the layer on inputs of these shapes (without the batch): makes its weights, the first time, and returns the shape of the
   * output. Needs no GPU.
   * @throws ShapeError where they don't suit the layer, or weights that it has already.
   */
  build(inputShapes: readonly Shape[]): Shape {
    if (inputShapes.length !== 1 && !(this.merges && inputShapes.length > 0))
      throw new ShapeError(
        this.name,
        this.merges ? 'one input or more' : 'one input',
        `${inputShapes.length}`,
      );
    const [first, ...more] = inputShapes;
    this.inputShape = first;
    this.outputShape = this.makeWeights(first, ...more);
    return this.outputShape;
  }

  /**
   * The layer on symbolic inputs, in a functional model. Called again, it shares its weights.
   * @throws ShapeError where they don't suit the layer; WeftError where they are none
   */
  apply(inputs: SymbolicTensor | readonly SymbolicTensor[]): SymbolicTensor {
    const list = inputs instanceof SymbolicTensor ? [inputs] : inputs;
    if (!Array.isArray(list) || !list.every((input) => input instanceof SymbolicTensor))
      throw new WeftError(
        `${this.name}: apply() takes what input() or another layer's apply() gives, got ${showValue(inputs)}`,
      );
    return new SymbolicTensor(this.build(list.map(({ shape }) => shape)), { layer: this, inputs: list });
  }

  /** Makes the weights for inputs of this shape (without the batch) by `addWeight`, and returns the shape of the output. */
  protected abstract makeWeights(inputShape: Shape, ...more: Shape[]): Shape;

  /** The layer's output before its activation. */
  abstract linear(x: Tensor, options: CallOptions, ...more: Tensor[]): Tensor;

  /** Multiply-adds for one sample, of the products that a forward pass by the direct method is made of. */
  multiplyAdds(_inputShape: Shape, _outputShape: Shape): number {
    return 0;
  }

  /** Whether this layer needs the moments of its input's channels. */
  needsMoments(_options: CallOptions): boolean {
    return false;
  }

  /** The activation after `linear`. */
  get activation(): Activation {
    return (this.config as { activation?: Activation }).activation ?? 'linear';
  }

  /** The layer's output for a batch, with its activation. */
  call(x: Tensor, options: CallOptions, ...more: Tensor[]): Tensor {
    const y = this.linear(x, options, ...more);
    return y === x ? activationFunction(this.activation)(x) : this.activate(y);
  }

  /** Applies the activation, in place of what it is given. */
  protected activate(y: Tensor): Tensor {
    const activated = activationFunction(this.activation)(y);
    if (activated !== y) y.dispose();
    return activated;
  }

  /** This layer and the one after it as one, where a single pass computes both. Undefined: they run one after the other. */
  fuse(_next: Layer): ((x: Tensor, options: CallOptions) => Tensor) | undefined {
    return undefined;
  }

  /** Makes a weight, or finds the one that an earlier `build` made. */
  protected addWeight(
    name: string,
    shape: Shape,
    initializer: InitializerName,
    options: WeightOptions = {},
  ): Parameter {
    return this.made(this.parameters, name, shape, initializer, options);
  }

  /** As `addWeight`, for values that belong to no file, count or gradient. */
  protected addConstant(name: string, shape: Shape, initializer: InitializerName): Parameter {
    return this.made(this.constants, name, shape, initializer, { trainable: false });
  }

  /** Frees the weights. The layer can't be used again. */
  dispose(): void {
    for (const parameter of [...this.parameters, ...this.constants]) parameter.dispose();
  }

  private made(
    among: Parameter[],
    name: string,
    shape: Shape,
    initializer: InitializerName,
    { regularizer, ...options }: WeightOptions,
  ): Parameter {
    const known = among.find(({ ownName }) => ownName === name);
    if (known && !sameShape(known.shape, shape))
      throw new ShapeError(
        this.name,
        `inputs for its ${name} ${showShape(known.shape)}, made for the first`,
        `others, for ${showShape(shape)}`,
      );
    if (known) return known;
    const parameter = new Parameter(this, name, shape, { initializer, ...options });
    among.push(parameter);
    if (regularizer) this.penalties.push({ parameter, l2: regularizer.l2 });
    return parameter;
  }
}
