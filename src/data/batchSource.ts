import { ShapeError } from '../errors.ts';
import { mul } from '../kernels/binary.ts';
import { gather } from '../kernels/gather.ts';
import { gatherImages } from '../kernels/gatherImages.ts';
import { RandomStream } from '../tensor/random.ts';
import { keep, scope } from '../tensor/scope.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import { type Augmentation, checked, wholeShiftsAndFlips } from './augmentation.ts';
import { augmentImages, workingScale } from './augmentImages.ts';

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
  /** Frees the samples. */
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

/** How an `ImageSource` makes batches of its images. */
export interface ImageSourceOptions {
  /** What happens to training batches: `imageDataGenerator(...)` or `torchvisionTransforms([...])`. Default nothing. */
  readonly augment?: Augmentation;
  /** Decides the augmentation. Default 0. */
  readonly seed?: number;
  /** What a byte of 255 becomes: 1 by default; 255 leaves pixels as they are in the files. */
  readonly scale?: number;
  /** Channels of a batch's images: 3 repeats those of grey images, before the augmentation. Default: the set's. */
  readonly channels?: number;
}

/**
 * Images kept as bytes on the GPU; batches are gathered, augmented and scaled there.
 *
 * @example
 * ```ts
 * import { ImageSource, imageDataGenerator, tensor } from 'weft-gpu';
 *
 * const set = {
 *   images: new Uint8Array(2 * 8 * 8).fill(255),
 *   labels: Uint8Array.of(0, 1),
 *   ...{ count: 2, height: 8, width: 8, channels: 1 },
 *   classNames: ['day', 'night'],
 * };
 * const source = new ImageSource(set, { augment: imageDataGenerator({ horizontalFlip: true }), seed: 1 });
 * const { x, labels } = source.batch(tensor(Uint32Array.of(1)), false);
 * console.log(x.shape, await labels.data()); // [ 1, 8, 8, 1 ] Int32Array(1) [ 1 ]
 * ```
 */
export class ImageSource implements BatchSource {
  readonly count: number;
  readonly shape: Shape;
  readonly randomStreams: readonly RandomStream[];
  private readonly bytes: Tensor;
  private readonly labels: Tensor;
  private readonly repeat: number;
  private readonly scale: number;
  private readonly augment: Augmentation | undefined;

  /** @throws ShapeError; WeftError where the augmentation isn't one */
  constructor(
    private readonly set: ImageSet,
    { augment, seed = 0, scale = 1, channels = set.channels }: ImageSourceOptions = {},
  ) {
    const { images, labels, count, height, width } = set;
    this.count = count;
    this.shape = [height, width, channels];
    this.repeat = channels / set.channels;
    this.scale = scale;
    this.augment = augment && checked(augment);
    const size = height * width * set.channels;
    if (images.length !== count * size)
      throw new ShapeError(
        'ImageSource',
        `${count} images of ${showShape([height, width, set.channels])}`,
        `${images.length} bytes`,
      );
    if (labels.length !== count) throw new ShapeError('ImageSource', `${count} labels`, `${labels.length}`);
    if (channels !== set.channels && !(set.channels === 1 && Number.isInteger(channels) && channels >= 1))
      throw new ShapeError(
        'ImageSource',
        `${set.channels} channels, or grey images to repeat`,
        `${channels}`,
      );
    if (augment?.kind === 'imageDataGenerator' && augment.brightnessRange && channels !== 1 && channels !== 3)
      throw new ShapeError('ImageSource', '1 or 3 channels for a brightness', `${channels}`);
    const words = new Uint32Array(Math.ceil(images.length / 4));
    new Uint8Array(words.buffer).set(images);
    this.bytes = keep(tensor(words));
    this.labels = keep(tensor(Int32Array.from(labels)));
    this.randomStreams = augment ? [new RandomStream(seed, 'augmentation')] : [];
  }

  batch(indices: Tensor, training: boolean): Batch {
    return { x: this.images(indices, training), labels: gather(this.labels, indices) };
  }

  private images(indices: Tensor, training: boolean): Tensor {
    const { bytes, repeat, scale, augment } = this;
    const { height, width, channels } = this.set;
    const options = { height, width, channels, repeat };
    if (!training || !augment) return gatherImages(bytes, indices, { ...options, scale });
    return scope(() => {
      const draw = this.randomStreams[0].drawTensor();
      const simple = wholeShiftsAndFlips(augment);
      if (simple) return gatherImages(bytes, indices, { ...options, scale, augment: { draw, ...simple } });
      const from = workingScale(augment);
      const augmented = augmentImages(
        gatherImages(bytes, indices, { ...options, scale: from }),
        augment,
        draw,
      );
      return scale === from ? augmented : mul(augmented, scale / from);
    });
  }

  /** Frees the images. */
  dispose(): void {
    this.bytes.dispose();
    this.labels.dispose();
  }
}

/**
 * Samples of any shape as f32, for data that isn't 8-bit images.
 *
 * @example
 * ```ts
 * import { ArraySource, tensor } from 'weft-gpu';
 *
 * const source = new ArraySource(Float32Array.of(1, 2, 3, 4, 5, 6), [0, 1, 1], [2]);
 * const { x } = source.batch(tensor(Uint32Array.of(2, 0)));
 * await x.data(); // Float32Array [5, 6, 1, 2]
 * ```
 */
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

  /** Frees the samples. */
  dispose(): void {
    this.x.dispose();
    this.labels.dispose();
  }
}
