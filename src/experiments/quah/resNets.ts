import { functional } from '../../nn/functional.ts';
import { layers } from '../../nn/layers/index.ts';
import { input, type SymbolicTensor } from '../../nn/symbolic.ts';
import type { Experiment } from '../experiment.ts';
import { comparison, comparisonChosen, conv, convNormRelu, linear, norm, through } from './torch.ts';

/*
 * ResNets of 14 layers: bottleneck blocks with four times as many filters at their end, a projection at the first of each stage.
 */

const unbiased = { useBias: false };

function bottleneck(x: SymbolicTensor, filters: number, strides: number): SymbolicTensor {
  const y = through(
    x,
    ...convNormRelu(filters, { kernelSize: 1, ...unbiased }),
    ...convNormRelu(filters, { strides, ...unbiased }),
    ...[conv(4 * filters, { kernelSize: 1, ...unbiased }), norm()],
  );
  const isFirst = x.shape[2] !== 4 * filters || strides > 1;
  const shortcut = isFirst
    ? through(x, conv(4 * filters, { kernelSize: 1, strides, ...unbiased }), norm())
    : x;
  return layers.add({ activation: 'relu' }).apply([y, shortcut]);
}

const resNet =
  (blocks: readonly number[]): Experiment['network'] =>
  (seed, width = 64) => {
    const x = input({ shape: [28, 28, 1] });
    let y = through(x, ...convNormRelu(width, { kernelSize: 5, ...unbiased }));
    for (const [stage, count] of blocks.entries()) {
      for (let i = 0; i < count; i++) y = bottleneck(y, width * 2 ** stage, stage > 0 && i === 0 ? 2 : 1);
    }
    const outputs = through(y, layers.globalAveragePooling2d(), linear(10, 'softmax'));
    return functional({ inputs: x, outputs, seed });
  };

const chosen = [
  ...comparisonChosen.slice(0, 3),
  'stride 1 in the stem and the first stage, 2 at the beginning of each later one; no pool after the stem',
];

export const resNet3Blocks: Experiment = {
  name: 'resNet3Blocks',
  title: 'bottleneck ResNet of three stages',
  project: 'quah',
  network: resNet([1, 2, 1]),
  parameters: 2_258_890,
  reported: { validation: 0.9169 },
  recipe: comparison,
  chosen,
};

export const resNet4Blocks: Experiment = {
  name: 'resNet4Blocks',
  title: 'bottleneck ResNet of four stages',
  project: 'quah',
  network: resNet([1, 1, 1, 1]),
  parameters: 8_028_618,
  reported: { validation: 0.9133 },
  recipe: comparison,
  chosen,
};
