import { kernel } from '../../src/gpu/kernel.ts';
import { launch, range } from '../../src/tensor/launch.ts';
import { scope } from '../../src/tensor/scope.ts';
import { empty, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, make, sizeOf } from '../reference/array64.ts';

/** Elements of an f32 tensor of 128 MiB: what one binding holds by WebGPU's default limits. */
export const BINDING_ELEMENTS = 2 ** 25;

/** A tensor that repeats `part` along its first axis: its data need be made only once, and so do sums over it. */
export function repeated({ shape, data }: Array64, times: number): Tensor {
  const all = new Float32Array(data.length * times);
  for (let i = 0; i < times; i++) all.set(data, i * data.length);
  return tensor(all, [shape[0] * times, ...shape.slice(1)]);
}

const WINDOW = 64;
const copyWindow = kernel({
  name: 'copy-window',
  lanes: WINDOW,
  read: { x: 'f32' },
  write: { y: 'f32' },
  body: 'y[item] = x[item];',
});

/**
 * Windows of a large tensor: its start and end, around the first multiple of 128 MiB, and some in between.
 * Reading all of it would take longer than computing it.
 *
 * @returns for each window where it starts and its elements
 */
export async function windowsOf(
  large: Tensor,
  count = 20,
): Promise<{ start: number; values: Float32Array }[]> {
  const last = Math.floor(large.size / WINDOW) - 1;
  const wanted = Array.from({ length: count }, (_, i) => Math.floor((i * last) / (count - 1)));
  const boundary = BINDING_ELEMENTS / WINDOW;
  if (boundary <= last) wanted.push(boundary - 1, boundary);
  return Promise.all(
    wanted.map(async (index) => {
      const start = index * WINDOW;
      const window = scope(() => {
        const y = empty([WINDOW]);
        launch(copyWindow, { x: range(large, start, WINDOW), y }, { items: WINDOW });
        return y;
      });
      const values = (await window.data()) as Float32Array;
      window.dispose();
      return { start, values };
    }),
  );
}

/** What `windowsOf` gives in one array, and what it should give for a tensor that repeats `part`. */
export async function sampled(
  large: Tensor,
  part: Array64,
): Promise<{ actual: number[]; expected: Array64 }> {
  const windows = await windowsOf(large);
  const actual = windows.flatMap(({ values }) => [...values]);
  const period = sizeOf(part.shape);
  const expected = windows.flatMap(({ start, values }) =>
    Array.from(values, (_, i) => part.data[(start + i) % period]),
  );
  return { actual, expected: make([expected.length], expected) };
}

/** An array's elements rounded to f32: what the GPU is given. */
export const rounded = ({ shape, data }: Array64): Array64 => make(shape, Float32Array.from(data));
