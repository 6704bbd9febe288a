import { nearestNeighborAccuracy } from '../../analysis/nearestNeighbors.ts';
import { tsne } from '../../analysis/tsne.ts';
import { WeftError } from '../../errors.ts';
import { extractor } from '../../nn/extractor.ts';
import type { Model } from '../../nn/model.ts';
import { makeFolder } from '../../node/files.ts';
import { type Tensor, tensor } from '../../tensor/tensor.ts';
import { type Console, duration } from '../console.ts';
import { type Member, membersAt } from '../evaluate.ts';
import { classesIn, type ExperimentSet, groupSets, numberIn } from '../experimentSet.ts';
import { fileNameOf } from '../fileName.ts';
import { newRunPath } from '../run.ts';
import { type OpenGpu, openData, openGpu, pinKernels, versions } from '../session.ts';
import { shellWord } from '../shell.ts';
import type { StopSignal } from '../stop.ts';
import { stoppable } from '../stoppable.ts';
import { testIndices } from '../testing.ts';
import { PIXELS, type TsneMap, writeMap } from './artefact.ts';
import { describeNeighbors } from './section.ts';

export interface TsneCommandOptions {
  /** Default: the one whose values the logits are made of. */
  layer?: string;
  images?: number;
  set?: 'train' | 'test';
  perplexity?: number;
  learningRate?: number;
  iterations?: number;
  seed?: number;
  out?: string;
  data?: string;
  adapter?: string;
}

/** With scikit-learn's defaults and an exact method, about what a minute or two on a processor allow. */
const IMAGES = 5000;
const NEIGHBORS = 10;
/** Images that go through the network at a time. */
const BATCH = 128;

/** What all maps of one command have in common. */
interface Context {
  readonly gpu: OpenGpu;
  readonly options: TsneCommandOptions;
  readonly stop: StopSignal;
  readonly out: Console;
}

/**
 * Places images in the plane by their pixels, or by what a layer of a run's or a file's network gives for them. Resolves with the exit code.
 * @param path a run's folder or a model's file; left out: pixels
 */
export async function tsneCommand(
  path: string | undefined,
  options: TsneCommandOptions,
  out: Console,
): Promise<number> {
  if (path === undefined && options.layer !== undefined)
    throw new WeftError(
      `--layer ${options.layer}: of which network? weft tsne RUN --layer ${shellWord(options.layer)}`,
    );
  const members = path === undefined ? [] : await membersAt(path, out);
  if (options.out !== undefined && members.length > 1)
    throw new WeftError(
      `${path} has ${members.length} networks, and each gets its map in its own folder: leave out --out`,
    );
  const whole = await openData(options.data, out);
  const { set = 'test' } = options;
  return stoppable(out, async (stop) => {
    const context = { gpu: await openGpu(options.adapter, out), options, stop, out };
    if (path === undefined) {
      const chosen = choose(whole[set], options);
      await mapImages(await pixelTensor(chosen, 1), chosen, { of: PIXELS }, undefined, context);
    }
    for (const member of members) {
      const chosen = choose(groupSets(whole, member.classes)[set], options);
      const { of, values } = await layerValues(member, chosen, context);
      await mapImages(values, chosen, { of, network: member.name }, member.folder, context);
    }
  });
}

/** Images of a set to place. */
interface Chosen {
  readonly set: ExperimentSet;
  readonly indices: Uint32Array;
  readonly labels: readonly number[];
}

/** As many of every class as the set has in proportion: those that tests choose. */
function choose(set: ExperimentSet, { images = IMAGES }: TsneCommandOptions): Chosen {
  const indices = testIndices(classesIn(set), images);
  return { set, indices, labels: Array.from(indices, (i) => set.labels[i]) };
}

/** [N, height, width, channels]. @param scale what a byte of 255 becomes */
function pixelTensor({ set, indices }: Chosen, scale: number): Tensor {
  const { height, width, channels } = set;
  const size = height * width * channels;
  const pixels = new Float32Array(indices.length * size);
  indices.forEach((from, to) => {
    for (let i = 0; i < size; i++) pixels[to * size + i] = (set.images[from * size + i] / 255) * scale;
  });
  return tensor(pixels, [indices.length, height, width, channels]);
}

