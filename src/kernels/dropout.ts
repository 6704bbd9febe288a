import { ShapeError } from '../errors.ts';
import { kernel, type UniformType } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { blockKernel, launchBlocks } from '../tensor/blocks.ts';
import { launch, range, split } from '../tensor/launch.ts';
import { PHILOX_WGSL } from '../tensor/random.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { attachMoments, blockRowsOf, groupsOf, momentsWgsl } from './shared/moments.ts';

/*
 * Inverted dropout (Srivastava et al. 2014).
 *
 * Element e draws word e mod 4 of the draw's block floor(e / 4).
 *   y[e]  = x[e] / (1 - rate) where word >= rate * 2^32, else 0
 *   dx[e] = dy[e] / (1 - rate) at the same places, else 0
 * The backward pass draws the same words again, so no mask is kept.
 */

const uniforms: Record<string, UniformType> = { threshold: 'u32', scale: 'f32' };

/** `masked(block, x)`: what the draw leaves of four elements. */
const maskWgsl = `${PHILOX_WGSL}
fn masked(block: u32, x: vec4f) -> vec4f {
  return select(vec4f(), u.scale * x, randomBlock(draw[0], block) >= vec4u(u.threshold));
}`;

const applyMask = blockKernel({
  name: 'dropout',
  read: { x: 'vec4f', draw: 'vec4u' },
  write: { y: 'vec4f' },
  uniforms,
  declarations: maskWgsl,
  body: 'y[item] = masked(u.first + item, x[item]);',
});

// An invocation takes a block of rows of four channels, so that it knows their moments when it has written them.
const LANES = 64;
const applyMaskWithMoments = kernel({
  name: 'dropout-with-moments',
  lanes: LANES,
  read: { x: 'vec4f', draw: 'vec4u' },
  write: { y: 'vec4f', partial: 'vec4f' },
  uniforms: { ...uniforms, M: 'u32', G: 'u32', blockRows: 'u32' },
  declarations: maskWgsl + momentsWgsl({ byFours: true }, { store: true }),
  body: `
    let block = item / u.G;
    if (block >= u.items) { return; }
    let g = item % u.G;
    let rows = min(u.blockRows, u.M - (u.first + block) * u.blockRows);
    var at = block * u.blockRows * u.G + g;
    let before = u.first * u.blockRows * u.G;
    var origin = vec4f();
    var own = Moments();
    for (var r = 0u; r < rows; r++) {
      let value = masked(before + at, x[at]);
      y[at] = value;
      if (r == 0u) { origin = value; }
      own = withRow(own, value - origin);
      at += u.G;
    }
    own.mean += origin;
    storeMoments(block, g, own);`,
});

const uniformsOf = (rate: number) => ({
  // A word is never 2^32, so that a rate just below 1 may round down to the largest one.
  threshold: Math.min(Math.ceil(rate * 2 ** 32), 2 ** 32 - 1),
  scale: 1 / (1 - rate),
});

function launchWithMoments(x: Tensor, draw: Tensor, rate: number, y: Tensor): void {
  const C = x.shape[x.rank - 1];
  const [M, G] = [x.size / C, groupsOf(C)];
  const blockRows = blockRowsOf(M);
  const blocks = Math.ceil(M / blockRows);
  const partial = empty([blocks, 3, C]);
  launch(
    applyMaskWithMoments,
    { x: split(x, blockRows * C), draw, y: split(y, blockRows * C), partial: split(partial, 3 * C) },
    {
      items: blocks,
      workgroups: (items) => Math.ceil((items * G) / LANES),
      uniforms: { ...uniformsOf(rate), M, G, blockRows },
    },
  );
  attachMoments(y, partial);
}

const op = defineOp<{ rate: number; moments: boolean }>({
  name: 'dropout',
  shape: ([x]) => x,
  forward({ inputs: [x, draw], attrs: { rate, moments }, output, save }) {
    if (moments && x.rank > 0 && x.shape[x.rank - 1] % 4 === 0) launchWithMoments(x, draw, rate, output);
    else launchBlocks(applyMask, { x, draw: range(draw, 0, 4), y: output }, uniformsOf(rate));
    save(draw);
  },
  backward({ gradient, saved: [draw], attrs: { rate } }) {
    const dx = empty(gradient.shape);
    launchBlocks(applyMask, { x: gradient, draw: range(draw, 0, 4), y: dx }, uniformsOf(rate));
    return [dx, null];
  },
});

/** Options of `dropout`. */
export interface DropoutOptions {
  /**
   * Gathers the moments of the channels on the way, where the last axis is a multiple of 4: a `batchNormTraining` of the result then
   * needs no pass for them. Default false.
   */
  moments?: boolean;
}

/**
 * Sets each element to 0 with probability `rate` and divides the others by `1 - rate`, so that the mean
 * stays. For training only: a network that predicts leaves its dropout out.
 *
 * @param rate the share that is dropped, 0 <= rate < 1
 * @param draw the random words: `RandomStream.drawTensor()`
 * @returns the shape of x
 * @throws ShapeError
 * @example
 * ```ts
 * import { dropout, ones, RandomStream } from 'weft-gpu';
 *
 * const stream = new RandomStream(1, 'dropout');
 * const values = await dropout(ones([1000]), 0.5, stream.drawTensor()).data();
 * console.log([...new Set(values)].sort()); // [ 0, 2 ]
 * ```
 */
export function dropout(
  x: Tensor,
  rate: number,
  draw: Tensor,
  { moments = false }: DropoutOptions = {},
): Tensor {
  if (!(rate >= 0 && rate < 1))
    throw new ShapeError('dropout', 'a rate from 0 (included) to 1 (excluded)', String(rate));
  expectTensor('dropout', 'x', x, 'f32');
  expectTensor('dropout', 'draw', draw, 'u32', [4]);
  return op([x, draw], { rate, moments });
}
