import { rankOutliers, reconstructionErrors } from '../../analysis/outliers.ts';
import { type ImageSet, ImageSource } from '../../data/batchSource.ts';
import type { Model } from '../../nn/model.ts';
import { imagePicture } from '../../report/imagePicture.ts';
import type { Section } from '../../report/page.ts';
import { encodePng, pictureGrid } from '../../report/pictures.ts';
import { tensor } from '../../tensor/tensor.ts';

const SHOWN = 28;

export interface OutliersOptions {
  readonly pixelScale: number;
  /** The images that are looked at: all of these. */
  readonly indices: Uint32Array;
  readonly onProgress: (done: number, total: number) => void;
}

/** The training images that an autoencoder gives back worst. Needs a GPU. */
export async function outliersSection(
  model: Model,
  modelName: string,
  set: ImageSet,
  { pixelScale, indices, onProgress }: OutliersOptions,
): Promise<Section> {
  const source = new ImageSource(set, { scale: pixelScale });
  const errors = await reconstructionErrors(model, { source, indices }, { onProgress });
  // Of pixels from 0 to 1, whatever the network takes.
  const scores = errors.map((error) => error / pixelScale ** 2);
  const worst = rankOutliers(scores, SHOWN).map(({ index, score }) => ({ image: indices[index], score }));
  const back = await reconstructed(
    model,
    source,
    worst.map(({ image }) => image),
    pixelScale,
  );
  source.dispose();
  const { classNames, labels } = set;
  const byClass = classNames.map((name, k) => ({
    name,
    errors: scores.filter((_, i) => labels[indices[i]] === k).sort(),
  }));
  const figures = (sorted: Float32Array) =>
    [mean(sorted), quantile(sorted, 0.5), quantile(sorted, 0.99), sorted[sorted.length - 1]].map((value) =>
      value.toFixed(5),
    );
  const rows = byClass.filter(({ errors }) => errors.length > 0);
  const count = indices.length.toLocaleString('en-US');
  return {
    title: 'Outliers',
    blocks: [
      {
        kind: 'text',
        text: `The autoencoder ${modelName} was given ${count} training images. An image that is unlike the others comes back worse: its reconstruction error is the mean squared difference of its pixels, from 0 to 1, to what comes back.`,
      },
      {
        kind: 'pictures',
        caption: `The ${worst.length} images of the largest reconstruction errors, the largest first: left the image, right what comes back`,
        pictures: worst.map(({ image, score }, i) => {
          const [name, error] = [classNames[labels[image]], score.toFixed(4)];
          const pair = [
            imagePicture('data-report', set, image),
            imagePicture('data-report', { ...set, images: back, count: worst.length }, i),
          ];
          return {
            png: encodePng(pictureGrid(pair, { columns: 2 })),
            alt: `train:${image}, ${name}, and what comes back of it: reconstruction error ${error}`,
            label: `train:${image}: ${error}\n${name}`,
          };
        }),
        size: 128,
      },
      {
        kind: 'table',
        caption: 'Reconstruction errors by class',
        header: ['class', 'images', 'mean', 'median', '99 % are below', 'largest'],
        rows: [
          ...rows.map(({ name, errors }) => [name, String(errors.length), ...figures(errors)]),
          ['all', String(scores.length), ...figures(scores.slice().sort())],
        ],
      },
    ],
  };
}

/** What comes back of images, as bytes. */
async function reconstructed(
  model: Model,
  source: ImageSource,
  images: readonly number[],
  pixelScale: number,
): Promise<Uint8Array> {
  const indices = tensor(Uint32Array.from(images));
  const { x, labels } = source.batch(indices, false);
  const y = await model.predict(x);
  // A Uint8ClampedArray rounds.
  const bytes = Uint8ClampedArray.from(await y.data(), (value) => (255 * value) / pixelScale);
  for (const used of [indices, x, labels, y]) used.dispose();
  return new Uint8Array(bytes);
}

const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const quantile = (sorted: Float32Array, share: number): number =>
  sorted[Math.floor(share * (sorted.length - 1))];
