import { WeftError } from '../errors.ts';
import { v5 } from './czerny/v5.ts';
import type { Experiment } from './experiment.ts';
import { cnn4 } from './icdss/cnn4.ts';
import { twoConv, twoConvFirst } from './rasiaq/twoConvolutions.ts';

/** The experiments, in the order of their projects. */
export const experiments: readonly Experiment[] = [v5, cnn4, twoConvFirst, twoConv];

/** The experiment of that name, in whatever case. @throws WeftError naming those that there are */
export function findExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name.toLowerCase() === name.toLowerCase());
  if (found) return found;
  throw new WeftError(
    `no experiment '${name}'; there are ${experiments.map((experiment) => experiment.name).join(', ')}`,
  );
}
