import { beforeAll, describe, expect, it, test } from 'vitest';
import { kernel } from '../../src/gpu/kernel.ts';
import * as ops from '../../src/kernels/index.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { full, ones, zeros } from '../../src/tensor/create.ts';
import { launch } from '../../src/tensor/launch.ts';
import { record } from '../../src/tensor/record.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';
import { any, expectError, named, type WrongCall } from '../support/wrongCalls.ts';

beforeAll(testGpu);

const deep: unknown[] = [];
deep.push(deep);

const VALUES = 'tensor: expected numbers, nested arrays of them or typed arrays';
const values: readonly WrongCall[] = [
  ...(
    [
      [undefined, 'undefined'],
      [null, 'null'],
      ['abc', "'abc'"],
      [['1', '2'], "'1'"],
      [[1, undefined], 'undefined'],
      [[null], 'null'],
      [true, 'true'],
      [[true, false], 'true'],
      [{}, 'an object'],
      [Promise.resolve([1]), 'a promise (is an await missing?)'],
      [new ArrayBuffer(8), 'an ArrayBuffer: say what is in it, as new Float32Array(buffer)'],
      [new DataView(new ArrayBuffer(8)), 'a DataView of 8'],
      [BigInt64Array.of(1n), 'a BigInt64Array of 1: convert it by Number'],
      [[1n], 'a bigint: convert it by Number'],
    ] as const
  ).map(([value, shown]): WrongCall => [`${VALUES}, got ${shown}`, () => tensor(any(value))]),
  [`${VALUES}, got a tensor [1]`, () => tensor(any(tensor([1])))],
  ['tensor: expected nested arrays of equal lengths, got ragged ones', () => tensor([[1, 2], [3]])],
  ['tensor: expected nested arrays of equal lengths, got ragged ones', () => tensor([1, [2]])],
  ['tensor: expected nested arrays of equal lengths, got ragged ones', () => tensor([[1], 2])],
  [
    'tensor: expected nested arrays of equal lengths, got ragged ones',
    () => tensor([Float32Array.of(1, 2), Float32Array.of(3)]),
  ],
  ['tensor: expected nested arrays of at most 32 axes, got deeper ones', () => tensor(any(deep))],
  ['tensor: expected dimensions that are whole numbers of at least 1, got [0]', () => tensor([])],
  ['tensor: expected 3 elements for shape [3], got 2', () => tensor([1, 2], [3])],
  [
    "tensor: dtype must be 'f32', 'i32' or 'u32', got 'float32'; the nearest is 'f32'",
    () => tensor([1], [1], any('float32')),
  ],
  [
    'tensor: expected whole numbers from -2147483648 to 2147483647 for i32, got 1.7 at element 1',
    () => tensor([1, 1.7], [2], 'i32'),
  ],
  [
    'tensor: expected whole numbers from -2147483648 to 2147483647 for i32, got NaN at element 0',
    () => tensor([Number.NaN], [1], 'i32'),
  ],
  [
    'tensor: expected whole numbers from 0 to 4294967295 for u32, got -1 at element 0',
    () => tensor([-1], [1], 'u32'),
  ],
  ['alias: expected 50 elements for shape [50], got 2', () => tensor([1, 2]).alias([50])],
];

const shapes: readonly WrongCall[] = [
  ['zeros: expected a shape, as [2, 3], got null', () => zeros(any(null))],
  ['zeros: expected a shape, as [2, 3], got 3', () => zeros(any(3))],
  ["zeros: expected dimensions that are whole numbers of at least 1, got ['3']", () => zeros(any(['3']))],
  ['ones: expected dimensions that are whole numbers of at least 1, got [-1]', () => ones([-1])],
  ['ones: expected dimensions that are whole numbers of at least 1, got [NaN]', () => ones([Number.NaN])],
  ["zeros: dtype must be 'f32', 'i32' or 'u32', got 'f64'", () => zeros([2], any('f64'))],
  ["full: expected a number as value, got '3'", () => full([2], any('3'))],
  ['full: expected a number as value, got undefined', () => full([2], any(undefined))],
  [
    'full: expected whole numbers from -2147483648 to 2147483647 for i32, got 8589934592 at element 0',
    () => full([2], 2 ** 33, 'i32'),
  ],
];

