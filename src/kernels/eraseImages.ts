import { ShapeError } from '../errors.ts';
import { kernelFamily } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { showShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { IMAGE_DRAWS_WGSL, imageDrawUniforms, type Purpose, purposeOffset } from './shared/imageDraws.ts';

/*
 * A box of each image is filled.
 *
 * x [N,H,W,C], boxes [N,5]: top, left, height, width, value
 *   y[n,r,v,c] = value[n], or noise[n,r,v,c], where top <= r < top + height and left <= v < left + width; else x[n,r,v,c]
 *
 * noise is uniform over a range. Element e of an image (row, column, channel) reads word e mod 4 of its block floor(e / 4).
 */

/** Numbers that a box takes. */
export const BOX_SIZE = 5;

const LANES = 64;

const eraseKernel = kernelFamily(({ noise }: { noise: boolean }) => ({
  name: noise ? 'erase-images-noise' : 'erase-images',
  lanes: LANES,
  read: { x: 'f32', boxes: 'f32', ...(noise ? { draw: 'vec4u' as const } : {}) },
  write: { y: 'f32' },
  uniforms: {
    W: 'u32',
    C: 'u32',
    size: 'u32',
    ...(noise ? { ...imageDrawUniforms, low: 'f32', high: 'f32' } : {}),
  },
  declarations: noise ? IMAGE_DRAWS_WGSL : '',
  body: `
    let box = workgroup * ${BOX_SIZE}u;
    let top = u32(boxes[box]);
    let left = u32(boxes[box + 1u]);
    let bottom = top + u32(boxes[box + 2u]);
    let right = left + u32(boxes[box + 3u]);
    let filling = boxes[box + 4u];
    for (var e = lane; e < u.size; e += ${LANES}u) {
      let column = e / u.C % u.W;
      let row = e / (u.C * u.W);
      var value = x[workgroup * u.size + e];
      if (row >= top && row < bottom && column >= left && column < right) {
        value = ${noise ? 'between(u.low, u.high, words(u.first + workgroup, e / 4u)[e % 4u])' : 'filling'};
      }
      y[workgroup * u.size + e] = value;
    }`,
}));

/** Options of `eraseImages`. */
export interface EraseImagesOptions {
  /** Fills boxes with noise, drawn for each element, instead of the boxes' values: its lowest and highest value. */
  noise?: {
    /** The random words: `RandomStream.drawTensor()`. */
    draw: Tensor;
    range: readonly [number, number];
    /** Default 0. */
    purpose?: Purpose;
  };
}

const op = defineOp<{ range?: readonly [number, number]; purpose: Purpose }>({
  name: 'eraseImages',
  shape([x, boxes]) {
    if (x.length !== 4) throw new ShapeError('eraseImages', 'x [N, H, W, C]', showShape(x));
    if (boxes.length !== 2 || boxes[0] !== x[0] || boxes[1] !== BOX_SIZE)
      throw new ShapeError('eraseImages', `boxes [${x[0]}, ${BOX_SIZE}]`, showShape(boxes));
    return x;
  },
  forward({ inputs: [x, boxes, draw], attrs: { range, purpose }, output }) {
    const [N, H, W, C] = x.shape;
    const size = sizeOf([H, W, C]);
    launch(
      eraseKernel({ noise: draw !== undefined }),
      { x: split(x, size), boxes: split(boxes, BOX_SIZE), ...(draw && { draw }), y: split(output, size) },
      {
        items: N,
        workgroups: (items) => items,
        uniforms: {
          W,
          C,
          size,
          ...(range && { purpose: purposeOffset(purpose), low: range[0], high: range[1] }),
        },
      },
    );
  },
});

/**
 * Fills a box of each image with one value or with noise. No gradient flows through.
 *
 * @param x f32 [N, H, W, C]
 * @param boxes f32 [N, 5], as `drawBoxes` gives them
 * @returns the shape of x
 * @throws ShapeError
 */
export function eraseImages(x: Tensor, boxes: Tensor, { noise }: EraseImagesOptions = {}): Tensor {
  expectTensor('eraseImages', 'x', x, 'f32');
  expectTensor('eraseImages', 'boxes', boxes, 'f32');
  if (noise) expectTensor('eraseImages', 'draw', noise.draw, 'u32', [4]);
  return op(noise ? [x, boxes, noise.draw] : [x, boxes], {
    range: noise?.range,
    purpose: noise?.purpose ?? 0,
  });
}
