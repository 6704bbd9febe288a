import { ShapeError } from '../errors.ts';
import { currentGpu } from '../tensor/device.ts';
import { RandomStream } from '../tensor/random.ts';
import { keep } from '../tensor/scope.ts';
import { type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import { type InitializerName, initializers } from './initializers.ts';

/** A weight of a layer. It exists without a GPU; its tensor is made when it is first used. */
export class Parameter {
  private made: Tensor | undefined;
  /** Values to start from instead of the initializer's: loaded before there was a tensor. */
  private loaded: Float32Array | undefined;

  /**
   * @param name `layer.weight`, unique in its model
   * @param trainable false for moving statistics: no gradient, no optimizer
   */
  constructor(
    readonly name: string,
    readonly shape: Shape,
    readonly trainable: boolean,
    private readonly initializer: InitializerName,
    private readonly seed: number,
  ) {}

  get size(): number {
    return sizeOf(this.shape);
  }

  get tensor(): Tensor {
    if (!this.made) {
      const values =
        this.loaded ??
        initializers[this.initializer](this.shape, new RandomStream(this.seed, `initial ${this.name}`));
      // A weight outlives the step in which it is first used, recorded or not.
      this.made = currentGpu().unrecorded(() => keep(tensor(values, this.shape)));
      this.made.requiresGrad = this.trainable;
      this.loaded = undefined;
    }
    return this.made;
  }

  /** Reads the values. */
  async data(): Promise<Float32Array> {
    return (await this.tensor.data()) as Float32Array;
  }

  /** Replaces the values. @throws ShapeError unless there are as many. */
  set(values: Float32Array): void {
    if (values.length !== this.size)
      throw new ShapeError(
        this.name,
        `${this.size} values for shape ${showShape(this.shape)}`,
        `${values.length}`,
      );
    if (this.made) this.made.storage.gpu.write(this.made.storage.buffer, values);
    else this.loaded = values.slice();
  }

  dispose(): void {
    this.made?.dispose();
    this.made = undefined;
  }
}
