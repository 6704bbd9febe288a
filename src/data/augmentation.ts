import { showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';

/*
 * Augmentations as plain data, so that a manifest can hold them. Two libraries' words and semantics, which differ, both by name.
 */

/** Lowest and highest value. */
export type Range = readonly [number, number];

/** The cutout of github.com/yu4u/cutout-random-erasing, with its defaults. */
export interface EraserOptions {
  /** Probability that an image gets a box. Default 0.5. */
  readonly p?: number;
  /** Share of the image's area, uniform. Default [0.02, 0.4]. */
  readonly area?: Range;
  /** Height over width, uniform. Default [0.3, 1 / 0.3]. */
  readonly ratio?: Range;
  /** What fills the box, uniform, in units of a byte (before any scaling). Default [0, 255]. */
  readonly value?: Range;
  /** Draws a value for each pixel and channel instead of one for the box. Default false. */
  readonly pixelLevel?: boolean;
}

/** Keras' ImageDataGenerator, as keras-preprocessing 1.1.0 has it. All ranges default to none. */
export interface ImageDataGeneratorOptions {
  /**
   * A whole number n shifts by whole pixels: the size uniform over 0 .. n-1, the sign fair (so that 3 never shifts by 3). A fraction
   * below 1 is a share of the size, other numbers are pixels: uniform either way, sub-pixel.
   */
  readonly widthShiftRange?: number;
  readonly heightShiftRange?: number;
  /** Degrees either way. */
  readonly rotationRange?: number;
  /** Shear angle in degrees, either way. */
  readonly shearRange?: number;
  /** Factors of height and width, drawn apart: a range, or z for 1-z .. 1+z. Above 1 the content shrinks. */
  readonly zoomRange?: number | Range;
  /** Mirrors half of the images. */
  readonly horizontalFlip?: boolean;
  readonly verticalFlip?: boolean;
  /** Factor of the brightness, of the image stretched to 0 .. 255 and cut to whole grey levels (`adjustBrightness`). */
  readonly brightnessRange?: Range;
  /** What shows outside the image. Default 'nearest'. */
  readonly fillMode?: 'constant' | 'nearest' | 'reflect' | 'wrap';
  /** The value of fillMode 'constant', in units of a byte. Default 0. */
  readonly cval?: number;
  /** Erases a box after all else: a `preprocessing_function` in Keras, which runs before the images are scaled. */
  readonly eraser?: EraserOptions;
}

/** What `imageDataGenerator` makes: its options, checked. */
export interface ImageDataGenerator extends ImageDataGeneratorOptions {
  readonly kind: 'imageDataGenerator';
}

/** One transform of torchvision, of images scaled to 0 .. 1, with torchvision's defaults. */
export type TorchvisionTransform =
  | { readonly kind: 'randomHorizontalFlip' | 'randomVerticalFlip' /** Default 0.5. */; readonly p?: number }
  | {
      readonly kind: 'randomRotation';
      /** d for -d .. d, or a range; counter-clockwise. Nearest neighbour. */
      readonly degrees: number | Range;
      /** Default 0. */
      readonly fill?: number;
    }
  | {
      readonly kind: 'randomPerspective';
      /** How far corners move inward: 0 not at all, 1 up to the middle. Default 0.5. Bilinear. */
      readonly distortionScale?: number;
      /** Default 0.5. */
      readonly p?: number;
      /** Default 0. */
      readonly fill?: number;
    }
  | {
      readonly kind: 'randomErasing';
      /** Default 0.5. */
      readonly p?: number;
      /** Share of the area, uniform. Default [0.02, 0.33]. */
      readonly scale?: Range;
      /** Height over width, log-uniform. Default [0.3, 3.3]. */
      readonly ratio?: Range;
      /** What fills the box. Default 0. */
      readonly value?: number;
    };

/** What `torchvisionTransforms` makes: transforms, in the order in which they are applied. */
export interface TorchvisionTransforms {
  readonly kind: 'torchvisionTransforms';
  readonly transforms: readonly TorchvisionTransform[];
}

/** What happens at random to the images of a batch: plain JSON data. */
export type Augmentation = ImageDataGenerator | TorchvisionTransforms;

/**
 * An augmentation with the semantics of Keras' ImageDataGenerator (keras-preprocessing 1.1.0): one affine map (rotation, shift, shear
 * and zoom about its centre (H/2 + 0.5, W/2 + 0.5), linear interpolation), flips, brightness, the eraser; then the scaling.
 * @throws WeftError naming the option that is wrong.
 * @example
 * ```ts
 * import { imageDataGenerator } from 'weft-gpu';
 *
 * const augment = imageDataGenerator({ rotationRange: 10, widthShiftRange: 2, zoomRange: 0.1, horizontalFlip: true });
 * console.log(JSON.stringify(augment).length > 0); // true
 * ```
 */
export function imageDataGenerator(options: ImageDataGeneratorOptions): ImageDataGenerator {
  return checked({ kind: 'imageDataGenerator', ...options });
}

/**
 * An augmentation with the semantics of torchvision's transforms on tensors, in the list's order.
 * @throws WeftError naming the transform and the option that is wrong.
 * @example
 * ```ts
 * import { torchvisionTransforms } from 'weft-gpu';
 *
 * const augment = torchvisionTransforms([
 *   { kind: 'randomHorizontalFlip', p: 0.5 },
 *   { kind: 'randomRotation', degrees: 10 },
 *   { kind: 'randomErasing', p: 0.5 },
 * ]);
 * console.log(augment.transforms.length); // 3
 * ```
 */
export function torchvisionTransforms(transforms: readonly TorchvisionTransform[]): TorchvisionTransforms {
  return checked({ kind: 'torchvisionTransforms', transforms });
}

const MOST_TRANSFORMS = 128;

const NUMBER = { is: (x: unknown) => Number.isFinite(x), what: 'a number' };
const AT_LEAST_0 = { is: (x: unknown) => NUMBER.is(x) && (x as number) >= 0, what: 'a number of at least 0' };
const SHARE = { is: (x: unknown) => AT_LEAST_0.is(x) && (x as number) <= 1, what: 'a number from 0 to 1' };
const FLAG = { is: (x: unknown) => typeof x === 'boolean', what: 'true or false' };
const ABOVE_0 = { is: (x: unknown) => AT_LEAST_0.is(x) && x !== 0, what: 'a number above 0' };
const OBJECT = { is: (x: unknown) => typeof x === 'object' && x !== null, what: 'an object' };
const FILL_MODES = ['constant', 'nearest', 'reflect', 'wrap'];
const FILL_MODE = { is: (x: unknown) => FILL_MODES.includes(x as string), what: FILL_MODES.join(', ') };

interface Rule {
  readonly is: (x: unknown) => boolean;
  readonly what: string;
}

const rangeOf = ({ is, what }: Rule): Rule => ({
  is: (x) => Array.isArray(x) && x.length === 2 && x.every(is) && x[0] <= x[1],
  what: `[low, high], each ${what}`,
});
const either = (...rules: Rule[]): Rule => ({
  is: (x) => rules.some((rule) => rule.is(x)),
  what: rules.map(({ what }) => what).join(', or '),
});

const ERASER_RULES = {
  p: SHARE,
  area: rangeOf(SHARE),
  ratio: rangeOf(ABOVE_0),
  value: rangeOf(NUMBER),
  pixelLevel: FLAG,
};
const GENERATOR_RULES = {
  widthShiftRange: AT_LEAST_0,
  heightShiftRange: AT_LEAST_0,
  rotationRange: AT_LEAST_0,
  shearRange: AT_LEAST_0,
  zoomRange: either(SHARE, rangeOf(AT_LEAST_0)),
  horizontalFlip: FLAG,
  verticalFlip: FLAG,
  brightnessRange: rangeOf(AT_LEAST_0),
  fillMode: FILL_MODE,
  cval: NUMBER,
  eraser: OBJECT,
};
const TRANSFORM_RULES = {
  randomHorizontalFlip: { p: SHARE },
  randomVerticalFlip: { p: SHARE },
  randomRotation: { degrees: either(AT_LEAST_0, rangeOf(NUMBER)), fill: NUMBER },
  randomPerspective: { distortionScale: SHARE, p: SHARE, fill: NUMBER },
  randomErasing: { p: SHARE, scale: rangeOf(SHARE), ratio: rangeOf(ABOVE_0), value: NUMBER },
} satisfies Record<TorchvisionTransform['kind'], Record<string, Rule>>;

function checkOptions(where: string, options: object, rules: Readonly<Record<string, Rule>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (name === 'kind' || value === undefined) continue;
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!rule)
      throw new WeftError(`${where}: no option '${name}'; there are ${Object.keys(rules).join(', ')}`);
    if (!rule.is(value))
      throw new WeftError(`${where}: ${name} must be ${rule.what}, got ${showValue(value)}`);
  }
}

