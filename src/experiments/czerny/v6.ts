import { functional } from '../../nn/functional.ts';
import { layers } from '../../nn/layers/index.ts';
import { input } from '../../nn/symbolic.ts';
import type { Experiment } from '../experiment.ts';
import { classes, drop, hidden, norm, pool, shiftsAndFlips } from './blocks.ts';
import { bottleneck, conv, through } from './residual.ts';

/*
 * Bottleneck blocks of growing width. The project has its code, which was never run.
 */

export const v6: Experiment = {
  name: 'v6',
  title: 'bottleneck ResNet',
  project: 'czerny',
  // Filters 32, 32 and 128 of the first block; dense layers twice as wide as that.
  network: (seed, width = 128) => {
    const [a, c] = [Math.ceil(width / 4), width];
    const x = input({ shape: [28, 28, 1] });
    let y = through(x, conv(c, 3, 'relu'), bottleneck(a, a, c));
    y = drop(0.2).apply(pool().apply(y));
    y = through(y, conv(2 * c, 1, 'relu'), bottleneck(2 * a, 2 * a, 2 * c));
    y = drop(0.2).apply(pool().apply(y));
    y = through(y, conv(3 * c, 1, 'relu'), bottleneck(3 * a, 3 * a, 3 * c));
    y = drop(0.2).apply(layers.maxPooling2d({ poolSize: 3 }).apply(y));
    const head = [layers.flatten(), norm(), ...hidden(2 * c, 'relu', 0.2), norm(), ...hidden(2 * c), norm()];
    const outputs = [...head, classes(1e-5)].reduce((value, layer) => layer.apply(value), y);
    return functional({ inputs: x, outputs, seed });
  },
  parameters: 852_490,
  reported: {},
  recipe: {
    batchSize: 512,
    optimizer: { name: 'Adam', learningRate: 3e-4 },
    epochs: 100,
    trainingImages: 50_000,
    validationImages: 10_000,
    augment: shiftsAndFlips,
    patience: 20,
  },
  chosen: [
    'filters (32, 32, 128) and dense layers of 256, of the two settings that the specification counts',
    "v5's recipe and L2 factor, as no run was made",
  ],
};
