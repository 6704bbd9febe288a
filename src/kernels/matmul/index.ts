import type { Gpu } from '../../gpu/gpu.ts';
import { defineOp } from '../../tensor/autograd.ts';
import { batchBucket, type ChoiceRequest, choose, type Trial } from '../../tensor/choices.ts';
import { RandomStream } from '../../tensor/random.ts';
import { keep } from '../../tensor/scope.ts';
import { type Shape, sizeOf } from '../../tensor/shape.ts';
import { empty, type Tensor, tensor } from '../../tensor/tensor.ts';
import { expectTensor } from '../shared/expectTensor.ts';
import { type Multiply, multiplyCut } from './cut.ts';
import { directFlops, type Geometry, geometryOf, type MatmulVariant, type Transposes } from './geometry.ts';
import { plain } from './plain.ts';
import { subgroup } from './subgroup.ts';
import { tiled } from './tiled.ts';

/*
 * Matrix product: y [M, N] = A [M, K] * B [K, N], where A is the first input or, with transposeA, its transpose (the input is then
 * [K, M]); B likewise ([N, K] with transposeB).
 *
 *   y[m, n]  = sum_k A[m, k] * B[k, n]
 *   dA[m, k] = sum_n dy[m, n] * B[k, n]    dA = dy * B^T, and the gradient of a transposed input is (dA)^T = B * dy^T
 *   dB[k, n] = sum_m A[m, k] * dy[m, n]    dB = A^T * dy, likewise (dB)^T = dy^T * A
 */

export const variants: readonly MatmulVariant[] = [subgroup, tiled, plain];

/** Options of `matmul`. */
export interface MatmulOptions extends Partial<Transposes> {
  /** Which implementation, by name, where it suits; default: the one that was chosen for this adapter. For tests and benchmarks. */
  variant?: string;
}

/** The variant of that name if it suits, else the one that was chosen for this product. */
function variantFor(g: Geometry, asked: string | undefined, gpu: Gpu): MatmulVariant {
  const offered = variants.filter((variant) => variant.supports(g, gpu));
  const name = asked ?? choose(gpu, requestFor(g, offered, gpu));
  return offered.find((variant) => variant.name === name) ?? plain;
}

/** Rows of a batch that a trial has at most: with as few as of images, most of a tile would be idle. */
const TRIAL_ROWS = 64;

/** Which extent is the batch: A's rows, as it is stored, are those of a layer's inputs or of its output's gradient. */
const batchOf = ({ transposeA, M, K }: Geometry) => (transposeA ? K : M);

function requestFor(g: Geometry, offered: readonly MatmulVariant[], gpu: Gpu): ChoiceRequest {
  const { transposeA, transposeB, M, N, K } = g;
  const rows = Math.min(batchOf(g), TRIAL_ROWS);
  const trial = { ...g, ...(transposeA ? { K: rows } : { M: rows }) };
  const a = transposeA ? `[n,${M}]T` : `[n,${K}]`;
  const inner = transposeA ? 'n' : K;
  const b = transposeB ? `[${N},${inner}]T` : `[${inner},${N}]`;
  return {
    key: `matmul ${a} ${b}, ${batchBucket(batchOf(g))}`,
    candidates: offered.map(({ name, cost, roundOffs }) => ({
      name,
      cost: cost(g, gpu),
      tolerance: roundOffs * 2 ** -24 * Math.sqrt(trial.K + 1),
    })),
    flops: directFlops(trial),
    prepare: () => prepareTrial(trial),
  };
}

/** Random operands. */
function prepareTrial(g: Geometry): Trial {
  const { M, N, K, transposeA, transposeB } = g;
  const random = new RandomStream(1, 'trial');
  const make = (shape: Shape) => {
    const values = random.uniform(sizeOf(shape)).map((value) => value - 0.5);
    return keep(tensor(values, shape));
  };
  const a = make(transposeA ? [K, M] : [M, K]);
  const b = make(transposeB ? [N, K] : [K, N]);
  return {
    run: (variant) => product(a, b, { transposeA, transposeB, variant }),
    dispose() {
      a.dispose();
      b.dispose();
    },
  };
}

/** The product of two matrices, off the tape, with `bias` [N] added to every row. */
export function product(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false, variant }: MatmulOptions,
  bias?: Tensor,
  y?: Tensor,
): Tensor {
  const g = geometryOf('matmul', a.shape, b.shape, { transposeA, transposeB });
  const { gpu } = a.storage;
  const to = y ?? empty([g.M, g.N], 'f32', gpu);
  const { name } = variantFor(g, variant, gpu);
  const multiply: Multiply = (g, a, b, bias, y) => {
    const chosen = variantFor(g, name, gpu);
    const slicesTerms = chosen.slicesTerms?.(g, gpu) ?? false;
    if (!multiplyCut({ slicesTerms, multiply }, g, a, b, bias, y)) chosen.run(g, a, b, bias, y);
  };
  multiply(g, a, b, bias, to);
  return to;
}

/** The shape of a product. @throws ShapeError */
export function productShape(
  op: string,
  a: Shape,
  b: Shape,
  { transposeA = false, transposeB = false }: MatmulOptions = {},
): Shape {
  const { M, N } = geometryOf(op, a, b, { transposeA, transposeB });
  return [M, N];
}

const op = defineOp<MatmulOptions>({
  name: 'matmul',
  shape: ([a, b], attrs) => productShape('matmul', a, b, attrs),
  forward({ inputs: [a, b], attrs, output, save }) {
    product(a, b, attrs, undefined, output);
    save(a, b);
  },
  backward({
    gradient: dy,
    saved: [a, b],
    attrs: { transposeA = false, transposeB = false, variant },
    needs,
  }) {
    const gradientOfA = () =>
      transposeA
        ? product(b, dy, { transposeA: transposeB, transposeB: true, variant })
        : product(dy, b, { transposeB: !transposeB, variant });
    const gradientOfB = () =>
      transposeB
        ? product(dy, a, { transposeA: true, transposeB: transposeA, variant })
        : product(a, dy, { transposeA: !transposeA, variant });
    return [needs[0] ? gradientOfA() : null, needs[1] ? gradientOfB() : null];
  },
});

/**
 * Matrix product.
 *
 * @param a [M, K], or [K, M] with `transposeA`
 * @param b [K, N], or [N, K] with `transposeB`
 * @returns [M, N]
 * @throws ShapeError
 * @example
 * ```ts
 * import { matmul, tensor } from 'weft-gpu';
 *
 * const a = tensor([[1, 2], [3, 4]]);
 * await matmul(a, tensor([[1], [10]])).data(); // Float32Array [21, 43]
 * await matmul(a, a, { transposeB: true }).data(); // Float32Array [5, 11, 11, 25]
 * ```
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  expectTensor('matmul', 'a', a, 'f32');
  expectTensor('matmul', 'b', b, 'f32');
  return op([a, b], options);
}
