import type { Gpu } from '../../src/gpu/gpu.ts';
import { adamRates, adamUpdate } from '../../src/kernels/adam.ts';
import { batchNormInference, batchNormTraining } from '../../src/kernels/batchNorm.ts';
import { directFlops, type Geometry, geometryOf } from '../../src/kernels/conv2d/geometry.ts';
import { variants as convVariants } from '../../src/kernels/conv2d/passes.ts';
import { dropout } from '../../src/kernels/dropout.ts';
import { gatherImages } from '../../src/kernels/gatherImages.ts';
import { geometryOf as productGeometry } from '../../src/kernels/matmul/geometry.ts';
import { matmul, variants as matmulVariants } from '../../src/kernels/matmul/index.ts';
import { maxPool2d } from '../../src/kernels/maxPool2d.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import type { Padding } from '../../src/kernels/shared/padding.ts';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { empty, type Tensor, tensor } from '../../src/tensor/tensor.ts';

/** One thing to measure: what it does, how much work that is, and the ways to do it. */
export interface Case {
  readonly name: string;
  /** Work of one run: floating-point operations of the direct method, or bytes that must be read and written at least. */
  readonly work: { readonly flops: number } | { readonly bytes: number };
  /** By the variant's name. Each issues one run. */
  readonly variants: Readonly<Record<string, () => Tensor | undefined>>;
}

/** A pass of a convolution or product, whose variants return what they computed. */
export interface ProductCase extends Case {
  readonly work: { readonly flops: number };
  readonly variants: Readonly<Record<string, () => Tensor>>;
}

/** A case that allocates its operands only when its turn comes. */
export interface PlannedCase<C extends Case = Case> {
  readonly name: string;
  prepare(gpu: Gpu, batch: number, operands: Operands): C;
}

const MOST_DRAWN = 1_000_003;

/** The tensors of a case: they are freed together when it is done. */
export class Operands {
  private readonly made: Tensor[] = [];
  readonly stream = new RandomStream(1, 'benchmark');

  own(made: Tensor): Tensor {
    this.made.push(made);
    return made;
  }

  /** Numbers from -0.5 to 0.5. Past a million they repeat: drawing more takes longer than any kernel. */
  random(...shape: number[]): Tensor {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    values.set(this.stream.uniform(Math.min(values.length, MOST_DRAWN)).map((value) => value - 0.5));
    for (let done = MOST_DRAWN; done < values.length; done += MOST_DRAWN)
      values.copyWithin(done, 0, Math.min(MOST_DRAWN, values.length - done));
    return this.own(tensor(values, shape));
  }

  /** Parameters and statistics of a batch-norm. */
  statistics(channels: number) {
    const variance = this.own(tensor(new Float32Array(channels).fill(1)));
    return {
      gamma: this.random(channels),
      beta: this.random(channels),
      mean: this.random(channels),
      variance,
    };
  }

  dispose(): void {
    for (const tensor of this.made) tensor.dispose();
  }
}

const bytesOf = (...tensors: Tensor[]): number => tensors.reduce((total, { size }) => total + 4 * size, 0);

/** Kernel (square or [height, width]), height and width of the image, input channels, filters, padding, stride (default 1). */
type ConvolutionShape = [
  kernel: number | [number, number],
  size: number,
  C: number,
  K: number,
  padding: Padding,
  stride?: number,
];

const V5: ConvolutionShape[] = [
  [3, 28, 1, 64, 'same'],
  [3, 28, 64, 128, 'same'],
  [3, 14, 128, 64, 'same'],
  [3, 14, 64, 128, 'same'],
  [3, 7, 128, 64, 'same'],
  [3, 7, 64, 128, 'valid'],
];

const RESNET18: ConvolutionShape[] = [
  // The first layer, then the 3x3 of stride 1 in each stage ...
  [7, 28, 1, 64, 'same', 2],
  [3, 14, 64, 64, 'same'],
  [3, 7, 128, 128, 'same'],
  [3, 4, 256, 256, 'same'],
  [3, 2, 512, 512, 'same'],
  // ... and what halves the image between them, beside its shortcut.
  [3, 14, 64, 128, 'same', 2],
  [1, 14, 64, 128, 'same', 2],
  [3, 7, 128, 256, 'same', 2],
  [1, 7, 128, 256, 'same', 2],
  [3, 4, 256, 512, 'same', 2],
  [1, 4, 256, 512, 'same', 2],
];