/** The augmentation itself, if it is one. @throws WeftError naming what is wrong, in data from a file too. */
export function checked<A extends Augmentation>(augmentation: A): A {
  const given: Augmentation = augmentation;
  if (given?.kind === 'imageDataGenerator') {
    checkOptions('imageDataGenerator', given, GENERATOR_RULES);
    if (given.eraser) checkOptions('imageDataGenerator: eraser', given.eraser, ERASER_RULES);
  } else if (given?.kind === 'torchvisionTransforms' && Array.isArray(given.transforms)) {
    if (given.transforms.length > MOST_TRANSFORMS)
      throw new WeftError(
        `torchvisionTransforms: at most ${MOST_TRANSFORMS} transforms, got ${given.transforms.length}`,
      );
    for (const [i, transform] of given.transforms.entries()) {
      const kind = (transform as TorchvisionTransform | null)?.kind;
      if (!kind || !Object.hasOwn(TRANSFORM_RULES, kind))
        throw new WeftError(
          `torchvisionTransforms: transform ${i} must be one of ${Object.keys(TRANSFORM_RULES).join(', ')}, got ${showValue(transform)}`,
        );
      checkOptions(`torchvisionTransforms: ${kind}`, transform, TRANSFORM_RULES[kind]);
      if (transform.kind === 'randomRotation' && transform.degrees === undefined)
        throw new WeftError('torchvisionTransforms: randomRotation: degrees must be given');
    }
  } else {
    throw new WeftError(
      `an augmentation is made by imageDataGenerator() or torchvisionTransforms(), got ${showValue(given)}`,
    );
  }
  return augmentation;
}

