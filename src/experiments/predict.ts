import { FASHION_MNIST_CLASSES } from '../data/fashionMnist.ts';
import { WeftError } from '../errors.ts';
import { argmaxRow } from '../nn/evaluate.ts';
import { loadModel } from '../nn/sequential.ts';
import { table } from '../report/table.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Console } from './console.ts';
import { membersOf } from './evaluate.ts';
import { type PreparedImage, prepare, readPicture, SIDE } from './image.ts';
import { RunFolder } from './run.ts';
import { close, openData, openGpu } from './session.ts';

export interface PredictOptions {
  data?: string;
  adapter?: string;
}

/** An image to classify; of a test image, its class is known. */
interface Question extends PreparedImage {
  readonly truth?: number;
}

/** Says what a run's network, or its networks together, take an image for. Resolves with the exit code. */
export async function predict(
  path: string,
  image: string,
  options: PredictOptions,
  out: Console,
): Promise<number> {
  const members = await membersOf(await RunFolder.open(path));
  const { pixels, steps, truth } = await readQuestion(image, options, out);
  if (steps.length > 0) out.line(`${image}: ${steps.join('; ')}`);
  try {
    await openGpu(options.adapter, out);
    const x = tensor(
      Float32Array.from(pixels, (value) => value / 255),
      [1, SIDE, SIDE, 1],
    );
    const sums = FASHION_MNIST_CLASSES.map(() => 0);
    for (const { file } of members) {
      const model = loadModel(file);
      const y = model.predict(x);
      (await y.data()).forEach((probability, k) => {
        sums[k] += probability / members.length;
      });
      y.dispose();
      model.dispose();
    }
    const order = sums.map((_, k) => k).sort((a, b) => sums[b] - sums[a]);
    const voters = members.length > 1 ? ` (mean of ${members.length} networks)` : '';
    out.line(`\n${image}: ${FASHION_MNIST_CLASSES[argmaxRow(sums)]}${voters}`);
    if (truth !== undefined) out.line(`its label: ${FASHION_MNIST_CLASSES[truth]}`);
    out.line(
      `\n${table(
        ['class', 'probability'],
        order.map((k) => [FASHION_MNIST_CLASSES[k], sums[k].toFixed(4)]),
      )}`,
    );
    return 0;
  } finally {
    close();
  }
}

/** The image that a word names: `test:123`, or a file. */
async function readQuestion(image: string, { data: dir }: PredictOptions, out: Console): Promise<Question> {
  const [, number] = image.match(/^test:(.*)$/) ?? [];
  if (number === undefined) return prepare(await readPicture(image));
  const { test } = await openData(dir, out);
  const index = /^\d+$/.test(number) ? Number(number) : Number.NaN;
  if (!(index < test.count))
    throw new WeftError(`${image}: test images are numbered from test:0 to test:${test.count - 1}`);
  const size = SIDE * SIDE;
  return {
    pixels: test.images.subarray(index * size, (index + 1) * size),
    steps: [],
    truth: test.labels[index],
  };
}
