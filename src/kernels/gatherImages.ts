import { ShapeError } from '../errors.ts';
import { kernelFamily } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { PHILOX_WGSL } from '../tensor/random.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { SHIFT_WGSL } from './shared/imageDraws.ts';
import { tableParts } from './shared/table.ts';

/*
 * A batch from the bytes of a whole set: chosen, shifted by whole pixels, flipped, scaled to 0 .. 1.
 *
 * M images of H x W x C bytes, N indices, each channel K times; out [N,H,W,KC]
 *   shifted[n,h,v,c] = images[index[n], h - down[n], v - right[n], c mod C], 0 outside the image
 *   out[n,h,v,c]     = shifted[n, h, flip[n] ? W-1-v : v, c] * scale / 255
 *
 * The distribution is that of Keras' ImageDataGenerator with an integer shift range s: a magnitude from 0 ..
 * s-1, all equally likely, and a fair sign, rows and columns apart; then a flip with probability 1/2. Image n
 * of the batch draws block n: words 0 and 1 give `down` and `right` (magnitude: word mod s; sign: top bit),
 * the top bit of word 2 the flip.
 *
 * A workgroup an image, so that each lane draws once for many pixels.
 */

const LANES = 64;

const gatherKernel = kernelFamily(({ augment, unit }: { augment: boolean; unit: boolean }) => ({
  name: `gather-${augment ? 'augmented-' : ''}images${unit ? '' : '-scaled'}`,
  lanes: LANES,
  read: { bytes: 'u32', indices: 'u32', ...(augment ? { draw: 'vec4u' as const } : {}) },
  write: { images: 'f32' },
  uniforms: {
    begin: 'u32',
    rows: 'u32',
    skip: 'u32',
    M: 'u32',
    H: 'u32',
    W: 'u32',
    C: 'u32',
    K: 'u32',
    shift: 'u32',
    flip: 'u32',
    factor: 'f32',
  },
  declarations: augment ? `${PHILOX_WGSL}${SHIFT_WGSL}` : '',
  body: `
    let index = indices[workgroup];
    let own = index - u.begin;
    // An image of another part of the table; those past it are the first part's.
    if (own >= u.rows && !(u.begin == 0u && index >= u.M)) { return; }
    var down = 0;
    var right = 0;
    var flip = false;
    ${
      augment
        ? `
    let words = randomBlock(draw[0], u.first + workgroup);
    down = shiftOf(words.x, u.shift);
    right = shiftOf(words.y, u.shift);
    flip = u.flip != 0u && (words.z >> 31u) != 0u;`
        : ''
    }
    // An index that is no image shows as NaN.
    var nanBits = 0x7fc00000u;
    let background = select(bitcast<f32>(nanBits), 0.0, index < u.M);
    let channels = u.K * u.C;
    let size = u.H * u.W * channels;
    for (var e = lane; e < size; e += ${LANES}u) {
      let c = e % channels % u.C;
      let v = e / channels % u.W;
      let fromRow = i32(e / (channels * u.W)) - down;
      let fromColumn = i32(select(v, u.W - 1u - v, flip)) - right;
      var value = background;
      if (index < u.M && fromRow >= 0 && fromRow < i32(u.H) && fromColumn >= 0 && fromColumn < i32(u.W)) {
        let at = u.skip + ((own * u.H + u32(fromRow)) * u.W + u32(fromColumn)) * u.C + c;
        value = f32((bytes[at / 4u] >> (8u * (at % 4u))) & 255u) ${unit ? '/ 255.0' : '* u.factor'};
      }
      images[workgroup * size + e] = value;
    }`,
}));

interface Attributes {
  /** Tensors that hold the images. */
  readonly tensors: number;
  readonly image: Shape;
  readonly repeat: number;
  readonly scale: number;
  readonly shift: number;
  readonly flip: boolean;
}

