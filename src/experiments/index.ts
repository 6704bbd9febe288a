import { WeftError } from '../errors.ts';
import type { Experiment } from './experiment.ts';
import { twoConv, twoConvFirst } from './rasiaq/twoConvolutions.ts';
import { v5 } from './v5.ts';

/** The experiments that `weft train` knows. */
export const experiments: Readonly<Record<string, Experiment>> = { v5, twoConvFirst, twoConv };

/** @throws WeftError naming those that there are. */
export function findExperiment(name: string): Experiment {
  const found = Object.hasOwn(experiments, name) ? experiments[name] : undefined;
  if (!found)
    throw new WeftError(`no experiment '${name}'; there is: ${Object.keys(experiments).join(', ')}`);
  return found;
}
