import { FASHION_MNIST_CLASSES } from '../data/fashionMnist.ts';
import { WeftError } from '../errors.ts';
import { argmaxRow } from '../nn/evaluate.ts';
import { table } from '../report/table.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Console } from './console.ts';
import { membersAt } from './evaluate.ts';
import { type PreparedImage, prepare, readPicture, SIDE } from './image.ts';
import { close, openData, openGpu, pinKernels } from './session.ts';

export interface PredictOptions {
  data?: string;
  adapter?: string;
}

/** An image to classify, as the command line named it; of a test image, its class is known. */
interface Question extends PreparedImage {
  readonly image: string;
  readonly truth?: number;
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
  const questions: Question[] = [];
  for (const image of images) questions.push(await readQuestion(image, options, out));
  for (const { image, steps } of questions) if (steps.length > 0) out.line(`${image}: ${steps.join('; ')}`);
  try {
    const gpu = await openGpu(options.adapter, out);
    const bytes = questions.flatMap(({ pixels }) => Array.from(pixels));
    const classes = FASHION_MNIST_CLASSES.length;
    const means = new Array<number>(questions.length * classes).fill(0);
    for (const { load, kernels, pixelScale } of members) {
      pinKernels(gpu, kernels, out);
      const pixels = Float32Array.from(bytes, (byte) => (byte / 255) * pixelScale);
      const x = tensor(pixels, [questions.length, SIDE, SIDE, 1]);
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
      answer(question, means.slice(n * classes, (n + 1) * classes), voters, out);
    });
    return 0;
  } finally {
    close();
  }
}

function answer({ image, truth }: Question, probabilities: number[], voters: string, out: Console): void {
  out.line(`\n${image}: ${FASHION_MNIST_CLASSES[argmaxRow(probabilities)]}${voters}`);
  if (truth !== undefined) out.line(`its label: ${FASHION_MNIST_CLASSES[truth]}`);
  const order = probabilities.map((_, k) => k).sort((a, b) => probabilities[b] - probabilities[a]);
  const rows = order.map((k) => [FASHION_MNIST_CLASSES[k], probabilities[k].toFixed(4)]);
  out.line(`\n${table(['class', 'probability'], rows)}`);
}

/** The image that a word names: `test:123`, or a file. */
async function readQuestion(image: string, { data: dir }: PredictOptions, out: Console): Promise<Question> {
  const [, number] = image.match(/^test:(.*)$/) ?? [];
  if (number === undefined) return { image, ...prepare(await readPicture(image)) };
  const { test } = await openData(dir, out);
  const index = /^\d+$/.test(number) ? Number(number) : Number.NaN;
  if (!(index < test.count))
    throw new WeftError(`${image}: test images are numbered from test:0 to test:${test.count - 1}`);
  const size = SIDE * SIDE;
  return {
    image,
    pixels: test.images.subarray(index * size, (index + 1) * size),
    steps: [],
    truth: test.labels[index],
  };
}
