import { kernelFamily } from '../../../gpu/kernel.ts';
import { launch } from '../../../tensor/launch.ts';
import type { Tensor } from '../../../tensor/tensor.ts';
import { partOf } from '../chunks.ts';
import { type CotangentForm, cotangentBlock, cotangentReads, cotangentWgsl, formOf } from '../cotangent.ts';
import type { Cotangent } from '../geometry.ts';
import { type Chunk, type Convolution, tilesOf } from './tiles.ts';
import { type Filtering, transform } from './transforms.ts';

/*
 * The input's transform: V[xi, tile, c] = (B^T d B)[xi] for the t x t inputs d under each tile of m x m outputs, 0 outside the image.
 * What is transformed is an image or, for the input gradient, the gradient of the sum, read as it is folded. An invocation has four
 * channels of one tile.
 */

const LANES = 64;

interface Options {
  readonly filtering: Filtering;
  /** How it is read, and whether an odd number of zeros is before the image: a pooled window is loaded once for the tile. */
  readonly form: CotangentForm;
  readonly odd: boolean;
}

const extents = { Y: 'u.H', X: 'u.W', G: 'u.G', before: { dy: 'u.before', mask: 'u.maskBefore' } };

const inputKernel = kernelFamily(({ filtering, form, odd }: Options) => {
  const { m, t, BT } = filtering;
  const begins = odd ? 1 : 0;
  const { load, at } = cotangentBlock(form, extents, [t, t], [begins, begins]);
  return {
    name: 'winograd-input',
    lanes: LANES,
    read: cotangentReads(form),
    write: { V: 'vec4f' },
    uniforms: {
      H: 'u32',
      W: 'u32',
      G: 'u32',
      P: 'u32',
      down: 'u32',
      across: 'u32',
      rows: 'u32',
      before: 'u32',
      maskBefore: 'u32',
    },
    declarations: cotangentWgsl(form, extents),
    body: `
      if (item >= u.items) { return; }
      let g = item % u.G;
      let tile = item / u.G;
      let n = tile / (u.down * u.across);
      let oy = tile / u.across % u.down * ${m}u - u.P;
      let ox = tile % u.across * ${m}u - u.P;
      ${load}
      ${transform(BT, at, 'v')}
      let size = u.rows * u.G;
      ${Array.from({ length: t * t }, (_, xi) => `V[${xi}u * size + item] = v${Math.floor(xi / t)}_${xi % t};`).join('\n')}`,
  };
});

/** Writes the transform of a chunk's images, or of what their cotangent stands for, to V. */
export function transformInput(
  filtering: Filtering,
  convolution: Convolution,
  chunk: Chunk,
  input: Cotangent,
  V: Tensor,
): void {
  const { N, H, W, C, P } = convolution;
  const { down, across, tiles } = tilesOf(filtering, convolution, chunk.images);
  const dy = partOf(input.dy, N, chunk);
  const folded = input.winners ?? input.y;
  const mask = folded && partOf(folded, N, chunk);
  launch(
    inputKernel({ filtering, form: formOf(input), odd: P % 2 === 1 }),
    { dy: dy.part, ...(mask && { mask: mask.part }), V },
    {
      items: (tiles * C) / 4,
      uniforms: {
        ...{ H, W, G: C / 4, P, down, across, rows: chunk.rows },
        before: dy.before / 4,
        maskBefore: mask ? mask.before / (input.winners ? 1 : 4) : 0,
      },
    },
  );
}
