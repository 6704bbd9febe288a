import type { Layer } from '../../nn/layer.ts';
import { layers } from '../../nn/layers/index.ts';
import type { SymbolicTensor } from '../../nn/symbolic.ts';

/*
 * InceptionV3 (C. Szegedy et al. 2016) without its top: layer by layer Keras' model, in the order in which Keras lists layers, by
 * which a file of weights and a count of frozen layers go. Those farthest from the end come first: a block's branches end together,
 * so the longer a branch, the earlier it begins.
 */

/** Layers of this file: Keras counts 311, with the input. */
export const BASE_LAYERS = 310;

/** What comes next in a branch: one layer, or two side by side. */
type Step = readonly Layer[];
type Branch = readonly Step[];

interface ConvOptions {
  strides?: number;
  padding?: 'same' | 'valid';
}

/** A convolution without bias, batch-norm without gamma, a ReLU. */
const conv = (
  filters: number,
  kernelSize: number | readonly [number, number],
  { strides = 1, padding = 'same' }: ConvOptions = {},
): Branch => [
  [layers.conv2d({ filters, kernelSize, strides, padding, useBias: false })],
  [layers.batchNormalization({ scale: false })],
  [layers.activation({ activation: 'relu' })],
];
const halving = { strides: 2, padding: 'valid' } as const;
const maxPool = (): Step => [layers.maxPooling2d({ poolSize: 3, strides: 2 })];
const averagePool = (): Step => [layers.averagePooling2d({ poolSize: 3, strides: 1, padding: 'same' })];

/** Two branches of one length on one value, and both results together. */
const fork = (left: Branch, right: Branch): Branch => [
  ...left.map((step, i) => [...step, ...right[i]]),
  [layers.concatenate()],
];

/** One step on: two layers on the value of their side, or on the only one; one layer on all values. */
const advance = (values: SymbolicTensor[], step: Step): SymbolicTensor[] =>
  step.length === 1
    ? [step[0].apply(values)]
    : step.map((layer, side) => layer.apply(values[side] ?? values[0]));

/** Branches on one value, joined. */
function block(x: SymbolicTensor, name: string, branches: readonly Branch[]): SymbolicTensor {
  let values = branches.map(() => [x]);
  for (let ahead = Math.max(...branches.map(({ length }) => length)); ahead > 0; ahead--)
    values = values.map((value, i) => {
      const step = branches[i].at(-ahead);
      return step ? advance(value, step) : value;
    });
  return layers.concatenate({ name }).apply(values.flat());
}

/** @param width filters of the first convolution, 32 in the original: all others are in proportion */
export function inceptionBase(x: SymbolicTensor, width: number): SymbolicTensor {
  const n = (filters: number) => Math.max(1, Math.round((filters * width) / 32));
  const stem: Branch = [
    ...[...conv(n(32), 3, halving), ...conv(n(32), 3, { padding: 'valid' }), ...conv(n(64), 3), maxPool()],
    ...[...conv(n(80), 1, { padding: 'valid' }), ...conv(n(192), 3, { padding: 'valid' }), maxPool()],
  ];
  let y = stem.reduce(advance, [x])[0];

  for (const [i, pooled] of [32, 64, 64].entries())
    y = block(y, `mixed${i}`, [
      conv(n(64), 1),
      [...conv(n(48), 1), ...conv(n(64), 5)],
      [...conv(n(64), 1), ...conv(n(96), 3), ...conv(n(96), 3)],
      [averagePool(), ...conv(n(pooled), 1)],
    ]);
  y = block(y, 'mixed3', [
    conv(n(384), 3, halving),
    [...conv(n(64), 1), ...conv(n(96), 3), ...conv(n(96), 3, halving)],
    [maxPool()],
  ]);

  const across = (filters: number) => conv(filters, [1, 7]);
  const down = (filters: number) => conv(filters, [7, 1]);
  for (const [i, filters] of [128, 160, 160, 192].entries()) {
    const m = n(filters);
    y = block(y, `mixed${4 + i}`, [
      conv(n(192), 1),
      [...conv(m, 1), ...across(m), ...down(n(192))],
      [...conv(m, 1), ...down(m), ...across(m), ...down(m), ...across(n(192))],
      [averagePool(), ...conv(n(192), 1)],
    ]);
  }
  y = block(y, 'mixed8', [
    [...conv(n(192), 1), ...conv(n(320), 3, halving)],
    [...conv(n(192), 1), ...across(n(192)), ...down(n(192)), ...conv(n(192), 3, halving)],
    [maxPool()],
  ]);

  const both = () => fork(conv(n(384), [1, 3]), conv(n(384), [3, 1]));
  for (const i of [0, 1])
    y = block(y, `mixed${9 + i}`, [
      conv(n(320), 1),
      [...conv(n(384), 1), ...both()],
      [...conv(n(448), 1), ...conv(n(384), 3), ...both()],
      [averagePool(), ...conv(n(192), 1)],
    ]);
  return y;
}
