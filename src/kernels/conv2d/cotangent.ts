import { type ElementType, kernelFamily } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { NOWHERE, unpool } from '../maxPool2d.ts';
import { reluGradient } from '../relu.ts';
import { nanWgsl } from '../shared/nan.ts';
import { sumPartials, sumRows } from '../shared/sumRows.ts';
import { type Cotangent, type Geometry, POOL } from './geometry.ts';

/*
 * The gradient of a convolution's sum from that of its output (see `Cotangent`), for passes that don't read it folded, and its sum,
 * the bias' gradient.
 *
 *   ReLU:         dz[n,oy,ox,k] = dy[n,oy,ox,k] where y[n,oy,ox,k] isn't 0, else 0
 *   and max-pool: dz[n,oy,ox,k] = dy[n,oy/2,ox/2,k] where (oy%2) * 2 + ox%2 is the winner of that window, else 0
 *   dbias[k] = sum of dz[n,oy,ox,k], which of a pooled gradient is the sum of dy over the windows that aren't closed
 */

/** The gradient of the sum as a tensor [N, Y, X, K]: dy itself where nothing is folded. */
export function unfold({ N, Y, X, K }: Geometry, { dy, y, winners }: Cotangent): Tensor {
  if (winners) return unpool(dy, winners, POOL, [N, Y, X, K]);
  return y ? reluGradient(y, dy) : dy;
}

/** How a cotangent is folded, for kernels that read it so: K is then a multiple of 4. */
export type CotangentForm = 'whole' | 'masked' | 'pooled';

export const formOf = ({ y, winners }: Cotangent): CotangentForm =>
  winners ? 'pooled' : y ? 'masked' : 'whole';

/** What a kernel that reads a cotangent declares as `read`. */
export const cotangentReads = (form: CotangentForm): Record<string, ElementType> => ({
  dy: 'vec4f',
  ...(form !== 'whole' && { mask: form === 'pooled' ? 'u32' : 'vec4f' }),
});

/** What the WGSL below calls height, width and groups of four channels of the sum, and the elements before image 0 in each array (none by default). */
export interface CotangentExtents {
  readonly Y: string;
  readonly X: string;
  readonly G: string;
  readonly before?: { readonly dy: string; readonly mask: string };
}

/** WGSL: an element of `dy` or `mask`. */
const element = (array: 'dy' | 'mask', { before }: CotangentExtents, at: string) =>
  `${array}[${before ? `${before[array]} + ` : ''}${at}]`;

/** WGSL: four places of winners from their word. */
const unpack = (word: string) => `((vec4u(${word}) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u))`;

/**
 * WGSL: `fn cotangentAt(n: u32, oy: u32, ox: u32, g: u32) -> vec4f`, the gradient of the sum at pixel (oy, ox) of image n, channels
 * 4g to 4g + 3; 0 outside the image, also where oy or ox wrapped below zero.
 */
export function cotangentWgsl(form: CotangentForm, extents: CotangentExtents): string {
  const { Y, X, G } = extents;
  const [dy, mask] = [element('dy', extents, 'at'), element('mask', extents, 'at')];
  const place = (n: string, oy: string, ox: string, rows: string, columns: string) => `
      let inside = ${oy} < ${rows} && ${ox} < ${columns};
      let at = select(0u, ((${n} * (${rows}) + ${oy}) * (${columns}) + ${ox}) * ${G} + g, inside);`;
  const body = {
    whole: `${place('n', 'oy', 'ox', Y, X)}
      return select(vec4f(), ${dy}, inside);`,
    masked: `${place('n', 'oy', 'ox', Y, X)}
      return select(vec4f(), ${dy}, vec4<bool>(inside) & isOpen(${mask}));`,
    pooled: `${place('n', '(oy / 2u)', '(ox / 2u)', `(${Y} / 2u)`, `(${X} / 2u)`)}
      let wins = ${unpack(mask)} == vec4u(oy % 2u * 2u + ox % 2u);
      return select(vec4f(), ${dy}, vec4<bool>(inside) & wins);`,
  }[form];
  return `${form === 'masked' ? nanWgsl('vec4f') : ''}
    fn cotangentAt(n: u32, oy: u32, ox: u32, g: u32) -> vec4f {${body}
    }`;
}

