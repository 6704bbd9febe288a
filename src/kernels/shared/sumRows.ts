import { kernelFamily } from '../../gpu/kernel.ts';
import { launch } from '../../tensor/launch.ts';
import { adopt } from '../../tensor/scope.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { sumAxes } from './reduceAxes.ts';

// By blocks of four, where each partial result begins with one.
const partialsKernel = kernelFamily(({ inBlocks }: { inBlocks: boolean }) => {
  const type = inBlocks ? 'vec4f' : 'f32';
  return {
    name: 'sum-partials',
    lanes: 64,
    read: { partial: type },
    write: { sum: type },
    uniforms: { partials: 'u32' },
    body: `
    if (item >= u.items) { return; }
    var s = ${type}();
    var at = item;
    for (var i = 0u; i < u.partials; i++) {
      s += partial[at];
      at += u.items;
    }
    sum[item] = s;`,
  };
});

/** Sums `partial` [S, ...] over its first axis into `sum`, in rising order. */
export function sumPartialsInto(partial: Tensor, sum: Tensor): void {
  const inBlocks = sum.size % 4 === 0;
  launch(
    partialsKernel({ inBlocks }),
    { partial, sum },
    { items: inBlocks ? sum.size / 4 : sum.size, uniforms: { partials: partial.shape[0] } },
  );
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