const op = defineOp<Attributes>({
  name: 'gatherImages',
  shape(shapes, { tensors, image, repeat, shift }) {
    const [bytes, indices] = [shapes[0], shapes[tensors]];
    if (!image.every((n) => Number.isInteger(n) && n >= 1))
      throw new ShapeError('gatherImages', 'height, width and channels of at least 1', showShape(image));
    if (indices.length !== 1) throw new ShapeError('gatherImages', 'indices [N]', showShape(indices));
    if (!(Number.isInteger(shift) && shift >= 0))
      throw new ShapeError(
        'gatherImages',
        'a shift range that is a whole number of at least 0',
        String(shift),
      );
    const [H, W, C] = image;
    if (bytes.length !== 1 || bytes[0] * 4 < H * W * C)
      throw new ShapeError(
        'gatherImages',
        `bytes [words], at least one image of ${H}x${W}x${C}`,
        showShape(bytes),
      );
    if (!(Number.isInteger(repeat) && repeat >= 1))
      throw new ShapeError('gatherImages', 'channels repeated at least once', String(repeat));
    return [indices[0], H, W, C * repeat];
  },
  forward({ inputs, attrs: { tensors, image, repeat, scale, shift, flip }, output }) {
    const [table, [indices, draw]] = [inputs.slice(0, tensors), inputs.slice(tensors)];
    const [H, W, C] = image;
    const parts = tableParts(table, H * W * C);
    const M = parts.reduce((sum, { rows }) => sum + rows, 0);
    for (const { part, first, rows, skip } of parts)
      launch(
        gatherKernel({ augment: draw !== undefined, unit: scale === 1 }),
        {
          bytes: part,
          indices: split(indices, 1),
          ...(draw && { draw }),
          images: split(output, H * W * C * repeat),
        },
        {
          items: indices.size,
          workgroups: (items) => items,
          uniforms: {
            ...{ begin: first, rows, skip, M, H, W, C, K: repeat },
            shift: Math.max(shift, 1),
            flip: flip ? 1 : 0,
            factor: scale / 255,
          },
        },
      );
  },
});

/** Options of `gatherImages`. */
export interface GatherImagesOptions {
  height: number;
  width: number;
  channels: number;
  /** How often each image's channels come, one after the other: 3 makes grey images RGB. Default 1. */
  repeat?: number;
  /** What a byte of 255 becomes: 1 by default; 255 leaves the bytes as they are. */
  scale?: number;
  /** Random shifts and flips, drawn anew from `draw`; left out: the images as they are. */
  augment?: {
    /** The random words: `RandomStream.drawTensor()`. */
    draw: Tensor;
    /** Shifts are smaller than this, in rows and in columns: 3 gives -2 .. 2 pixels, 0 and 1 shift nothing. */
    shift: number;
    /** Whether half the images are mirrored, left to right. */
    flip: boolean;
  };
}

/**
 * Takes a batch of images from the bytes of a set, shifts and mirrors them at random where asked, and scales
 * them, to 0 .. 1 unless asked otherwise. What a shift leaves free is 0. No gradient flows through.
 *
 * @param bytes u32 [words]: the images' bytes (row, column, channel) one after the other, four a word, the
 *   first in the lowest bits
 * @param indices u32 [N]: which images; the images of an index past the last one are NaN
 * @returns f32 [N, height, width, channels * repeat]
 * @throws ShapeError
 */
export function gatherImages(bytes: Tensor, indices: Tensor, options: GatherImagesOptions): Tensor {
  return gatherImageTable([bytes], indices, options);
}

/** `gatherImages` of a set that lies in several tensors, one after the other, each of whole images. */
export function gatherImageTable(
  tensors: readonly Tensor[],
  indices: Tensor,
  { height, width, channels, repeat = 1, scale = 1, augment }: GatherImagesOptions,
): Tensor {
  for (const bytes of tensors) expectTensor('gatherImages', 'bytes', bytes, 'u32');
  expectTensor('gatherImages', 'indices', indices, 'u32');
  if (augment) expectTensor('gatherImages', 'draw', augment.draw, 'u32', [4]);
  return op([...tensors, indices, ...(augment ? [augment.draw] : [])], {
    tensors: tensors.length,
    image: [height, width, channels],
    repeat,
    scale,
    shift: augment?.shift ?? 0,
    flip: augment?.flip ?? false,
  });
}
