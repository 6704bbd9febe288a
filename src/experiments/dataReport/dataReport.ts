import { basename } from 'node:path';
import type { ImageSet } from '../../data/batchSource.ts';
import { WeftError } from '../../errors.ts';
import { atomicWrite } from '../../node/files.ts';
import { reportPage, type Section } from '../../report/page.ts';
import { dataSection } from '../../report/sections/data.ts';
import type { Console } from '../console.ts';
import { type Member, membersAt } from '../evaluate.ts';
import { isModelFile } from '../modelFiles.ts';
import { readImages } from '../namedImages.ts';
import { type OpenGpu, openData, openGpu, pinKernels } from '../session.ts';
import type { StopSignal } from '../stop.ts';
import { stoppable } from '../stoppable.ts';
import { augmentationSection, augmentedExperiment } from './augmentation.ts';
import { outliersSection } from './outliers.ts';

export interface DataReportOptions {
  /** The page. */
  out: string;
  /** A run of an autoencoder, or its file. */
  autoencoder?: string;
  /** Experiments whose augmentation is shown. */
  augment?: readonly string[];
  /** Images whose augmented copies are shown; see `readImages`. */
  images?: readonly string[];
  /** Training images among which outliers are looked for. Default: all. */
  limit?: number;
  data?: string;
  adapter?: string;
}

const DEFAULT_AUGMENT = ['v5'];
/** A boot, a T-shirt, a dress, a pullover, a sneaker and a bag. */
const DEFAULT_IMAGES = ['train:0', 'train:1', 'train:3', 'train:5', 'train:6', 'train:23'];

const HOW_TO_TRAIN =
  'An autoencoder ranks images by how badly it gives them back; none was named. Train one with: weft train autoencoder --name autoencoder. Then: weft data-report --autoencoder runs/autoencoder.';

/** Writes what the data set is like into one HTML page. Resolves with the exit code. */
export async function dataReport(options: DataReportOptions, out: Console): Promise<number> {
  const experiments = (options.augment ?? DEFAULT_AUGMENT).map(augmentedExperiment);
  const autoencoder = options.autoencoder && (await autoencoderAt(options.autoencoder, out));
  const data = await openData(options.data, out);
  const words = (options.images ?? DEFAULT_IMAGES).flatMap((word) => word.split(','));
  const images = await readImages(words, async () => data, out);
  return stoppable(out, async (stop) => {
    const gpu = await gpuIfThere(options.adapter, out);
    const sections: Section[] = [
      dataSection(data.train, { title: 'Training images' }),
      dataSection(data.test, { title: 'Test images' }),
    ];
    for (const experiment of experiments)
      sections.push(
        'missing' in gpu
          ? missing(`Augmentation of ${experiment.name}`, gpu.missing)
          : await augmentationSection(experiment, images, data.train.classNames),
      );
    if (!autoencoder) sections.push(missing('Outliers', HOW_TO_TRAIN));
    else if ('missing' in gpu) sections.push(missing('Outliers', gpu.missing));
    else sections.push(await outliers(gpu, autoencoder, data.train, options.limit, stop, out));
    await atomicWrite(options.out, reportPage({ title: 'The data: Fashion-MNIST', sections }));
    out.line(`page: ${options.out}`);
  });
}

/** The first network of a run or a file. @throws WeftError where it is no autoencoder */
async function autoencoderAt(path: string, out: Console): Promise<Member> {
  const [member] = await membersAt(path, out);
  if (member.task === 'reconstruct' || isModelFile(path)) return member;
  throw new WeftError(`--autoencoder ${path}: that network says what images show, it gives none back`);
}

/** The GPU, or why there is none: what needs none is shown all the same. */
async function gpuIfThere(adapter: string | undefined, out: Console): Promise<OpenGpu | { missing: string }> {
  try {
    return await openGpu(adapter, out);
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    out.line(`no adapter: ${error.message}`);
    return {
      missing: `This needs a GPU, or software that takes its place, and none was found: ${error.message}`,
    };
  }
}

const missing = (title: string, text: string): Section => ({ title, blocks: [{ kind: 'text', text }] });

async function outliers(
  gpu: OpenGpu,
  { name, kernels, pixelScale, load }: Member,
  set: ImageSet,
  limit: number | undefined,
  stop: StopSignal,
  out: Console,
): Promise<Section> {
  pinKernels(gpu, kernels, out);
  const count = Math.min(limit ?? set.count, set.count);
  const indices = Uint32Array.from({ length: count }, (_, i) => i);
  const model = await load();
  try {
    return await outliersSection(model, basename(name), set, {
      pixelScale,
      indices,
      onProgress(done, total) {
        out.progress('outliers', done, total);
        stop.check();
      },
    });
  } finally {
    model.dispose();
  }
}
