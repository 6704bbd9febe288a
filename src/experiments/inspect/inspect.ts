import { extname } from 'node:path';
import { deadChannels, featureMaps, filters } from '../../analysis/featureMaps.ts';
import { ImageSource } from '../../data/batchSource.ts';
import { WeftError } from '../../errors.ts';
import type { Model } from '../../nn/model.ts';
import type { Console } from '../console.ts';
import { type Member, membersAt } from '../evaluate.ts';
import { classesIn, groupSets } from '../experimentSet.ts';
import { isModelFile } from '../modelFiles.ts';
import { imageTensor, type NamedImage, readImages } from '../namedImages.ts';
import { type Data, openData, openGpu, pinKernels } from '../session.ts';
import type { StopSignal } from '../stop.ts';
import { stoppable } from '../stoppable.ts';
import { testIndices } from '../testing.ts';
import { deadTable } from './deadTable.ts';
import { writeInside } from './inside.ts';

export interface InspectOptions {
  /** See `readImages`; a word may hold several, with commas between them. */
  images?: readonly string[];
  /** Names of layers. Default: every convolution. */
  layer?: readonly string[];
  /** Test images that dead channels are looked for on. */
  limit?: number;
  /** Where a file's pictures go: a run's go into its folder. */
  out?: string;
  data?: string;
  adapter?: string;
}

const DEFAULT_IMAGES = ['test:0', 'test:1'];
const DEAD_ON = 1000;

/** Looks inside the networks of a run, or of a file. Resolves with the exit code. */
export async function inspect(path: string, options: InspectOptions, out: Console): Promise<number> {
  if (options.out !== undefined && !isModelFile(path))
    throw new WeftError(`--out is for a model's file: what is found of a run goes into its folder, ${path}`);
  const members = await membersAt(path, out);
  const data = await openData(options.data, out);
  const words = (options.images ?? DEFAULT_IMAGES).flatMap((word) => word.split(','));
  const images = await readImages(words, async () => data, out);
  return stoppable(out, async (stop) => {
    const gpu = await openGpu(options.adapter, out);
    for (const member of members) {
      pinKernels(gpu, member.kernels, out);
      const model = await member.load();
      try {
        await inspectMember(member, model, images, data, options, stop, out);
      } finally {
        model.dispose();
      }
    }
  });
}

async function inspectMember(
  { name, folder, classes, pixelScale }: Member,
  model: Model,
  images: readonly NamedImage[],
  data: Data,
  { layer: layers, limit = DEAD_ON, out: place }: InspectOptions,
  stop: StopSignal,
  out: Console,
): Promise<void> {
  const { classNames } = data.test;
  const x = imageTensor(images, pixelScale);
  const maps = await featureMaps(model, x, { layers });
  x.dispose();
  const hasFilters = model.layers.some(({ kind }) => kind === 'conv2d');
  // A network of some classes alone is looked at with images of those.
  const { test } = groupSets(data, classes);
  const source = new ImageSource(test, { scale: pixelScale });
  const indices = testIndices(classesIn(test), limit);
  const onProgress = (done: number, total: number) => {
    out.progress(`${name}: dead channels`, done, total);
    stop.check();
  };
  const dead = await deadChannels(model, { source, indices }, { layers, onProgress });
  source.dispose();
  const target = place ?? folder ?? `${name.slice(0, -extname(name).length)}-inside`;
  await writeInside(target, {
    images,
    classNames,
    maps,
    filters: hasFilters ? await filters(model) : undefined,
    dead: { images: indices.length, layers: dead },
  });
  const layersTable = deadTable([...dead.values()]);
  out.line(
    `${name}: dead channels on ${indices.length.toLocaleString('en-US')} test images\n\n${layersTable}\n`,
  );
  out.line(`pictures of ${maps.size} layers for ${images.length} images: ${target}/inside`);
}
