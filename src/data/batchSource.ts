import { checkNumber, checkOptions, showValue } from '../checks.ts';
import { ShapeError, WeftError } from '../errors.ts';
import { mul } from '../kernels/binary.ts';
import { gather, gatherTable } from '../kernels/gather.ts';
import { gatherImageTable } from '../kernels/gatherImages.ts';
import { makeTable } from '../kernels/shared/table.ts';
import { currentGpu } from '../tensor/device.ts';
import { elementsOf, type Nested } from '../tensor/elements.ts';
import { RandomStream } from '../tensor/random.ts';
import { keep, scope } from '../tensor/scope.ts';
import { checkShape, type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import { asDType, type Tensor, type TypedArray, tensor } from '../tensor/tensor.ts';
import { type Augmentation, checked, wholeShiftsAndFlips } from './augmentation.ts';
import { augmentImages, workingScale } from './augmentImages.ts';
import { checkedLabels } from './labels.ts';

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
  /** Each sample's label, where they are at hand: `fit` and `evaluate` compare them with the number of the model's outputs. */
  readonly labels?: ArrayLike<number>;
  /** The samples at `indices` (u32 [N]); augmented, where the source augments, if `training`. */
  batch(indices: Tensor, training: boolean): Batch;
  /** Sources of the augmentation's randomness: their positions belong to a checkpoint. */
  readonly randomStreams: readonly RandomStream[];
  /** Frees the samples. */
  dispose(): void;
}

/** 8-bit images with labels, as data-set files hold them: row-major [count, height, width, channels], pixels from 0 to 255. */
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
  readonly labels: Int32Array;
  private readonly bytes: readonly Tensor[];
  private readonly classes: Tensor;
  private readonly repeat: number;
  private readonly scale: number;
  private readonly augment: Augmentation | undefined;

  /** @throws ShapeError; WeftError where pixels aren't bytes, a label is no class number, or the augmentation isn't one */
  constructor(
    private readonly set: ImageSet,
    { augment, seed = 0, scale = 1, channels = set?.channels }: ImageSourceOptions = {},
  ) {
    const { images, count, height, width } = checkOptions('ImageSource', set, '{ images, labels, count, … }');
    for (const name of ['count', 'height', 'width', 'channels'] as const)
      checkNumber('ImageSource', name, set[name], { from: 1, whole: true });
    checkNumber('ImageSource', 'scale', scale, { above: 0 });
    if (![Uint8Array, Uint8ClampedArray].some((kind) => (images as object) instanceof kind))
      throw new WeftError(
        `ImageSource: images must be bytes from 0 to 255 in a Uint8Array, got ${showValue(images)}; ArraySource takes other numbers`,
      );
    this.labels = checkedLabels('ImageSource', set.labels);
    this.count = count;
    this.shape = [height, width, channels];
    this.repeat = channels / set.channels;
    this.scale = scale;
    this.augment = augment && checked(augment);
    const size = height * width * set.channels;
    if (images.length !== count * size)
      throw new ShapeError(
        'ImageSource',
        `${count} images of ${showShape([height, width, set.channels])}, ${count * size} bytes`,
        `${images.length} bytes`,
      );
    if (this.labels.length !== count)
      throw new ShapeError('ImageSource', `${count} labels`, `${this.labels.length}`);
    const classes = set.classNames?.length || Number.POSITIVE_INFINITY;
    const unnamed = this.labels.findIndex((label) => label >= classes);
    if (unnamed >= 0)
      throw new WeftError(
        `ImageSource: sample ${unnamed} has label ${this.labels[unnamed]}; by classNames there are ${classes} classes, from 0 to ${classes - 1}`,
      );
    if (channels !== set.channels && !(set.channels === 1 && Number.isInteger(channels) && channels >= 1))
      throw new ShapeError(
        'ImageSource',
        `${set.channels} channels, or grey images to repeat`,
        `${channels}`,
      );
    if (augment?.kind === 'imageDataGenerator' && augment.brightnessRange && channels !== 1 && channels !== 3)
      throw new ShapeError('ImageSource', '1 or 3 channels for a brightness', `${channels}`);
    this.bytes = makeTable('ImageSource', currentGpu(), count, size, (from, to) => {
      const words = new Uint32Array(Math.ceil(((to - from) * size) / 4));
      new Uint8Array(words.buffer).set(images.subarray(from * size, to * size));
      return keep(tensor(words));
    });
    this.classes = keep(tensor(this.labels));
    this.randomStreams = augment ? [new RandomStream(seed, 'augmentation')] : [];
  }

  batch(indices: Tensor, training: boolean): Batch {
    return { x: this.images(indices, training), labels: gather(this.classes, indices) };
  }

  private images(indices: Tensor, training: boolean): Tensor {
    const { bytes, repeat, scale, augment } = this;
    const { height, width, channels } = this.set;
    const options = { height, width, channels, repeat };
    if (!training || !augment) return gatherImageTable(bytes, indices, { ...options, scale });
    return scope(() => {
      const draw = this.randomStreams[0].drawTensor();
      const simple = wholeShiftsAndFlips(augment);
      if (simple)
        return gatherImageTable(bytes, indices, { ...options, scale, augment: { draw, ...simple } });
      const from = workingScale(augment);
      const augmented = augmentImages(
        gatherImageTable(bytes, indices, { ...options, scale: from }),
        augment,
        draw,
      );
      return scale === from ? augmented : mul(augmented, scale / from);
    });
  }

  /** Frees the images. */
  dispose(): void {
    for (const part of this.bytes) part.dispose();
    this.classes.dispose();
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
  readonly labels: Int32Array;
  private readonly x: readonly Tensor[];
  private readonly classes: Tensor;

  /**
   * @param x the samples one after another, `labels.length` of them with the given shape; other numbers than f32 are made so
   * @param labels class numbers from 0
   * @throws ShapeError; WeftError naming the first label that is no class number
   */
  constructor(
    x: Nested | TypedArray,
    labels: ArrayLike<number>,
    readonly shape: Shape,
  ) {
    checkShape('ArraySource', shape);
    this.labels = checkedLabels('ArraySource', labels);
    this.count = this.labels.length;
    if (this.count === 0) throw new WeftError('ArraySource: there are no samples, labels is empty');
    const values = asDType('ArraySource', elementsOf('ArraySource', x).values, 'f32');
    const size = this.count * sizeOf(shape);
    if (values.length !== size)
      throw new ShapeError(
        'ArraySource',
        `${this.count} samples of ${showShape(shape)}, ${size} numbers, as there are labels`,
        `${values.length}`,
      );
    const width = sizeOf(shape);
    this.x = makeTable('ArraySource', currentGpu(), this.count, 4 * width, (from, to) =>
      keep(tensor(values.subarray(from * width, to * width), [to - from, ...shape])),
    );
    this.classes = keep(tensor(this.labels));
  }

  batch(indices: Tensor): Batch {
    return { x: gatherTable(this.x, indices), labels: gather(this.classes, indices) };
  }

  /** Frees the samples. */
  dispose(): void {
    for (const part of this.x) part.dispose();
    this.classes.dispose();
  }
}