const oneEach = kernel({ name: 'ones', lanes: 64, write: { y: 'f32' }, body: 'y[item] = 1.0;' });
const x = () => ones([2, 2]);
const image = () => ones([1, 4, 4, 1]);
const operands: readonly WrongCall[] = [
  ['relu: expected a tensor for x, got undefined', () => ops.relu(any(undefined))],
  ['relu: expected a tensor for x, got null', () => ops.relu(any(null))],
  ['relu: expected a tensor for x, got 5', () => ops.relu(any(5))],
  ['relu: expected a tensor for x, got [1, 2]', () => ops.relu(any([1, 2]))],
  [
    'relu: expected a tensor for x, got a promise (is an await missing?)',
    () => ops.relu(any(Promise.resolve(1))),
  ],
  ["add: expected a tensor or a number for b, got '1'", () => ops.add(x(), any('1'))],
  ['mul: expected a tensor or a number for b, got undefined', () => ops.mul(x(), any(undefined))],
  [
    'add: expected a tensor or a number for a, got a Float32Array of 1',
    () => ops.add(any(new Float32Array(1)), 1),
  ],
  [
    'conv2d: expected a tensor for bias, got an object { padding }',
    () => ops.conv2d(image(), ones([3, 3, 1, 1]), any({ padding: 'same' })),
  ],
  [
    'conv2dTranspose: expected a tensor for bias, got an object { padding }',
    () => ops.conv2dTranspose(image(), ones([3, 3, 1, 1]), any({ padding: 'same' })),
  ],
  ['maxPool2d: expected a tensor for x, got undefined', () => ops.maxPool2d(any(undefined))],
  ['transpose: expected a tensor for x, got undefined', () => ops.transpose(any(undefined))],
  ['slice: expected a tensor for x, got 1', () => ops.slice(any(1), [0], [1])],
  ['reshape: expected a tensor for x, got 1', () => ops.reshape(any(1), [1])],
  ['gather: expected a tensor for x, got [1]', () => ops.gather(any([1]), tensor(Uint32Array.of(0)))],
  ['gather: expected a tensor for indices, got [0]', () => ops.gather(x(), any([0]))],
  ['concat: expected a tensor for tensor 1, got 1', () => ops.concat([x(), any(1)], 0)],
  ['concat: expected an axis from -2 to 1, got undefined', () => ops.concat([x(), x()], any(undefined))],
  ['argmax: expected an axis from -2 to 1, got [0]', () => ops.argmax(x(), any([0]))],
  ['sum: its options must be an object, as { axes: 0 }, got 0', () => ops.sum(x(), any(0))],
  ["sum: expected distinct axes from -2 to 1, got '0'", () => ops.sum(x(), { axes: any('0') })],
  ['dropout: expected a tensor for draw, got undefined', () => ops.dropout(x(), 0.5, any(undefined))],
  ['l2: lambda must be a number of at least 0, got -1', () => ops.l2(x(), -1)],
  ['gradients: expected a tensor for the loss, got undefined', () => gradients(any(undefined), [])],
  ['gradients: expected a list of targets, got undefined', () => gradients(ops.sum(x()), any(undefined))],
  ['variable: expected a tensor for its values, got [1]', () => variable(any([1]))],
  [
    'scope: its first argument must be a function, as () => relu(x), got undefined',
    () => scope(any(undefined)),
  ],
  [
    'record: its first argument must be a function, as (x) => relu(x), got undefined',
    () => record(any<() => Tensor>(undefined)),
  ],
  ['kernel ones: it was given no operand', () => launch(oneEach, {}, { items: 4 })],
  [
    'kernel ones: items must be a whole number of at least 0, got NaN',
    () => launch(oneEach, { y: ones([4]) }, { items: Number.NaN }),
  ],
  [
    'a recorded step: expected a tensor for argument 0, got 5',
    () => record((a: Tensor) => ops.relu(a))(any(5)),
  ],
];

describe.each([
  ['values', values],
  ['shapes', shapes],
  ['operands', operands],
])('wrong %s', (_, calls) => {
  it.each(named(calls))('%s', (_, call) => expectError(call));
});

test('the device lives after all of them', async () => {
  expect([...(await ops.relu(tensor([-1, 2])).data())]).toEqual([0, 2]);
});

test('lists of typed arrays are tensors, and typed arrays of every kind of number', async () => {
  const rows = tensor([Float32Array.of(1, 2), Uint8Array.of(3, 4)]);
  expect([rows.shape, rows.dtype, [...(await rows.data())]]).toEqual([[2, 2], 'f32', [1, 2, 3, 4]]);
  for (const kind of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Float64Array]) {
    const made = tensor(kind.of(1, 2));
    expect([made.shape, made.dtype, [...(await made.data())]]).toEqual([[2], 'f32', [1, 2]]);
  }
});

// Stand until ops declare the element types of their inputs.
describe('tensors of another dtype', () => {
  const i32 = (shape: number[]) => ones(shape, 'i32');
  const calls: readonly WrongCall[] = [
    ['relu: expected x f32, got i32 [2]', () => ops.relu(i32([2]))],
    ['conv2d: expected x f32, got i32 [1, 4, 4, 1]', () => ops.conv2d(i32([1, 4, 4, 1]), ones([3, 3, 1, 1]))],
    ['conv2d: expected w f32, got i32 [3, 3, 1, 1]', () => ops.conv2d(image(), i32([3, 3, 1, 1]))],
  ];
  it.fails.each(named(calls))('%s', (_, call) => expectError(call));
});