const OTHERS: ConvolutionShape[] = [
  // Residual networks with larger images and more channels ...
  [3, 28, 64, 64, 'same'],
  [3, 14, 128, 128, 'same'],
  [3, 7, 256, 256, 'same'],
  // ... and bottlenecks: to four times as many channels and back.
  [1, 28, 64, 256, 'same'],
  [1, 14, 512, 128, 'same'],
  // A dense block's step, and the layer that halves its channels.
  [3, 28, 64, 16, 'same'],
  [1, 28, 192, 96, 'same'],
  // InceptionV3 at 150x150: its first layer, factorised and large kernels, the last reduction.
  [3, 150, 3, 32, 'valid', 2],
  [5, 16, 48, 64, 'same'],
  [[1, 7], 7, 128, 128, 'same'],
  [[7, 1], 7, 192, 192, 'same'],
  [[1, 3], 3, 384, 384, 'same'],
  [3, 16, 288, 384, 'valid', 2],
  // A five by five on the image itself.
  [5, 28, 1, 64, 'same'],
];

type Pass = 'forward' | 'input gradient' | 'filter gradient';
const PASS = {
  forward: 'forward',
  'input gradient': 'inputGradient',
  'filter gradient': 'filterGradient',
} as const;

function convolution(
  [kernel, size, C, K, padding, stride = 1]: ConvolutionShape,
  pass: Pass,
): PlannedCase<ProductCase> {
  const [I, J] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
  const strided = stride === 1 ? '' : `, stride ${stride}`;
  const name = `conv2d ${I}x${J}, ${size}x${size}, ${C} to ${K}, ${padding}${strided}, ${pass}`;
  const prepare = (gpu: Gpu, batch: number, operands: Operands): ProductCase => {
    const x = operands.random(batch, size, size, C);
    const w = operands.random(I, J, C, K);
    const g: Geometry = geometryOf([x.shape, w.shape], padding, stride);
    const y = operands.random(batch, g.Y, g.X, K);
    const bias = operands.random(K);
    const dx = operands.own(empty(x.shape));
    const suited = convVariants.filter((variant) => variant.supports(g, PASS[pass], gpu));
    const output = { bias, relu: false, pool: false, y };
    const runs: Record<Pass, (variant: (typeof suited)[number]) => Tensor> = {
      forward(variant) {
        variant.forward(g, x, w, output);
        return y;
      },
      'input gradient'(variant) {
        variant.inputGradient(g, { dy: y }, w, dx);
        return dx;
      },
      'filter gradient': (variant) => variant.filterGradient(g, x, { dy: y }),
    };
    return {
      name,
      work: { flops: directFlops(g) },
      variants: Object.fromEntries(suited.map((variant) => [variant.name, () => runs[pass](variant)])),
    };
  };
  return { name, prepare };
}

/** The products of v5's dense layers: y = x w, dx = dy w^T, dw = x^T dy. */
function product(inputs: number, units: number, pass: Pass): PlannedCase<ProductCase> {
  const name = `dense ${inputs} to ${units}, ${pass}`;
  const prepare = (gpu: Gpu, batch: number, operands: Operands): ProductCase => {
    const [x, w, dy] = [
      operands.random(batch, inputs),
      operands.random(inputs, units),
      operands.random(batch, units),
    ];
    const byPass: Record<Pass, [Tensor, Tensor, boolean, boolean]> = {
      forward: [x, w, false, false],
      'input gradient': [dy, w, false, true],
      'filter gradient': [x, dy, true, false],
    };
    const [a, b, transposeA, transposeB] = byPass[pass];
    const g = productGeometry('benchmark', a.shape, b.shape, { transposeA, transposeB });
    const suited = matmulVariants.filter((variant) => variant.supports(g, gpu));
    const run = (variant: string) => () => matmul(a, b, { transposeA, transposeB, variant });
    return {
      name,
      work: { flops: 2 * batch * inputs * units },
      variants: Object.fromEntries(suited.map(({ name }) => [name, run(name)])),
    };
  };
  return { name, prepare };
}

/** A kernel that is bound by memory: what one run must move, and the run. */
function moving(
  name: string,
  prepare: (operands: Operands, batch: number) => { bytes: number; run: () => void },
): PlannedCase {
  return {
    name,
    prepare(_gpu, batch, operands) {
      const { bytes, run } = prepare(operands, batch);
      return { name, work: { bytes }, variants: { plain: () => void run() } };
    },
  };
}

/** Forward and backward of an op: the op's own traffic, without the seed of the gradient, which `sum` broadcasts. */
const backAndForth = (op: (x: Tensor) => Tensor, x: Tensor) => () => void gradients(sum(op(x)), [x]);