/**
 * The range of whole-pixel shifts, where the augmentation is those (zeros coming in, rows and columns alike) and perhaps horizontal
 * flips, nothing else: `gatherImages` does that by itself.
 */
export function wholeShiftsAndFlips(
  augmentation: Augmentation,
): { shift: number; flip: boolean } | undefined {
  if (augmentation.kind !== 'imageDataGenerator') return undefined;
  const {
    kind,
    widthShiftRange = 0,
    heightShiftRange = 0,
    horizontalFlip = false,
    fillMode,
    cval,
    ...rest
  } = augmentation;
  const others = Object.values(rest).some((value) => value !== undefined && value !== false && value !== 0);
  const shift = widthShiftRange;
  const zerosComeIn = shift <= 1 || (fillMode === 'constant' && !cval);
  if (others || heightShiftRange !== shift || !Number.isInteger(shift) || !zerosComeIn) return undefined;
  return { shift, flip: horizontalFlip };
}

/** An augmentation in a few words. */
export function describeAugmentation(augmentation: Augmentation): string {
  const parts =
    augmentation.kind === 'imageDataGenerator'
      ? generatorParts(augmentation)
      : torchvisionParts(augmentation);
  if (parts.length === 0) return 'no augmentation';
  return parts.length === 1 ? parts[0] : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

const pair = (range: Range): string => `${range[0]} to ${range[1]}`;

function generatorParts(options: ImageDataGeneratorOptions): string[] {
  const { widthShiftRange: width = 0, heightShiftRange: height = 0, zoomRange: zoom = 0, eraser } = options;
  const within = (range: number) =>
    range < 1 ? `${+(100 * range).toFixed(2)} %` : `${Number.isInteger(range) ? range - 1 : range} px`;
  const shifts =
    width === height
      ? [width && `shifts within ${within(width)}`]
      : [
          height && `vertical shifts within ${within(height)}`,
          width && `horizontal shifts within ${within(width)}`,
        ];
  return [
    ...shifts,
    options.rotationRange && `rotations within ${options.rotationRange}°`,
    options.shearRange && `shears within ${options.shearRange}°`,
    zoom && `zooms of ${pair(typeof zoom === 'number' ? [1 - zoom, 1 + zoom] : zoom)}`,
    options.horizontalFlip && 'flips',
    options.verticalFlip && 'vertical flips',
    options.brightnessRange && `brightness of ${pair(options.brightnessRange)}`,
    eraser && `erased boxes (${eraser.p ?? 0.5})`,
  ].filter((part): part is string => typeof part === 'string');
}

const torchvisionParts = ({ transforms }: TorchvisionTransforms): string[] =>
  transforms.map(describeTransform);

function describeTransform(transform: TorchvisionTransform): string {
  switch (transform.kind) {
    case 'randomHorizontalFlip':
      return `flips (${transform.p ?? 0.5})`;
    case 'randomVerticalFlip':
      return `vertical flips (${transform.p ?? 0.5})`;
    case 'randomRotation': {
      const { degrees } = transform;
      return typeof degrees === 'number' ? `rotations within ${degrees}°` : `rotations of ${pair(degrees)}°`;
    }
    case 'randomPerspective':
      return `perspectives of ${transform.distortionScale ?? 0.5} (${transform.p ?? 0.5})`;
    case 'randomErasing':
      return `erased boxes (${transform.p ?? 0.5})`;
  }
}
