import { kernelFamily } from '../../gpu/kernel.ts';
import { launch } from '../../tensor/launch.ts';
import { adopt } from '../../tensor/scope.ts';
import { empty, type Tensor, VIEW_STEP } from '../../tensor/tensor.ts';
import { product as matrixProduct } from '../matmul/index.ts';
import { rectify } from '../relu.ts';
import { sumPartials } from '../shared/sumRows.ts';
import { type Chunk, partOf } from './chunks.ts';
import { type ConvVariant, directFlops, type Geometry, isUnit3x3 } from './geometry.ts';
import { product } from './product.ts';

/*
 * Convolution as a matrix product over patches, for every kernel, stride and padding that has no variant of its own: what an output pixel
 * sees of the image is written down as a row, 0 outside the image.
 *
 *   A[(n,oy,ox), (i,j,c)] = x[n, oy*S+i-P, ox*T+j-Q, c]
 *   y = A w + bias,  dw = A^T dy,  dA = dy w^T
 *   dx[n,h,v,c] = sum_{i,j} dA[(n, (h+P-i)/S, (v+Q-j)/T), (i,j,c)]     over the taps where both quotients are whole
 *
 * A is I J / (S T) times the image: so images go through in chunks. The product chooses among variants of its own; sums have
 * a fixed order, and the error bound is the product's.
 */

const LANES = 64;

const names = ['H', 'W', 'G', 'Y', 'X', 'I', 'J', 'S', 'T', 'P', 'Q', 'before'] as const;
const uniforms = Object.fromEntries(names.map((name) => [name, 'u32'] as const));

/** C counted in elements of the kernels: by fours where it can be. */
const inFours = ({ C }: Geometry) => C % 4 === 0;
const uniformsOf = (g: Geometry, before: number) => {
  const { H, W, Y, X, I, J, S, T, P, Q } = g;
  const width = inFours(g) ? 4 : 1;
  return { H, W, G: g.C / width, Y, X, I, J, S, T, P, Q, before: before / width };
};

/** A row of taps lies in one piece in the image and in the patch: an invocation copies `run` elements of it. */
const gatherKernel = kernelFamily(({ byFours }: { byFours: boolean }) => {
  const element = byFours ? 'vec4f' : 'f32';
  return {
    name: 'conv2d-patches',
    lanes: LANES,
    read: { x: element },
    write: { patches: element },
    uniforms: { ...uniforms, run: 'u32', runs: 'u32' },
    body: `
    if (item >= u.items) { return; }
    let begin = item % u.runs * u.run;
    let i = item / u.runs % u.I;
    let row = item / (u.runs * u.I);
    let ox = row % u.X;
    let oy = row / u.X % u.Y;
    let n = row / (u.X * u.Y);
    // Offsets wrap below zero, so that one comparison checks both ends of a range.
    let h = oy * u.S + i - u.P;
    let v = (ox * u.T - u.Q) * u.G;
    let width = u.W * u.G;
    let start = u.before + (n * u.H + h) * width;
    let to = (row * u.I + i) * u.J * u.G;
    let end = min(begin + u.run, u.J * u.G);
    if (h >= u.H) {
      for (var at = begin; at < end; at++) { patches[to + at] = ${element}(); }
      return;
    }
    for (var at = begin; at < end; at++) {
      let inside = v + at < width;
      patches[to + at] = select(${element}(), x[select(u.before, start + v + at, inside)], inside);
    }`,
  };
});

/** Elements that an invocation copies: where a CPU computes, an invocation costs more than a load; on a GPU neighbours load neighbours. */
const runOf = (length: number, isSoftware: boolean) => (isSoftware ? length : 1);

const scatterKernel = kernelFamily(({ byFours }: { byFours: boolean }) => {
  const element = byFours ? 'vec4f' : 'f32';
  return {
    name: 'conv2d-from-patches',
    lanes: LANES,
    read: { patches: element },
    write: { dx: element },
    uniforms,
    body: `
    if (item >= u.items) { return; }
    let c = item % u.G;
    let v = item / u.G % u.W + u.Q;
    let h = item / (u.G * u.W) % u.H + u.P;
    let n = item / (u.G * u.W * u.H);
    var s = ${element}();
    for (var i = h % u.S; i < u.I && i <= h; i += u.S) {
      let oy = (h - i) / u.S;
      if (oy >= u.Y) { continue; }
      for (var j = v % u.T; j < u.J && j <= v; j += u.T) {
        let ox = (v - j) / u.T;
        if (ox >= u.X) { continue; }
        s += patches[((((n * u.Y + oy) * u.X + ox) * u.I + i) * u.J + j) * u.G + c];
      }
    }
    dx[u.before + item] = s;`,
  };
});

