import { kernel, kernelFamily } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import type { Shape } from '../../tensor/shape.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { nanWgsl } from './nan.ts';

/*
 * O outer, R reduced and I inner elements
 *   y[o, i] = sum, or largest, of x[o, r, i] over r
 *
 * A pass leaves S partial results of each o, every one from the rows s, s + S, s + 2S ... in rising order; neighbouring lanes read
 * neighbouring elements. Passes follow until one row is left. Shapes alone decide how a sum is split, so the same input gives the
 * same bits. With O = 1 the rows are cut into segments, so that x may exceed what one binding holds.
 */

const LANES = 64;
/** Partial results that keep a GPU busy. */
const ENOUGH = 16384;
/** Rows that one invocation reduces by itself. */
const FEW_ROWS = 256;
/** Elements of a segment, at most: 16 MiB. */
const SEGMENT_ELEMENTS = 2 ** 22;

const uniforms = { inner: 'u32', lanes: 'u32', rows: 'u32', segmentRows: 'u32', whole: 'u32' } as const;

// `whole`: y is bound whole and starts at the chunk's first segment, else each chunk is bound to its own part.
const frame = (before: string, each: string, after: string): string => `
    let width = u.lanes * u.inner;
    if (item >= u.items * width) { return; }
    let segment = item / width;
    let begin = segment * u.segmentRows * u.inner;
    let rows = min(u.segmentRows, u.rows - (u.first + segment) * u.segmentRows);
    let end = begin + rows * u.inner;
    let to = u.first * u.whole * width + item;
    var at = begin + item % width;
    ${before}
    for (; at < end; at += width) { ${each} }
    ${after}`;

// Sums take blocks of four where there are that many inner elements: `inner` then counts blocks.
const sumKernel = kernelFamily(({ inBlocks }: { inBlocks: boolean }) => {
  const type = inBlocks ? 'vec4f' : 'f32';
  return {
    name: 'sum-axis',
    lanes: LANES,
    read: { x: type },
    write: { y: type },
    uniforms: { ...uniforms, divisor: 'f32' },
    body: frame(`var s = ${type}();`, 's += x[at];', 'y[to] = s / u.divisor;'),
  };
});

// Of equal values, and of several NaN, the one that comes first in x wins. A lane with no rows leaves the index NONE.
const NONE = '0xffffffffu';
const largest = (from: string, wins: string) =>
  frame(
    `
    var best = 0.0;
    var winner = ${NONE};
    if (at < end) {
      best = x[at];
      winner = ${from};
      at += width;
    }`,
    `
      let value = x[at];
      let candidate = ${from};
      if (${wins}) {
        best = value;
        winner = candidate;
      }`,
    'y[to] = best; winners[to] = winner;',
  );

// A lane meets its rows in their order.
const largestKernel = kernel({
  name: 'largest-of-axis',
  lanes: LANES,
  read: { x: 'f32' },
  write: { y: 'f32', winners: 'u32' },
  uniforms,
  declarations: nanWgsl('f32'),
  body: largest('u.first * u.segmentRows * u.inner + at', 'beats(value, best)'),
});

const largestOfPartialsKernel = kernel({
  name: 'largest-of-partials',
  lanes: LANES,
  read: { x: 'f32', candidates: 'u32' },
  write: { y: 'f32', winners: 'u32' },
  uniforms,
  declarations: nanWgsl('f32'),
  body: largest(
    'candidates[at]',
    `candidate != ${NONE} &&
        (winner == ${NONE} || beats(value, best) || (!beats(best, value) && candidate < winner))`,
  ),
});

interface Pass {
  readonly outer: number;
  readonly rows: number;
  readonly inner: number;
}

/** Runs of neighbouring axes that are reduced together, the last one first. */
function passesOf(shape: Shape, axes: readonly number[]): Pass[] {
  const left = [...shape];
  const passes: Pass[] = [];
  for (let last = shape.length - 1; last >= 0; last--) {
    if (!axes.includes(last)) continue;
    let first = last;
    while (axes.includes(first - 1)) first--;
    const rows = sizeOf(left.slice(first, last + 1));
    if (rows > 1)
      passes.push({ outer: sizeOf(left.slice(0, first)), rows, inner: sizeOf(left.slice(last + 1)) });
    left.fill(1, first, last + 1);
    last = first;
  }
  return passes.length > 0 ? passes : [{ outer: sizeOf(shape), rows: 1, inner: 1 }];
}

