import { adjustBrightness } from '../kernels/adjustBrightness.ts';
import { drawAffine, type ShiftRange } from '../kernels/drawAffine.ts';
import { drawBoxes } from '../kernels/drawBoxes.ts';
import { drawPerspective } from '../kernels/drawPerspective.ts';
import { drawUniform } from '../kernels/drawUniform.ts';
import { eraseImages } from '../kernels/eraseImages.ts';
import { warpImages } from '../kernels/warpImages.ts';
import { scope } from '../tensor/scope.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Augmentation, ImageDataGeneratorOptions, TorchvisionTransform } from './augmentation.ts';

/** What a byte of 255 is in the images that an augmentation works on: Keras augments bytes, torchvision images of 0 .. 1. */
export const workingScale = ({ kind }: Augmentation): number => (kind === 'imageDataGenerator' ? 255 : 1);

/**
 * Augments a batch at random.
 *
 * @param images f32 [N, H, W, C], at `workingScale`
 * @param draw the random words: `RandomStream.drawTensor()`
 * @returns the shape of images, at the same scale
 */
export function augmentImages(images: Tensor, augmentation: Augmentation, draw: Tensor): Tensor {
  return scope(() =>
    augmentation.kind === 'imageDataGenerator'
      ? generate(images, augmentation, draw)
      : augmentation.transforms.reduce(
          (x, transform, i) => applyTransform(x, transform, draw, 2 * i),
          images,
        ),
  );
}

/** Whether the images' pixels move. */
const moves = (options: ImageDataGeneratorOptions): boolean =>
  Boolean(
    options.widthShiftRange ||
      options.heightShiftRange ||
      options.rotationRange ||
      options.shearRange ||
      options.zoomRange ||
      options.horizontalFlip ||
      options.verticalFlip,
  );

function shiftRange(range: number | undefined, size: number): ShiftRange | undefined {
  if (!range) return undefined;
  if (Number.isInteger(range)) return { whole: range };
  return { pixels: range < 1 ? range * size : range };
}

// Purposes of the draws.
const GEOMETRY = 0;
const BRIGHTNESS = 1;
const BOXES = 2;
const NOISE = 3;

function generate(images: Tensor, options: ImageDataGeneratorOptions, draw: Tensor): Tensor {
  const [N, H, W] = images.shape;
  let x = images;
  if (moves(options)) {
    const { rotationRange = 0, shearRange: shear, zoomRange = 0, fillMode = 'nearest', cval: fill } = options;
    const transforms = drawAffine(draw, N, {
      // Half a pixel more than the middle, and a whole one more than the centre of the pixels: that is keras-preprocessing 1.1.0.
      centre: [H / 2 + 0.5, W / 2 + 0.5],
      rotation: [-rotationRange, rotationRange],
      shear,
      zoom: typeof zoomRange === 'number' ? [1 - zoomRange, 1 + zoomRange] : zoomRange,
      rows: shiftRange(options.heightShiftRange, H),
      columns: shiftRange(options.widthShiftRange, W),
      flipColumns: options.horizontalFlip ? 0.5 : 0,
      flipRows: options.verticalFlip ? 0.5 : 0,
      purpose: GEOMETRY,
    });
    x = warpImages(x, transforms, { fillMode, fill });
  }
  if (options.brightnessRange)
    x = adjustBrightness(x, drawUniform(draw, N, options.brightnessRange, BRIGHTNESS));
  if (options.eraser) {
    const {
      p = 0.5,
      area = [0.02, 0.4],
      ratio = [0.3, 1 / 0.3],
      value = [0, 255],
      pixelLevel,
    } = options.eraser;
    const box = { height: H, width: W, p, share: area, ratio, value } as const;
    const boxes = drawBoxes(draw, N, { ...box, rule: 'eraser', purpose: BOXES });
    x = eraseImages(x, boxes, pixelLevel ? { noise: { draw, range: value, purpose: NOISE } } : {});
  }
  return x;
}

function applyTransform(x: Tensor, transform: TorchvisionTransform, draw: Tensor, purpose: number): Tensor {
  const [N, height, width] = x.shape;
  const centre = [(height - 1) / 2, (width - 1) / 2] as const;
  switch (transform.kind) {
    case 'randomHorizontalFlip':
      return warpImages(x, drawAffine(draw, N, { centre, flipColumns: transform.p ?? 0.5, purpose }), {
        interpolation: 'nearest',
      });
    case 'randomVerticalFlip':
      return warpImages(x, drawAffine(draw, N, { centre, flipRows: transform.p ?? 0.5, purpose }), {
        interpolation: 'nearest',
      });
    case 'randomRotation': {
      const { degrees, fill } = transform;
      const [low, high] = typeof degrees === 'number' ? [-degrees, degrees] : degrees;
      // Counter-clockwise, where drawAffine's angles turn clockwise.
      const rotations = drawAffine(draw, N, { centre, rotation: [-high, -low], purpose });
      return warpImages(x, rotations, { interpolation: 'nearest', fill });
    }
    case 'randomPerspective': {
      const { distortionScale = 0.5, p = 0.5, fill } = transform;
      const perspectives = drawPerspective(draw, N, { height, width, distortionScale, p, purpose });
      return warpImages(x, perspectives, { fillMode: 'blend', fill, projective: true });
    }
    case 'randomErasing': {
      const { p = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3], value = 0 } = transform;
      const box = { height, width, p, share: scale, ratio, value: [value, value] } as const;
      return eraseImages(x, drawBoxes(draw, N, { ...box, rule: 'torchvision', purpose }));
    }
  }
}