/** Bytes of patches that images share. */
const SCRATCH_BYTES = 16 * 2 ** 20;

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/** Columns of A, and images of a chunk: its part of y begins where a view can. */
function sizesOf({ N, Y, X, I, J, C, K }: Geometry) {
  const terms = I * J * C;
  const step = VIEW_STEP / greatestDivisor(VIEW_STEP, Y * X * K);
  const fitting = Math.max(1, Math.floor(SCRATCH_BYTES / (4 * Y * X * terms)));
  const chunks = Math.ceil(N / fitting);
  const chunkImages = Math.min(N, Math.ceil(N / chunks / step) * step);
  return { terms, chunkImages, bytes: chunkImages * Y * X * terms * 4 };
}

/** Takes the images chunk by chunk, with memory for their patches: a matrix of a row an output pixel. */
function byChunks(g: Geometry, run: (chunk: Chunk, patches: Tensor, rows: number) => void): void {
  const { terms, chunkImages } = sizesOf(g);
  const memory = empty([chunkImages * g.Y * g.X, terms]);
  for (let first = 0; first < g.N; first += chunkImages) {
    const images = Math.min(chunkImages, g.N - first);
    const rows = images * g.Y * g.X;
    run({ first, images }, adopt(memory.view(0, [rows, terms])), rows);
  }
}

function gather(g: Geometry, x: Tensor, chunk: Chunk, patches: Tensor): void {
  const { part, before } = partOf(x, g.N, chunk);
  const byFours = inFours(g);
  const length = (g.J * g.C) / (byFours ? 4 : 1);
  const run = runOf(length, x.storage.gpu.isSoftware);
  const runs = Math.ceil(length / run);
  launch(
    gatherKernel({ byFours }),
    { x: part, patches },
    { items: patches.shape[0] * g.I * runs, uniforms: { ...uniformsOf(g, before), run, runs } },
  );
}

function scatter(g: Geometry, patches: Tensor, chunk: Chunk, dx: Tensor): void {
  const { part, before } = partOf(dx, g.N, chunk);
  const byFours = inFours(g);
  const items = (chunk.images * g.H * g.W * g.C) / (byFours ? 4 : 1);
  launch(scatterKernel({ byFours }), { patches, dx: part }, { items, uniforms: uniformsOf(g, before) });
}

/** The chunk's rows of a tensor [N, Y, X, K]. */
const rowsOf = ({ Y, X, K }: Geometry, y: Tensor, { first }: Chunk, rows: number): Tensor =>
  adopt(y.view(first * Y * X * K, [rows, K]));

export const patches: ConvVariant = {
  name: 'patches',
  supports: (g, pass, gpu) =>
    !isUnit3x3(g) &&
    !product.supports(g, pass, gpu) &&
    sizesOf(g).bytes <= gpu.limits.maxStorageBufferBindingSize,
  // Somewhat below the rate that `product.ts` counts on: patches are written and read besides.
  cost: (g, _, gpu) => directFlops(g) / (gpu.isSoftware ? 8 : 2000),
  roundOffs: 8,
  forward(g, x, w, { bias, relu, y }) {
    byChunks(g, (chunk, patches, rows) => {
      gather(g, x, chunk, patches);
      matrixProduct(patches, adopt(w.alias([w.size / g.K, g.K])), {}, bias, rowsOf(g, y, chunk, rows));
    });
    if (relu) rectify(y);
  },
  inputGradient(g, { dy }, w, dx) {
    byChunks(g, (chunk, patches, rows) => {
      const matrix = adopt(w.alias([w.size / g.K, g.K]));
      matrixProduct(rowsOf(g, dy, chunk, rows), matrix, { transposeB: true }, undefined, patches);
      scatter(g, patches, chunk, dx);
    });
  },
  filterGradient(g, x, { dy }) {
    const { N, I, J, C, K } = g;
    const { terms, chunkImages } = sizesOf(g);
    const size = Math.ceil((terms * K) / VIEW_STEP) * VIEW_STEP;
    const partial = empty([Math.ceil(N / chunkImages), size]);
    byChunks(g, (chunk, patches, rows) => {
      gather(g, x, chunk, patches);
      const sum = adopt(partial.view((chunk.first / chunkImages) * size, [terms, K]));
      matrixProduct(patches, rowsOf(g, dy, chunk, rows), { transposeA: true }, undefined, sum);
    });
    const sum = partial.shape[0] > 1 ? sumPartials(partial, [size]) : partial;
    return adopt(sum.view(0, [I, J, C, K]));
  },
};
