import { sub } from '../kernels/binary.ts';
import { matmul } from '../kernels/matmul/index.ts';
import { mean } from '../kernels/reduce.ts';
import { normal } from '../nn/initializers.ts';
import { RandomStream } from '../tensor/random.ts';
import { keep, scope } from '../tensor/scope.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';

/*
 * The directions of largest variance by subspace iteration (Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review 53,
 * 2011, algorithm 4.4). X [N, D] is centred, V [D, K] has orthonormal columns, a few more than the directions that are wanted:
 *
 *   W = X^T X V,  V <- orthonormal columns with the span of W            some times
 *   V^T W = U diag(e) U^T,  components V U, scores X V U                  in falling order of e
 *
 * The products of X run on the GPU, the rest, small, in f64 on the CPU.
 */

/** Columns beside those that are wanted, and iterations: scikit-learn's for a few components. */
const MORE_COLUMNS = 10;
const ITERATIONS = 7;

/** A matrix by its columns. */
type Columns = Float64Array[];

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i], 0);

/**
 * The scores of points on their first principal components: where they lie along the directions of largest variance.
 *
 * @param points f32 [N, D]
 * @param count of components; those past the smaller of N and D are 0
 * @param seed of the first guess
 * @returns [N, count], row-major. The sign of a component is such that its largest score is positive.
 */
export async function principalComponents(points: Tensor, count: number, seed = 0): Promise<Float32Array> {
  const [N, D] = points.shape;
  const K = Math.min(count + MORE_COLUMNS, N, D);
  const x = scope(() => sub(points, mean(points, { axes: 0, keepDims: true })));
  keep(x);
  try {
    const random = normal(D * K, new RandomStream(seed, 'principal components'));
    let v = orthonormal(columnsOf(random, K));
    let w = await timesCovariance(x, v);
    for (let i = 0; i < ITERATIONS; i++) {
      v = orthonormal(w);
      w = await timesCovariance(x, v);
    }
    const small = v.map((a) => Float64Array.from(w, (b) => dot(a, b)));
    const { values, vectors } = symmetricEigen(small);
    const order = values.map((_, k) => k).sort((a, b) => values[b] - values[a]);
    const components = order.slice(0, count).map((k) => combine(v, vectors[k]));
    const scores = await product(x, components);
    return withSigns(scores, components.length, count, N);
  } finally {
    x.dispose();
  }
}

const columnsOf = (rows: ArrayLike<number>, K: number): Columns =>
  Array.from({ length: K }, (_, k) =>
    Float64Array.from({ length: rows.length / K }, (_, i) => rows[i * K + k]),
  );

function upload(columns: Columns): Tensor {
  const [D, K] = [columns[0].length, columns.length];
  return tensor(
    Float32Array.from({ length: D * K }, (_, at) => columns[at % K][Math.floor(at / K)]),
    [D, K],
  );
}

async function read(made: () => Tensor): Promise<Float32Array> {
  const result = keep(scope(made));
  try {
    return (await result.data()) as Float32Array;
  } finally {
    result.dispose();
  }
}

const product = (x: Tensor, v: Columns): Promise<Float32Array> => read(() => matmul(x, upload(v)));

async function timesCovariance(x: Tensor, v: Columns): Promise<Columns> {
  const w = await read(() => matmul(x, matmul(x, upload(v)), { transposeA: true }));
  return columnsOf(w, v.length);
}

/** Orthonormal columns with the span of these, by Gram and Schmidt, twice for the sake of rounding; a dependent one becomes 0. */
function orthonormal(columns: Columns): Columns {
  const made: Columns = [];
  for (const column of columns) {
    const q = column.slice();
    const before = Math.sqrt(dot(q, q));
    for (let turn = 0; turn < 2; turn++)
      for (const other of made) {
        const share = dot(q, other);
        for (let i = 0; i < q.length; i++) q[i] -= share * other[i];
      }
    const length = Math.sqrt(dot(q, q));
    made.push(length > 1e-10 * before ? q.map((value) => value / length) : q.fill(0));
  }
  return made;
}

const combine = (columns: Columns, weights: Float64Array): Float64Array =>
  columns[0].map((_, i) => columns.reduce((sum, column, k) => sum + weights[k] * column[i], 0));

/** Eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's rotations. */
function symmetricEigen(matrix: Columns): { values: number[]; vectors: Columns } {
  const n = matrix.length;
  // Rounding leaves the matrix a little asymmetric.
  const a = matrix.map((column, j) => column.map((value, i) => (value + matrix[i][j]) / 2));
  const vectors = a.map((_, j) => Float64Array.from({ length: n }, (_, i) => (i === j ? 1 : 0)));
  const scale = Math.sqrt(a.reduce((sum, column) => sum + dot(column, column), 0));
  for (let sweep = 0; sweep < 50; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        off += a[p][q] ** 2;
        if (Math.abs(a[p][q]) <= 1e-18 * scale) continue;
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        const s = t * c;
        for (let i = 0; i < n; i++) {
          [a[p][i], a[q][i]] = [c * a[p][i] - s * a[q][i], s * a[p][i] + c * a[q][i]];
          [vectors[p][i], vectors[q][i]] = [
            c * vectors[p][i] - s * vectors[q][i],
            s * vectors[p][i] + c * vectors[q][i],
          ];
        }
        for (let i = 0; i < n; i++)
          [a[i][p], a[i][q]] = [c * a[i][p] - s * a[i][q], s * a[i][p] + c * a[i][q]];
      }
    }
    if (Math.sqrt(off) <= 1e-14 * scale) break;
  }
  return { values: a.map((column, k) => column[k]), vectors };
}

/** Scores of `found` components as those of `count`, each with its largest one positive. */
function withSigns(scores: Float32Array, found: number, count: number, N: number): Float32Array {
  const signed = new Float32Array(N * count);
  for (let k = 0; k < found; k++) {
    let largest = 0;
    for (let i = 0; i < N; i++)
      if (Math.abs(scores[i * found + k]) > Math.abs(largest)) largest = scores[i * found + k];
    for (let i = 0; i < N; i++) signed[i * count + k] = (largest < 0 ? -1 : 1) * scores[i * found + k];
  }
  return signed;
}