const others: PlannedCase[] = [
  moving('relu, forward', (o, batch) => {
    const x = o.random(batch, 28, 28, 128);
    return { bytes: 2 * bytesOf(x), run: () => void relu(x) };
  }),
  moving('relu, sum and backward', (o, batch) => {
    const x = o.random(batch, 28, 28, 128);
    x.requiresGrad = true;
    return { bytes: 7 * bytesOf(x), run: backAndForth(relu, x) };
  }),
  moving('batchNormInference, forward', (o, batch) => {
    const x = o.random(batch, 28, 28, 64);
    const { gamma, beta, mean, variance } = o.statistics(64);
    return {
      bytes: 2 * bytesOf(x),
      run: () => void batchNormInference(x, gamma, beta, mean, variance, { epsilon: 1e-3 }),
    };
  }),
  moving('batchNormTraining, forward', (o, batch) => {
    const x = o.random(batch, 28, 28, 64);
    const { gamma, beta, mean, variance } = o.statistics(64);
    return {
      bytes: 3 * bytesOf(x),
      run: () =>
        void batchNormTraining(x, gamma, beta, { mean, variance }, { momentum: 0.99, epsilon: 1e-3 }),
    };
  }),
  moving('maxPool2d, forward', (o, batch) => {
    const x = o.random(batch, 28, 28, 128);
    return { bytes: 1.25 * bytesOf(x), run: () => void maxPool2d(x) };
  }),
  moving('dropout, forward', (o, batch) => {
    const x = o.random(batch, 14, 14, 128);
    const draw = o.own(o.stream.drawTensor());
    return { bytes: 2 * bytesOf(x), run: () => void dropout(x, 0.2, draw) };
  }),
  moving('softmaxCrossEntropy, forward', (o, batch) => {
    const logits = o.random(batch, 10);
    const labels = o.own(tensor(Int32Array.from({ length: batch }, (_, i) => i % 10)));
    return { bytes: bytesOf(logits, labels), run: () => void softmaxCrossEntropy(logits, labels) };
  }),
  moving('sum over batch and image, 128 channels', (o, batch) => {
    const x = o.random(batch, 28, 28, 128);
    return { bytes: bytesOf(x), run: () => void sum(x, { axes: [0, 1, 2] }) };
  }),
  moving('adamUpdate of 904,074 weights', (o) => {
    const [parameter, gradient, m, v] = [0, 1, 2, 3].map(() => o.random(904_074));
    const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
    const rates = o.own(tensor(adamRates(1, { ...options, learningRate: 1e-3 })));
    return {
      bytes: bytesOf(parameter, gradient, m, v) + bytesOf(parameter, m, v),
      run: () => adamUpdate({ parameter, gradient, m, v }, rates, options),
    };
  }),
  moving('gatherImages with augmentation', (o, batch) => {
    const [count, height, width] = [1000, 28, 28];
    const bytes = o.own(tensor(o.stream.words((count * height * width) / 4)));
    const indices = o.own(tensor(o.stream.permutation(count).slice(0, Math.min(batch, count))));
    const augment = { draw: o.own(o.stream.drawTensor()), shift: 3, flip: true };
    return {
      bytes: indices.size * height * width * 5,
      run: () => void gatherImages(bytes, indices, { height, width, channels: 1, augment }),
    };
  }),
];

const PASSES: Pass[] = ['forward', 'input gradient', 'filter gradient'];

/** The passes of convolutions. An input of one channel is the image, which takes no gradient. */
const convolutions = (shapes: readonly ConvolutionShape[]): PlannedCase<ProductCase>[] =>
  shapes.flatMap((shape) =>
    PASSES.filter((pass) => pass !== 'input gradient' || shape[2] > 1).map((pass) =>
      convolution(shape, pass),
    ),
  );

const products = (...layers: [inputs: number, units: number][]): PlannedCase<ProductCase>[] =>
  layers.flatMap(([inputs, units]) => PASSES.map((pass) => product(inputs, units, pass)));

/** The convolutions and products of a training step, by network, at their shapes. */
export const networks = {
  v5: [...convolutions(V5), ...products([512, 512], [512, 10])],
  resNet18: convolutions(RESNET18),
} satisfies Record<string, readonly PlannedCase<ProductCase>[]>;

/** Those, convolutions of other networks, and every other kernel of a training step of v5. */
export const cases: readonly PlannedCase[] = [
  ...networks.v5,
  ...networks.resNet18,
  ...convolutions(OTHERS),
  ...others,
];
