import { describeAugmentation } from '../../data/augmentation.ts';
import { replicate } from '../../data/replicate.ts';
import { WeftError } from '../../errors.ts';
import { imagePicture } from '../../report/imagePicture.ts';
import type { Section } from '../../report/page.ts';
import { encodePng, pictureGrid } from '../../report/pictures.ts';
import type { Experiment } from '../experiment.ts';
import { SIDE } from '../image.ts';
import { findExperiment } from '../index.ts';
import type { NamedImage } from '../namedImages.ts';

const COPIES = 9;

/** The experiment of that name. @throws WeftError where its recipe augments nothing */
export function augmentedExperiment(name: string): Experiment {
  const experiment = findExperiment(name);
  if (augmentationOf(experiment)) return experiment;
  throw new WeftError(`--augment ${name}: its recipe augments no images`);
}

const augmentationOf = ({ recipe }: Experiment) => recipe.augment ?? recipe.replicate;

/** Images beside augmented copies of them, as a recipe makes them. Needs a GPU. */
export async function augmentationSection(
  experiment: Experiment,
  images: readonly NamedImage[],
  classNames: readonly string[],
): Promise<Section> {
  const augmentation = augmentationOf(experiment)!;
  const count = images.length;
  const size = SIDE * SIDE;
  const pixels = new Uint8Array(count * size);
  for (const [i, image] of images.entries()) pixels.set(image.pixels, i * size);
  const labels = new Uint8Array(count);
  const set = { images: pixels, labels, count, height: SIDE, width: SIDE, channels: 1, classNames };
  const all = await replicate(set, undefined, augmentation, { copies: COPIES });
  const inWords = describeAugmentation(augmentation);
  const when = experiment.recipe.augment ? 'anew for each batch' : 'once, before training';
  return {
    title: `Augmentation of ${experiment.name}`,
    blocks: [
      { kind: 'text', text: `The recipe augments training images ${when}: ${inWords}.` },
      {
        kind: 'pictures',
        caption: `Left the image, then ${COPIES} augmented copies`,
        pictures: images.map(({ name, truth }, i) => {
          const what = truth === undefined ? name : `${name}, ${classNames[truth]}`;
          const row = Array.from({ length: 1 + COPIES }, (_, copy) =>
            imagePicture('data-report', all, copy * count + i),
          );
          return {
            png: encodePng(pictureGrid(row, { columns: row.length })),
            alt: `${what}, and ${COPIES} copies with ${inWords}`,
            label: what,
          };
        }),
        size: 470,
      },
    ],
  };
}
