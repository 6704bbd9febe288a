import { ShapeError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { showShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { nanWgsl } from './shared/nan.ts';

/*
 * Brightness as keras-preprocessing 1.1.0 changes it: by way of an 8-bit picture that is stretched to its full range first.
 *
 * x [N,H,W,C], factors [N]; of each image, m its smallest and M its largest value, d = max(-m, 0):
 *   byte = floor(255 (x + d) / (M + d)), 0 where M + d = 0
 *   y    = min(floor(factor * byte), 255)
 * An image with NaN is NaN everywhere, as its m and M are.
 *
 * A quotient less than 2^-10 below a whole number counts as that number, so that no adapter's round-off takes a grey level from an
 * image that is stretched already.
 */

const LANES = 64;

const brightnessKernel = kernel({
  name: 'adjust-brightness',
  lanes: LANES,
  read: { x: 'f32', factors: 'f32' },
  write: { y: 'f32' },
  uniforms: { size: 'u32' },
  declarations: `${nanWgsl('f32')}
fn higher(a: f32, b: f32) -> f32 { return select(a, b, beats(b, a)); }
var<workgroup> lows: array<f32, ${LANES}>;
var<workgroup> highs: array<f32, ${LANES}>;`,
  body: `
    let begin = workgroup * u.size;
    var low = x[begin];
    var high = low;
    for (var e = lane; e < u.size; e += ${LANES}u) {
      low = min(low, x[begin + e]);
      high = higher(high, x[begin + e]);
    }
    lows[lane] = low;
    highs[lane] = high;
    workgroupBarrier();
    for (var i = 0u; i < ${LANES}u; i++) {
      low = min(low, lows[i]);
      high = higher(high, highs[i]);
    }
    let up = max(-low, 0.0);
    let stretch = 255.0 / select(1.0, high + up, high + up != 0.0);
    let factor = factors[workgroup];
    for (var e = lane; e < u.size; e += ${LANES}u) {
      let byte = clamp(floor((x[begin + e] + up) * stretch + ${2 ** -10}), 0.0, 255.0);
      y[begin + e] = select(clamp(floor(factor * byte), 0.0, 255.0), high, isNan(high));
    }`,
});

const op = defineOp({
  name: 'adjustBrightness',
  shape([x, factors]) {
    if (x.length !== 4) throw new ShapeError('adjustBrightness', 'x [N, H, W, C]', showShape(x));
    if (factors.length !== 1 || factors[0] !== x[0])
      throw new ShapeError('adjustBrightness', `factors [${x[0]}]`, showShape(factors));
    return x;
  },
  forward({ inputs: [x, factors], output }) {
    const [N, ...image] = x.shape;
    const size = sizeOf(image);
    launch(
      brightnessKernel,
      { x: split(x, size), factors: split(factors, 1), y: split(output, size) },
      { items: N, workgroups: (items) => items, uniforms: { size } },
    );
  },
});

/**
 * Multiplies each image by its factor, as keras-preprocessing 1.1.0 does: the image is stretched so that its largest value is 255, cut
 * to whole grey levels, multiplied, and cut again to 0 .. 255. No gradient flows through.
 *
 * @param x f32 [N, H, W, C], of any range
 * @param factors f32 [N], at least 0
 * @returns the shape of x, whole numbers from 0 to 255; an image with NaN becomes NaN
 * @throws ShapeError
 */
export function adjustBrightness(x: Tensor, factors: Tensor): Tensor {
  expectTensor('adjustBrightness', 'x', x, 'f32');
  expectTensor('adjustBrightness', 'factors', factors, 'f32');
  return op([x, factors], undefined);
}
