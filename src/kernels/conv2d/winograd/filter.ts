import { kernelFamily } from '../../../gpu/kernel.ts';
import { launch } from '../../../tensor/launch.ts';
import { empty, type Tensor } from '../../../tensor/tensor.ts';
import type { Geometry } from '../geometry.ts';
import { SPARE } from './product.ts';
import { type Filtering, transform } from './transforms.ts';

/*
 * The filters' transform: U[xi, c, k] = (G w[., ., c, k] G^T)[xi]. For the input gradient the taps are turned by 180 degrees and the
 * channels swapped: U[xi, k, c] = (G w[2-., 2-., c, k] G^T)[xi]. An invocation has one input channel and four output channels of U.
 */

const LANES = 64;

const filterKernel = kernelFamily(({ filtering, turned }: { filtering: Filtering; turned: boolean }) => {
  const { t, G } = filtering;
  const tap = (i: number, j: number) =>
    turned
      ? `vec4f(${[0, 1, 2, 3].map((e) => `w[${8 - 3 * i - j}u * size + (column * 4u + ${e}u) * u.rows + row]`)})`
      : `w[${3 * i + j}u * size + item]`;
  return {
    name: 'winograd-filter',
    lanes: LANES,
    read: { w: turned ? 'f32' : 'vec4f' },
    write: { U: 'vec4f' },
    // Input and groups of four output channels of U.
    uniforms: { rows: 'u32', columns: 'u32' },
    body: `
      if (item >= u.items) { return; }
      let row = item / u.columns;
      let column = item % u.columns;
      let size = u.rows * u.columns${turned ? ' * 4u' : ''};
      ${transform(G, tap, 'f')}
      ${Array.from({ length: t * t }, (_, xi) => `U[${xi}u * u.items + item] = f${Math.floor(xi / t)}_${xi % t};`).join('\n')}`,
  };
});

/** U [t^2, C, K], or turned [t^2, K, C], flat and with `SPARE` elements after it. */
export function transformFilter(
  filtering: Filtering,
  { C, K }: Geometry,
  w: Tensor,
  turned: boolean,
): Tensor {
  const [rows, outputs] = turned ? [K, C] : [C, K];
  const U = empty([filtering.t ** 2 * rows * outputs + SPARE]);
  launch(
    filterKernel({ filtering, turned }),
    { w, U },
    { items: (rows * outputs) / 4, uniforms: { rows, columns: outputs / 4 } },
  );
  return U;
}
