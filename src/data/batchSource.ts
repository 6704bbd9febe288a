import { ShapeError } from '../errors.ts';
import { gather } from '../kernels/gather.ts';
import { gatherImages } from '../kernels/gatherImages.ts';
import { RandomStream } from '../tensor/random.ts';
import { keep } from '../tensor/scope.ts';
import { type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';

/** Inputs and integer class labels of some samples. */
export interface Batch {
  readonly x: Tensor;
  readonly labels: Tensor;
}

/** Samples in GPU memory, from which a step takes batches by their indices. Nothing of a batch passes through the CPU. */
export interface BatchSource {
  readonly count: number;
  /** Shape of one sample. */
  readonly shape: Shape;
  /** The samples at `indices` (u32 [N]); augmented, where the source augments, if `training`. */
  batch(indices: Tensor, training: boolean): Batch;
  /** Sources of the augmentation's randomness: their positions belong to a checkpoint. */
  readonly randomStreams: readonly RandomStream[];
  dispose(): void;
}

/** 8-bit images with labels, as data-set files hold them: row-major [count, height, width, channels]. */
export interface ImageSet {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classNames: readonly string[];
}

export interface Augmentation {
  /**
   * Whole-pixel shifts along each axis, zeros coming in: the size uniform over 0 .. shift-1, the sign fair, which is what Keras'
   * ImageDataGenerator does with integer ranges (keras-preprocessing 1.1.0).
   */
  shift: number;
  /** Mirrors half of the images, after the shift. */
  flip: boolean;
}

/** Images kept as bytes on the GPU; a batch is gathered, augmented and scaled to 0..1 by one kernel. */
export class ImageSource implements BatchSource {
  readonly count: number;
  readonly shape: Shape;
  readonly randomStreams: readonly RandomStream[];
  private readonly bytes: Tensor;
  private readonly labels: Tensor;

  constructor(
    private readonly set: ImageSet,
    private readonly options: { augment?: Augmentation; seed?: number } = {},
  ) {
    const { images, labels, count, height, width, channels } = set;
    this.count = count;
    this.shape = [height, width, channels];
    if (images.length !== count * sizeOf(this.shape))
      throw new ShapeError(
        'ImageSource',
        `${count} images of ${showShape(this.shape)}`,
        `${images.length} bytes`,
      );
    if (labels.length !== count) throw new ShapeError('ImageSource', `${count} labels`, `${labels.length}`);
    const words = new Uint32Array(Math.ceil(images.length / 4));
    new Uint8Array(words.buffer).set(images);
    this.bytes = keep(tensor(words));
    this.labels = keep(tensor(Int32Array.from(labels)));
    this.randomStreams = options.augment ? [new RandomStream(options.seed ?? 0, 'augmentation')] : [];
  }

  batch(indices: Tensor, training: boolean): Batch {
    const { height, width, channels } = this.set;
    const [stream] = this.randomStreams;
    const augment =
      training && this.options.augment ? { ...this.options.augment, draw: stream.drawTensor() } : undefined;
    return {
      x: gatherImages(this.bytes, indices, { height, width, channels, augment }),
      labels: gather(this.labels, indices),
    };
  }

  dispose(): void {
    this.bytes.dispose();
    this.labels.dispose();
  }
}

/** Samples of any shape as f32, for data that isn't 8-bit images. */
export class ArraySource implements BatchSource {
  readonly count: number;
  readonly randomStreams: readonly RandomStream[] = [];
  private readonly x: Tensor;
  private readonly labels: Tensor;

  /** @param x the samples one after another, `labels.length` of them with the given shape */
  constructor(
    x: Float32Array,
    labels: ArrayLike<number>,
    readonly shape: Shape,
  ) {
    this.count = labels.length;
    this.x = keep(tensor(x, [this.count, ...shape]));
    this.labels = keep(tensor(Int32Array.from(labels)));
  }

  batch(indices: Tensor): Batch {
    return { x: gather(this.x, indices), labels: gather(this.labels, indices) };
  }

  dispose(): void {
    this.x.dispose();
    this.labels.dispose();
  }
}