/** Rows of a segment, where there is no outer axis. */
function segmentRowsOf(rows: number, inner: number): number {
  // Long rows keep the lanes of a workgroup busy by themselves: cut into segments, they are read in order.
  const busy = inner >= LANES && rows > FEW_ROWS ? Math.max(64, (rows * inner) / ENOUGH) : rows;
  const most = Math.min(busy, SEGMENT_ELEMENTS / inner);
  if (rows <= most) return rows;
  // Segments start at multiples of 64 elements, and hold two rows at least, or a pass would leave as many as it found.
  let step = 64;
  for (let n = inner; step > 1 && n % 2 === 0; n /= 2) step /= 2;
  return Math.max(2, step, Math.floor(most / step) * step);
}

/** Segments of rows, and lanes of partial results a segment. */
function cut({ outer, rows, inner }: Pass): { segments: number; segmentRows: number; lanes: number } {
  const segmentRows = outer === 1 ? segmentRowsOf(rows, inner) : rows;
  const segments = outer * Math.ceil(rows / segmentRows);
  if (segmentRows <= FEW_ROWS) return { segments, segmentRows, lanes: 1 };
  const wanted = Math.min(Math.ceil(segmentRows / 32), Math.ceil(ENOUGH / (segments * inner)));
  return { segments, segmentRows, lanes: wanted === 1 ? 1 : Math.ceil(wanted / 64) * 64 };
}

/** Runs passes over `x` until `axes` are reduced; `step` issues one of them and returns what it wrote. */
function runPasses<T>(
  x: T,
  shape: Shape,
  axes: readonly number[],
  step: (
    x: T,
    cut: { segments: number; lanes: number; inner: number },
    uniforms: Record<string, number>,
    last: boolean,
  ) => T,
): T {
  const open = passesOf(shape, axes);
  let value = x;
  for (let pass = open.shift(); pass; pass = open.shift()) {
    const { segments, segmentRows, lanes } = cut(pass);
    const rowsLeft = (segments / pass.outer) * lanes;
    if (rowsLeft > 1) open.unshift({ ...pass, rows: rowsLeft });
    const uniforms = {
      inner: pass.inner,
      lanes,
      rows: pass.outer * pass.rows,
      segmentRows,
      whole: pass.outer === 1 ? 1 : 0,
    };
    value = step(value, { segments, lanes, inner: pass.inner }, uniforms, open.length === 0);
  }
  return value;
}

const workgroupsOf = (lanes: number, inner: number) => (items: number) =>
  Math.ceil((items * lanes * inner) / LANES);

/** Sums x over `axes` into `y`, whose elements are those of the other axes, and divides by `divisor`. */
export function sumAxes(x: Tensor, axes: readonly number[], y: Tensor, divisor = 1): void {
  runPasses(x, x.shape, axes, (from, { segments, lanes, inner }, uniforms, last) => {
    const to = last ? y : empty([segments, lanes, inner]);
    const inBlocks = inner % 4 === 0;
    const innerItems = inBlocks ? inner / 4 : inner;
    launch(
      sumKernel({ inBlocks }),
      { x: split(from, uniforms.segmentRows * inner), y: uniforms.whole ? to : split(to, lanes * inner) },
      {
        items: segments,
        uniforms: { ...uniforms, inner: innerItems, divisor: last ? divisor : 1 },
        workgroups: workgroupsOf(lanes, innerItems),
      },
    );
    return to;
  });
}

/** Writes the largest elements of x over `axes` into `y`, and into `winners` (u32) where in x each stands: the first of equals. */
export function largestOfAxes(x: Tensor, axes: readonly number[], y: Tensor, winners: Tensor): void {
  runPasses<{ values: Tensor; winners?: Tensor }>(
    { values: x },
    x.shape,
    axes,
    (from, { segments, lanes, inner }, uniforms, last) => {
      const to = last
        ? { values: y, winners }
        : { values: empty([segments, lanes, inner]), winners: empty([segments, lanes, inner], 'u32') };
      const read = {
        x: split(from.values, uniforms.segmentRows * inner),
        ...(from.winners && { candidates: split(from.winners, uniforms.segmentRows * inner) }),
      };
      const write = uniforms.whole
        ? { y: to.values, winners: to.winners }
        : { y: split(to.values, lanes * inner), winners: split(to.winners, lanes * inner) };
      launch(
        from.winners ? largestOfPartialsKernel : largestKernel,
        { ...read, ...write },
        { items: segments, uniforms, workgroups: workgroupsOf(lanes, inner) },
      );
      return to;
    },
  );
}

/** Sums a gradient over the axes along which an operand of `shape` was broadcast. */
export function sumTo(gradient: Tensor, shape: Shape): Tensor {
  const missing = gradient.rank - shape.length;
  const axes = gradient.shape.flatMap((extent, axis) =>
    axis < missing || (shape[axis - missing] === 1 && extent > 1) ? [axis] : [],
  );
  if (axes.length === 0) return gradient;
  const sum = empty(shape);
  sumAxes(gradient, axes, sum);
  return sum;
}
