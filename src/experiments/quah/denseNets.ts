import { functional } from '../../nn/functional.ts';
import { layers } from '../../nn/layers/index.ts';
import { input, type SymbolicTensor } from '../../nn/symbolic.ts';
import type { Experiment } from '../experiment.ts';
import { comparison, comparisonChosen, conv, convNormRelu, linear, norm, relu, through } from './torch.ts';

/*
 * DenseNet-BC (G. Huang et al. 2017): every layer adds `growth` channels to all that came before it, through a bottleneck of four times as
 * many; a transition between blocks halves the channels and the size.
 */

const one = { kernelSize: 1, useBias: false };
const three = { useBias: false };

const dense = (x: SymbolicTensor, growth: number): SymbolicTensor =>
  layers
    .concatenate()
    .apply([x, through(x, norm(), relu(), conv(4 * growth, one), norm(), relu(), conv(growth, three))]);

const transition = (x: SymbolicTensor): SymbolicTensor =>
  through(x, norm(), relu(), conv(Math.floor(x.shape[2] / 2), one), layers.averagePooling2d({ poolSize: 2 }));

interface Layout {
  readonly blocks: readonly number[];
  readonly stem: (width: number) => ReturnType<typeof convNormRelu>;
}

const denseNet =
  ({ blocks, stem }: Layout): Experiment['network'] =>
  (seed, growth = 16) => {
    const x = input({ shape: [28, 28, 1] });
    let y = through(x, ...stem(growth));
    for (const [i, count] of blocks.entries()) {
      if (i > 0) y = transition(y);
      for (let layer = 0; layer < count; layer++) y = dense(y, growth);
    }
    const head = [norm(), relu(), layers.globalAveragePooling2d(), linear(10, 'softmax')];
    return functional({ inputs: x, outputs: through(y, ...head), seed });
  };

const chosen = (layout: string) => [
  ...comparisonChosen.slice(0, 3),
  `growth 16, bottleneck 4, compression 0.5, ${layout}: no natural layout has the published number of parameters, this one is closest`,
];

export const denseNet3Blocks: Experiment = {
  name: 'denseNet3Blocks',
  title: 'DenseNet-BC of three blocks',
  project: 'quah',
  network: denseNet({ blocks: [12, 14, 18], stem: (growth) => [conv(growth, three)] }),
  parameters: 1_124_170,
  reported: { validation: 0.8987, parameters: 1_122_830 },
  recipe: comparison,
  chosen: chosen('blocks of 12, 14 and 18 layers after a 3x3 stem'),
};

export const denseNet4Blocks: Experiment = {
  name: 'denseNet4Blocks',
  title: 'DenseNet-BC of four blocks',
  project: 'quah',
  network: denseNet({
    blocks: [8, 12, 20, 4],
    stem: (growth) => convNormRelu(4 * growth, { kernelSize: 5, useBias: false }),
  }),
  parameters: 1_253_258,
  reported: { validation: 0.9011, parameters: 1_253_276 },
  recipe: comparison,
  chosen: chosen('blocks of 8, 12, 20 and 4 layers after a 5x5 stem with batch-norm'),
};
