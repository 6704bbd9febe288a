import { layers } from '../../nn/layers/index.ts';
import { sequential } from '../../nn/sequential.ts';
import type { Experiment } from '../experiment.ts';
import { comparison, comparisonChosen, convNormRelu, linear, norm, relu } from './torch.ts';

/*
 * Two pairs of convolutions and two hidden layers, batch-norm after every one of them.
 */

export const ownBaseline1: Experiment = {
  name: 'ownBaseline1',
  title: 'two pairs of convolutions, batch-norm everywhere',
  project: 'quah',
  network: (seed, width = 32) =>
    sequential(
      [
        ...[...convNormRelu(width), ...convNormRelu(width), layers.maxPooling2d()],
        ...[...convNormRelu(2 * width), ...convNormRelu(2 * width), layers.maxPooling2d(), layers.flatten()],
        ...[linear(8 * width), norm(), relu(), linear(8 * width), norm(), relu(), linear(10, 'softmax')],
      ],
      { inputShape: [28, 28, 1], seed },
    ),
  parameters: 937_834,
  reported: { validation: 0.9432 },
  recipe: comparison,
  chosen: comparisonChosen,
};
