import { ShapeError } from '../errors.ts';
import { kernelFamily } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { BOX_SIZE } from './eraseImages.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { IMAGE_DRAWS_WGSL, imageDrawUniforms, type Purpose, purposeOffset } from './shared/imageDraws.ts';

/*
 * A random box to erase in each image of H x W, with probability p. Of a share s of the area and a ratio r of height to width, both
 * uniform over their ranges,
 *   h = sqrt(s H W r),  w = sqrt(s H W / r)
 *
 * rule       | r            | h, w       | place                              | redrawn                           | tries
 * eraser     | uniform      | rounded down | uniform over the whole image     | until the box lies in the image   | 64
 * torchvision| log-uniform  | rounded    | uniform over where the box fits    | until h < H and w < W             | 10
 *
 * `eraser` is the cutout of github.com/yu4u/cutout-random-erasing, which redraws for ever: where 64 tries find no box, nothing is erased
 * (with its defaults once in some 10^8 images). torchvision's RandomErasing does so after 10.
 *
 * Block 0: word 0 decides, word 1 gives the value that fills the box. Try t reads block t: share, ratio and the place, which is
 * (column, row) for `eraser` and (row, column) for torchvision.
 */

/** How the size of a box is drawn. */
export type BoxRule = 'eraser' | 'torchvision';

const TRIES = { eraser: 64, torchvision: 10 } as const;

const boxKernel = kernelFamily(({ rule }: { rule: BoxRule }) => ({
  name: `draw-boxes-${rule}`,
  lanes: 64,
  read: { draw: 'vec4u' },
  write: { boxes: 'f32' },
  uniforms: {
    ...imageDrawUniforms,
    H: 'u32',
    W: 'u32',
    p: 'f32',
    shareLow: 'f32',
    shareHigh: 'f32',
    ratioLow: 'f32',
    ratioHigh: 'f32',
    valueLow: 'f32',
    valueHigh: 'f32',
  },
  declarations: IMAGE_DRAWS_WGSL,
  body: `
    if (item >= u.items) { return; }
    let first = words(u.first + item, 0u);
    var top = 0u;
    var left = 0u;
    var height = 0u;
    var width = 0u;
    if (happens(u.p, first.x)) {
      for (var t = 1u; t <= ${TRIES[rule]}u; t++) {
        let drawn = words(u.first + item, t);
        let area = between(u.shareLow, u.shareHigh, drawn.x) * f32(u.H * u.W);
        ${
          rule === 'eraser'
            ? `
        let ratio = between(u.ratioLow, u.ratioHigh, drawn.y);
        let h = u32(sqrt(area * ratio));
        let w = u32(sqrt(area / ratio));
        left = drawn.z % u.W;
        top = drawn.w % u.H;
        let fits = left + w <= u.W && top + h <= u.H;`
            : `
        let ratio = exp(between(u.ratioLow, u.ratioHigh, drawn.y));
        let h = u32(round(sqrt(area * ratio)));
        let w = u32(round(sqrt(area / ratio)));
        let fits = h < u.H && w < u.W;
        top = drawn.z % (max(u.H, h) - h + 1u);
        left = drawn.w % (max(u.W, w) - w + 1u);`
        }
        if (fits) {
          height = h;
          width = w;
          break;
        }
      }
    }
    let at = item * ${BOX_SIZE}u;
    boxes[at] = f32(top);
    boxes[at + 1u] = f32(left);
    boxes[at + 2u] = f32(height);
    boxes[at + 3u] = f32(width);
    boxes[at + 4u] = between(u.valueLow, u.valueHigh, first.y);`,
}));

/** Options of `drawBoxes`. */
export interface DrawBoxesOptions {
  height: number;
  width: number;
  rule: BoxRule;
  /** Probability that an image gets a box. */
  p: number;
  /** Share of the image's area: lowest, highest. */
  share: readonly [number, number];
  /** Height over width: lowest, highest; above 0. */
  ratio: readonly [number, number];
  /** What fills a box: lowest, highest. */
  value: readonly [number, number];
  /** Default 0. */
  purpose?: Purpose;
}

const op = defineOp<DrawBoxesOptions & { count: number }>({
  name: 'drawBoxes',
  shape: (_, { count }) => [count, BOX_SIZE],
  forward({ inputs: [draw], attrs, output }) {
    const { count, height: H, width: W, rule, p, share, value, purpose = 0 } = attrs;
    const [ratioLow, ratioHigh] = rule === 'torchvision' ? attrs.ratio.map(Math.log) : attrs.ratio;
    launch(
      boxKernel({ rule }),
      { draw, boxes: split(output, BOX_SIZE) },
      {
        items: count,
        uniforms: {
          purpose: purposeOffset(purpose),
          H,
          W,
          p,
          shareLow: share[0],
          shareHigh: share[1],
          ratioLow,
          ratioHigh,
          valueLow: value[0],
          valueHigh: value[1],
        },
      },
    );
  },
});

/**
 * Draws for each of `count` images the box that `eraseImages` fills.
 *
 * @param draw the random words: `RandomStream.drawTensor()`
 * @returns f32 [count, 5]: top, left, height and width in pixels (height and width 0: no box), and the value
 * @throws ShapeError
 */
export function drawBoxes(draw: Tensor, count: number, options: DrawBoxesOptions): Tensor {
  expectTensor('drawBoxes', 'draw', draw, 'u32', [4]);
  const { share, ratio } = options;
  if (!(share[0] >= 0 && ratio[0] > 0 && ratio[1] > 0))
    throw new ShapeError('drawBoxes', 'shares of at least 0 and ratios above 0', `${share} and ${ratio}`);
  return op([draw], { ...options, count });
}
