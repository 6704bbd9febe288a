import { groupNames } from '../data/classGroups.ts';
import { FASHION_MNIST_CLASSES } from '../data/fashionMnist.ts';
import { WeftError } from '../errors.ts';
import { argmaxRow } from '../nn/evaluate.ts';
import { table } from '../report/table.ts';
import type { Console } from './console.ts';
import { membersAt } from './evaluate.ts';
import { imageTensor, type NamedImage, readImages } from './namedImages.ts';
import { close, openData, openGpu, pinKernels } from './session.ts';

export interface PredictOptions {
  data?: string;
  adapter?: string;
}

/** Says what a run's network, or its networks together, take images for. Resolves with the exit code. */
export async function predict(
  path: string,
  images: string[],
  options: PredictOptions,
  out: Console,
): Promise<number> {
  const members = await membersAt(path, out);
  const other = members.find(({ task }) => task !== 'classify');
  if (other) throw new WeftError(`${other.name} gives images back: it doesn't say what they show`);
  const questions = await readImages(images, () => openData(options.data, out), out);
  try {
    const gpu = await openGpu(options.adapter, out);
    const [{ classes: groups }] = members;
    const names = groups ? groupNames(FASHION_MNIST_CLASSES, groups) : FASHION_MNIST_CLASSES;
    const classes = names.length;
    const means = new Array<number>(questions.length * classes).fill(0);
    for (const { load, kernels, pixelScale } of members) {
      pinKernels(gpu, kernels, out);
      const x = imageTensor(questions, pixelScale);
      const model = await load();
      const y = await model.predict(x);
      (await y.data()).forEach((probability, i) => {
        means[i] += probability / members.length;
      });
      for (const used of [x, y]) used.dispose();
      model.dispose();
    }
    const voters = members.length > 1 ? ` (mean of ${members.length} networks)` : '';
    questions.forEach((question, n) => {
      answer(question, names, means.slice(n * classes, (n + 1) * classes), voters, out);
    });
    return 0;
  } finally {
    close();
  }
}

function answer(
  { name, truth }: NamedImage,
  classNames: readonly string[],
  probabilities: number[],
  voters: string,
  out: Console,
): void {
  if (probabilities.some(Number.isNaN))
    throw new WeftError(`${name}: the network gives no numbers: its weights aren't finite`);
  out.line(`\n${name}: ${classNames[argmaxRow(probabilities)]}${voters}`);
  if (truth !== undefined) out.line(`its label: ${FASHION_MNIST_CLASSES[truth]}`);
  const order = probabilities.map((_, k) => k).sort((a, b) => probabilities[b] - probabilities[a]);
  const rows = order.map((k) => [classNames[k], probabilities[k].toFixed(4)]);
  out.line(`\n${table(['class', 'probability'], rows)}`);
}
