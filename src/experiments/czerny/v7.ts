import { functional } from '../../nn/functional.ts';
import { layers } from '../../nn/layers/index.ts';
import { input } from '../../nn/symbolic.ts';
import type { Experiment } from '../experiment.ts';
import { classes, drop, hidden, norm, pool } from './blocks.ts';
import { basic, conv, relu, through } from './residual.ts';
import { v6 } from './v6.ts';

/*
 * Basic residual blocks of growing width. The project has its code, which was never run.
 */

export const v7: Experiment = {
  name: 'v7',
  title: 'basic ResNet',
  project: 'czerny',
  network: (seed, width = 32) => {
    const x = input({ shape: [28, 28, 1] });
    let y = through(x, conv(width, 3), relu, basic(width));
    for (const filters of [2 * width, 4 * width]) {
      y = norm().apply(drop(0.25).apply(pool().apply(y)));
      y = through(y, conv(filters, 3), relu, basic(filters));
    }
    y = drop(0.25).apply(pool().apply(y));
    const head = [layers.flatten(), ...hidden(8 * width, 'leaky'), ...hidden(4 * width, 'leaky'), norm()];
    const outputs = [...head, classes(1e-5)].reduce((value, layer) => layer.apply(value), y);
    return functional({ inputs: x, outputs, seed });
  },
  parameters: 812_234,
  reported: {},
  recipe: v6.recipe,
  chosen: [
    '32 filters at first and a dense layer of 256, of the two settings that the specification counts',
    "v5's recipe and L2 factor, as no run was made",
  ],
};
