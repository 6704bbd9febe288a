import { kernel } from '../../gpu/kernel.ts';
import { launch } from '../../tensor/launch.ts';
import { adopt } from '../../tensor/scope.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { sumAxes } from './reduceAxes.ts';

const partialsKernel = kernel({
  name: 'sum-partials',
  lanes: 64,
  read: { partial: 'f32' },
  write: { sum: 'f32' },
  uniforms: { partials: 'u32' },
  body: `
    if (item >= u.items) { return; }
    var s = 0.0;
    for (var i = 0u; i < u.partials; i++) { s += partial[i * u.items + item]; }
    sum[item] = s;`,
});

/** Sums `partial` [S, ...] over its first axis into `sum`, in rising order. */
export function sumPartialsInto(partial: Tensor, sum: Tensor): void {
  launch(partialsKernel, { partial, sum }, { items: sum.size, uniforms: { partials: partial.shape[0] } });
}

/** Sums `partial` [S, ...] over its first axis into a tensor of `shape`, in rising order. */
export function sumPartials(partial: Tensor, shape: readonly number[]): Tensor {
  const sum = empty(shape);
  sumPartialsInto(partial, sum);
  return sum;
}

/** Sums x, taken as rows of `columns` elements, over its rows: shape [columns]. */
export function sumRows(x: Tensor, columns: number): Tensor {
  const sum = empty([columns]);
  sumAxes(adopt(x.alias([x.size / columns, columns])), [0], sum);
  return sum;
}
