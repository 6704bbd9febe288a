import type { Experiment } from '../experiment.ts';
import { v5, vggLike } from './v5.ts';

/*
 * The project's idea: T-shirts, pullovers and shirts, which are taken for each other most, are one class to a network of eight, and a
 * network of three tells them apart. `weft collapse` puts the two together.
 */

/** T-shirt/top, pullover, shirt. */
const ALIKE = [0, 2, 6];

export const v5EightClasses: Experiment = {
  ...v5,
  name: 'v5-8',
  title: 'v5 of eight classes: T-shirt, pullover and shirt are one',
  network: vggLike(8),
  parameters: undefined,
  reported: {},
  recipe: { ...v5.recipe, classes: [ALIKE, [1], [3], [4], [5], [7], [8], [9]] },
  chosen: ['v5 and its recipe: the idea was written down, no run was made'],
};

export const v5ThreeClasses: Experiment = {
  ...v5,
  name: 'v5-3',
  title: 'v5 of three classes: T-shirt, pullover and shirt',
  network: vggLike(3),
  parameters: undefined,
  reported: {},
  recipe: {
    ...v5.recipe,
    classes: ALIKE.map((label) => [label]),
    trainingImages: 15_000,
    validationImages: 3_000,
  },
  chosen: [
    "v5 and its recipe, on the three classes' share of its images: the idea was written down, no run was made",
  ],
};