/**
 * WGSL for a block of `rows` x `columns` pixels of the gradient of the sum that begins at (`oy`, `ox`) of image `n`, channel group `g`
 * (names of u32 variables; the first two may have wrapped below zero). `load` goes before its uses and declares names that begin with
 * `cotangent`; `at(i, j)` is then the value i rows and j columns on, to be used once. Pooled, every window is loaded once.
 *
 * @param begins parity of oy and ox, which must be the same for every invocation: 0 or 1
 */
export function cotangentBlock(
  form: CotangentForm,
  extents: CotangentExtents,
  [rows, columns]: readonly [number, number],
  begins: readonly [number, number],
): { load: string; at: (i: number, j: number) => string } {
  if (form !== 'pooled') return { load: '', at: (i, j) => `cotangentAt(n, oy + ${i}u, ox + ${j}u, g)` };
  const [oddY, oddX] = begins;
  const { Y, X, G } = extents;
  const lines: string[] = [];
  for (let wy = 0; wy < Math.ceil((rows + oddY) / 2); wy++) {
    for (let wx = 0; wx < Math.ceil((columns + oddX) / 2); wx++) {
      const name = `${wy}_${wx}`;
      // Signed, since the block may begin at -1 or -2.
      lines.push(
        `let cotangentY${name} = u32(i32(oy + ${oddY}u) >> 1u) + ${wy}u - ${oddY}u;`,
        `let cotangentX${name} = u32(i32(ox + ${oddX}u) >> 1u) + ${wx}u - ${oddX}u;`,
        `let cotangentInside${name} = cotangentY${name} < ${Y} / 2u && cotangentX${name} < ${X} / 2u;`,
        `let cotangentAt${name} = select(0u, ((n * (${Y} / 2u) + cotangentY${name}) * (${X} / 2u) + cotangentX${name}) * ${G} + g, cotangentInside${name});`,
        `let cotangent${name} = select(vec4f(), ${element('dy', extents, `cotangentAt${name}`)}, cotangentInside${name});`,
        `let cotangentPlaces${name} = ${unpack(element('mask', extents, `cotangentAt${name}`))};`,
      );
    }
  }
  return {
    load: lines.join('\n'),
    at(i, j) {
      const [y, x] = [i + oddY, j + oddX];
      const name = `${y >> 1}_${x >> 1}`;
      return `select(vec4f(), cotangent${name}, cotangentPlaces${name} == vec4u(${(y % 2) * 2 + (x % 2)}u))`;
    },
  };
}

const LANES = 64;
/** Rows that an invocation sums: a multiple of 64, so that ranges begin at multiples of 256 bytes. */
const BLOCK_ROWS = 256;

const sumOfOpenKernel = kernelFamily(({ pooled }: { pooled: boolean }) => ({
  name: 'conv2d-bias-gradient',
  lanes: LANES,
  read: { dy: 'f32', mask: pooled ? 'u32' : 'f32' },
  write: { partial: 'f32' },
  uniforms: { rows: 'u32', K: 'u32', G: 'u32' },
  declarations: nanWgsl('f32'),
  body: `
    if (item >= u.items * u.K) { return; }
    let k = item % u.K;
    let begin = item / u.K * ${BLOCK_ROWS}u;
    let end = min(begin + ${BLOCK_ROWS}u, u.rows - u.first * ${BLOCK_ROWS}u);
    var s = 0.0;
    for (var row = begin; row < end; row++) {
      ${
        pooled
          ? `let open = ((mask[row * u.G + k / 4u] >> (8u * (k % 4u))) & 255u) != ${NOWHERE}u;`
          : 'let open = isOpen(mask[row * u.K + k]);'
      }
      s += select(0.0, dy[row * u.K + k], open);
    }
    partial[item] = s;`,
}));

/** The bias' gradient [K]. */
export function biasGradient({ K }: Geometry, { dy, y, winners }: Cotangent): Tensor {
  const mask = winners ?? y;
  if (!mask) return sumRows(dy, K);
  const rows = dy.size / K;
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const partial = empty([blocks, K]);
  launch(
    sumOfOpenKernel({ pooled: winners !== undefined }),
    {
      dy: split(dy, BLOCK_ROWS * K),
      mask: split(mask, BLOCK_ROWS * (mask.size / rows)),
      partial: split(partial, K),
    },
    {
      items: blocks,
      workgroups: (items) => Math.ceil((items * K) / LANES),
      uniforms: { rows, K, G: Math.ceil(K / 4) },
    },
  );
  return sumPartials(partial, [K]);
}
