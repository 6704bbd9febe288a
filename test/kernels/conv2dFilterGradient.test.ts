import { describe, expect, test } from 'vitest';
import { type Cotangent, geometryOf } from '../../src/kernels/conv2d/geometry.ts';
import { variants } from '../../src/kernels/conv2d/passes.ts';
import { NOWHERE } from '../../src/kernels/maxPool2d.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, zeros } from '../reference/array64.ts';
import { conv2d as reference } from '../reference/conv2d.ts';
import { compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { type Draw, draws } from '../support/property.ts';

/*
 * Winograd's filter gradient by itself, where its parts meet: images in several chunks that begin anywhere in memory, tiles dealt to
 * slices, cotangents folded in each way.
 */

const gpu = await testGpu();

const asTensor = ({ shape, data }: Array64): Tensor => tensor(Float32Array.from(data), shape);
const asF32 = ({ shape, data }: Array64): Array64 => ({ shape, data: Float64Array.from(data, Math.fround) });

/** A random cotangent for a sum of `shape` [N, Y, X, K], and what it unfolds to. */
function cotangent(form: string, shape: number[], { random, int }: Draw): [Cotangent, Array64] {
  const [N, Y, X, K] = shape;
  if (form !== 'pooled') {
    const dy = asF32(random.uniform(shape));
    if (form === 'whole') return [{ dy: asTensor(dy) }, dy];
    const sum = random.uniform(shape);
    const y = { shape, data: sum.data.map((value) => Math.max(value, 0)) };
    const data = dy.data.map((value, at) => (y.data[at] > 0 ? value : 0));
    return [
      { dy: asTensor(dy), y: asTensor(y) },
      { shape, data },
    ];
  }
  const [rows, columns] = [Math.floor(Y / 2), Math.floor(X / 2)];
  const dy = asF32(random.uniform([N, rows, columns, K]));
  const places = Uint8Array.from(dy.data, () => [0, 1, 2, 3, NOWHERE][int(0, 4)]);
  const whole = zeros(shape);
  for (let at = 0; at < places.length; at++) {
    if (places[at] === NOWHERE) continue;
    const k = at % K;
    const ox = (Math.floor(at / K) % columns) * 2 + (places[at] % 2);
    const oy = (Math.floor(at / K / columns) % rows) * 2 + (places[at] >> 1);
    const n = Math.floor(at / K / columns / rows);
    whole.data[((n * Y + oy) * X + ox) * K + k] = dy.data[at];
  }
  const winners = tensor(new Uint32Array(places.buffer), [N, rows, columns, K / 4]);
  return [{ dy: asTensor(dy), winners }, whole];
}

const winograd = variants.filter(({ name }) => name.startsWith('winograd'));
const { subgroupSize } = gpu;
const widths = subgroupSize ? [subgroupSize, 0] : [0];

describe.each(winograd)('$name', (variant) => {
  test.each(widths.flatMap((width) => ['whole', 'masked', 'pooled'].map((form) => [width, form] as const)))(
    'subgroup width %d, %s cotangent',
    async (width, form) => {
      Object.defineProperty(gpu, 'subgroupSize', { value: width });
      try {
        for (const drawn of draws(`filter gradient ${variant.name} ${form}`, 1)) {
          // Two chunks and more, with images of an odd number of elements.
          const [N, size, C, K] = [drawn.int(17, 20), drawn.pick([25, 27]), 4, drawn.pick([92, 100])];
          const attrs = { padding: drawn.pick(['same', 'valid'] as const) };
          const inputs = [
            asF32(drawn.random.uniform([N, size, size, C])),
            asF32(drawn.random.uniform([3, 3, C, K])),
          ];
          const g = geometryOf(
            inputs.map(({ shape }) => shape),
            attrs.padding,
          );
          const [folded, dz] = cotangent(form, [N, g.Y, g.X, K], drawn);
          const expected = reference.backward(inputs, attrs, dz)[1] as Array64;
          const x = asTensor(inputs[0]);
          const once = () => scope(() => variant.filterGradient(g, x, folded));
          const [first, second] = [once(), once()];
          const found = await first.data();
          compare(found, expected, N * g.Y * g.X, drawn.label, variant.roundOffs);
          expect(await second.data(), 'the same bits again').toEqual(found);
          for (const made of [x, first, second, ...Object.values(folded)]) made.dispose();
        }
      } finally {
        Object.defineProperty(gpu, 'subgroupSize', { value: subgroupSize });
      }
    },
  );
});
