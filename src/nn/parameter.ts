import { ShapeError, WeftError } from '../errors.ts';
import { currentGpu, openGpu } from '../tensor/device.ts';
import { RandomStream } from '../tensor/random.ts';
import { readAtOnce } from '../tensor/readAtOnce.ts';
import { keep } from '../tensor/scope.ts';
import { type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import { Tensor, tensor } from '../tensor/tensor.ts';
import { type Fans, type InitializerName, initializers } from './initializers.ts';

/** What a parameter needs to know of the layer that it belongs to. */
export interface ParameterOwner {
  readonly name: string;
  readonly seed: number;
  /** Whether the layer is trained at all: false for a frozen one. */
  readonly trainable: boolean;
}

/** Bytes that no adapter passes: a GPU that isn't open yet is asked when the tensor is made. */
const LARGEST = { maxBufferSize: 2 ** 32, maxStorageBufferBindingSize: 2 ** 32 };

/** How a parameter begins, and whether it is trained. */
export interface ParameterOptions {
  readonly initializer: InitializerName;
  /** False for moving statistics: no gradient, no optimizer. Default true. */
  readonly trainable?: boolean;
  /** Inputs and outputs that one unit sees. Default: by the shape, `[kernel height, kernel width, inputs, outputs]` or less. */
  readonly fans?: Fans;
  /** Whether kernels bind it in one piece: not a product's, which is cut. Default false. */
  readonly boundWhole?: boolean;
}

/** A weight of a layer. It exists without a GPU; its tensor is made when it is first used. */
export class Parameter {
  private made: Tensor | undefined;
  private disposed = false;
  /** Values to start from instead of the initializer's: loaded before there was a tensor. */
  private loaded: Float32Array | undefined;

  constructor(
    private readonly owner: ParameterOwner,
    /** The name within its layer, as in Keras: `kernel`, `moving_mean`. */
    readonly ownName: string,
    readonly shape: Shape,
    private readonly options: ParameterOptions,
  ) {
    this.checkSize(openGpu()?.limits ?? LARGEST);
  }

  /** `layer.weight`, unique in its model. */
  get name(): string {
    return `${this.owner.name}.${this.ownName}`;
  }

  /** Number of values. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether it gets a gradient: never where it holds moving statistics, and not while its layer is frozen. */
  get trainable(): boolean {
    return this.owner.trainable && (this.options.trainable ?? true);
  }

  /** Whether a training pass changes it past the optimizer: moving statistics, while their layer isn't frozen. */
  get moving(): boolean {
    return this.owner.trainable && !(this.options.trainable ?? true);
  }

  /** The values on the GPU: made when first asked for, and the parameter's to dispose of. @throws WeftError after `dispose()` */
  get tensor(): Tensor {
    if (!this.made) {
      this.throwIfDisposed();
      this.checkSize(currentGpu().limits);
      const values = this.loaded ?? this.initialValues();
      // A weight outlives the step in which it is first used, recorded or not.
      this.made = currentGpu().unrecorded(() =>
        keep(tensor(values, this.shape)).called(`weight ${this.name}`),
      );
      this.loaded = undefined;
    }
    this.made.requiresGrad = this.trainable;
    return this.made;
  }

  /** Reads the values. Needs no GPU where none has had them yet. @throws WeftError after `dispose()` */
  async data(): Promise<Float32Array> {
    return (await readParameters([this]))[0];
  }

  /** @internal The values where they are: on the GPU, or a copy of those here while nothing has asked for a tensor. */
  get current(): Tensor | Float32Array {
    this.throwIfDisposed();
    return this.made ?? this.loaded?.slice() ?? this.initialValues();
  }

  /** Replaces the values. @throws ShapeError unless there are as many; WeftError after `dispose()`. */
  set(values: Float32Array): void {
    this.throwIfDisposed();
    if (values.length !== this.size)
      throw new ShapeError(
        this.name,
        `${this.size} values for shape ${showShape(this.shape)}`,
        `${values.length}`,
      );
    if (this.made) this.made.storage.gpu.write(this.made.storage.buffer, values);
    else this.loaded = values.slice();
  }

  /** Frees the values. It can't be used again. */
  dispose(): void {
    this.disposed = true;
    this.loaded = undefined;
    this.made?.dispose();
    this.made = undefined;
  }

  private throwIfDisposed(): void {
    if (this.disposed)
      throw new WeftError(`weight ${this.name} was used after the dispose() of its model or layer`);
  }

  /** @throws ShapeError where the GPU can't hold or bind the values: before they are drawn. */
  private checkSize({ maxBufferSize, maxStorageBufferBindingSize }: typeof LARGEST): void {
    const { boundWhole = false } = this.options;
    const most = boundWhole ? Math.min(maxBufferSize, maxStorageBufferBindingSize) : maxBufferSize;
    if (4 * this.size > most)
      throw new ShapeError(
        this.name,
        `at most ${Math.floor(most / 4)} values, which one ${boundWhole ? 'binding' : 'buffer'} of the GPU holds: take fewer units or filters, or a smaller input`,
        `${this.size} of shape ${showShape(this.shape)}`,
      );
  }

  private initialValues(): Float32Array {
    const { initializer, fans } = this.options;
    return initializers[initializer](
      this.shape,
      new RandomStream(this.owner.seed, `initial ${this.name}`),
      fans,
    );
  }
}

/** The values of parameters, and those of other tensors behind them, all as they are at the moment of the call; see `readAtOnce`. */
export async function readParameters(
  parameters: readonly Parameter[],
  more: readonly Tensor[] = [],
): Promise<Float32Array[]> {
  const current = [...parameters.map((parameter) => parameter.current), ...more];
  const read = await readAtOnce(current.filter((values) => values instanceof Tensor));
  return current.map((values) => (values instanceof Tensor ? (read.shift() as Float32Array) : values));
}