/** What a layer gives for images: [N, ...its shape]. */
async function layerValues(
  { name, load, kernels, pixelScale, task }: Member,
  chosen: Chosen,
  { gpu, options, out }: Context,
): Promise<{ of: string; values: Tensor }> {
  if (options.layer === undefined && task !== 'classify')
    throw new WeftError(`${name} says no classes: name the layer whose values count, with --layer`);
  pinKernels(gpu, kernels, out);
  const model = await load();
  const of = options.layer ?? layerBeforeLogits(model, name);
  const inside = extractor(model, [of]);
  const x = pixelTensor(chosen, pixelScale);
  try {
    return { of, values: await inside.predict(x, { batchSize: BATCH }) };
  } finally {
    x.dispose();
    inside.dispose();
    model.dispose();
  }
}

/** The layer whose values the last layer with weights takes, dropout aside: it changes nothing in use. */
export function layerBeforeLogits({ calls, inputs }: Model, name: string): string {
  const logits = calls.findLast(({ layer }) => layer.parameters.length > 0);
  let call = logits && calls[logits.inputs[0] - inputs.length];
  while (call?.layer.kind === 'dropout') call = calls[call.inputs[0] - inputs.length];
  if (call) return call.layer.name;
  throw new WeftError(`${name} has no layer before its logits: name one with --layer`);
}

/** Makes and writes one map. @param values [N, ...], of the images; disposed of */
async function mapImages(
  values: Tensor,
  { set, indices, labels }: Chosen,
  about: Pick<TsneMap, 'of' | 'network'>,
  folder: string | undefined,
  { gpu, options, stop, out }: Context,
): Promise<void> {
  const { perplexity = 30, learningRate, iterations = 1000, seed = 0 } = options;
  const N = indices.length;
  const dimensions = values.size / N;
  const points = values.alias([N, dimensions]);
  const what = about.of === PIXELS ? about.of : `layer ${about.of}`;
  out.line(`t-SNE of ${N} ${options.set ?? 'test'} images by ${what}: ${dimensions} values each`);
  try {
    const start = performance.now();
    out.progress(what, 0, iterations, 'distances of all pairs');
    const { embedding, ...found } = await tsne(points, {
      ...{ perplexity, iterations, seed, learningRate },
      onProgress: ({ iteration, divergence }) => {
        out.progress(what, iteration, iterations, `KL divergence ${divergence.toFixed(4)}`);
        stop.check();
      },
    });
    const seconds = (performance.now() - start) / 1000;
    const places = tensor(embedding, [N, 2]);
    const k = Math.min(NEIGHBORS, N - 1);
    const neighbors = {
      k,
      values: await nearestNeighborAccuracy(points, labels, { k }),
      places: await nearestNeighborAccuracy(places, labels, { k }),
    };
    places.dispose();
    const map: TsneMap = {
      ...{ format: 1, made: new Date().toISOString(), versions: versions(), adapter: gpu.name },
      ...{ ...about, dimensions, set: options.set ?? 'test' },
      images: Array.from(indices, (i) => numberIn(set, i)),
      labels,
      classNames: set.classNames,
      places: Array.from(embedding),
      ...{ perplexity, seed, ...found, seconds, neighbors },
    };
    out.line(
      `${found.iterations} steps in ${duration(seconds)}, KL divergence ${found.divergence.toFixed(4)}`,
    );
    out.line(`right class by ${k} nearest neighbours: ${describeNeighbors(map)}`);
    const to = folder ?? newRunPath(`tsne-${fileNameOf(about.of)}`, seed, options);
    await makeFolder(to);
    out.line(`files: ${(await writeMap(to, map)).join(', ')}\n`);
  } finally {
    for (const used of [points, values]) used.dispose();
  }
}
