import { showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { v1 } from './czerny/v1.ts';
import { v2, v2Narrow } from './czerny/v2.ts';
import { v3 } from './czerny/v3.ts';
import { v4 } from './czerny/v4.ts';
import { v5 } from './czerny/v5.ts';
import { v5EightClasses, v5ThreeClasses } from './czerny/v5Collapse.ts';
import { v6 } from './czerny/v6.ts';
import { v7 } from './czerny/v7.ts';
import type { Experiment } from './experiment.ts';
import { cnn4 } from './icdss/cnn4.ts';
import { inceptionV3 } from './icdss/inceptionV3.ts';
import { resNet18 } from './icdss/resNet18.ts';
import { autoencoder } from './quah/autoencoder.ts';
import { denseNet3Blocks, denseNet4Blocks } from './quah/denseNets.ts';
import { ownBaseline1 } from './quah/ownBaseline1.ts';
import { ownBaseline2 } from './quah/ownBaseline2.ts';
import { ownBaseline3 } from './quah/ownBaseline3.ts';
import { resNet3Blocks, resNet4Blocks } from './quah/resNets.ts';
import { twoConv, twoConvFirst } from './rasiaq/twoConvolutions.ts';

const czerny = [v1, v2Narrow, v2, v3, v4, v5, v5EightClasses, v5ThreeClasses, v6, v7];
const icdss = [cnn4, resNet18, inceptionV3];
const rasiaq = [twoConvFirst, twoConv];
const quah = [
  ...[ownBaseline1, ownBaseline2, ownBaseline3],
  ...[resNet3Blocks, resNet4Blocks, denseNet3Blocks, denseNet4Blocks],
  autoencoder,
];

/** The experiments, in the order of their projects. */
export const experiments: readonly Experiment[] = [...czerny, ...icdss, ...rasiaq, ...quah];

/** The experiment of that name, in whatever case. @throws WeftError naming those that there are */
export function findExperiment(name: string): Experiment {
  const found = experiments.find((experiment) => experiment.name.toLowerCase() === name.toLowerCase());
  if (found) return found;
  throw new WeftError(
    `no experiment ${showValue(name)}; there are ${experiments.map((experiment) => experiment.name).join(', ')}`,
  );
}
