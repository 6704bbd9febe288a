import fs from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { atomicWrite } from '../../node/files.ts';
import { scatterChart } from '../../report/scatter.ts';
import { object, wholeNumber } from '../../schema.ts';
import { classNumber, figure, images, list, MOST, positive, seconds, share, text } from '../fields.ts';
import { fileNameOf } from '../fileName.ts';
import { json, readJson } from '../jsonFile.ts';
import { versions } from '../manifest.ts';

/*
 * tsne-pixels.json or tsne-LAYER.json, with the same as a picture, .svg: where `weft tsne` placed images by their pixels, or by what a
 * layer gives for them. Of a network they lie beside its weights.
 */

/** Images of a map: the exact method takes the square of their number. */
const MOST_IMAGES = 100_000;

/** What images are placed by where it is no layer. */
export const PIXELS = 'pixels';

const neighbors = object({
  k: wholeNumber({ min: 1, max: MOST.images }),
  values: share,
  places: share,
});

const mapSchema = v.pipe(
  object({
    format: v.literal(1, '1, the format that this version of weft reads'),
    made: text,
    versions,
    adapter: text,
    /** `pixels`, or a layer's name. */
    of: text,
    /** The network that the layer is in. */
    network: v.optional(text),
    /** Values an image. */
    dimensions: wholeNumber({ min: 1, max: 1e9 }),
    set: v.picklist(['train', 'test'], "'train' or 'test'"),
    /** Numbers of the images in the data set's file, from 0. */
    images: list(images(), MOST_IMAGES),
    labels: list(classNumber, MOST_IMAGES),
    classNames: list(text, MOST.classes),
    /** [images, 2], row-major. */
    places: list(figure, 2 * MOST_IMAGES),
    perplexity: positive,
    /** As it was used. */
    learningRate: positive,
    seed: wholeNumber(),
    /** Steps done. */
    iterations: wholeNumber(),
    /** Kullback-Leibler divergence, in nats. */
    divergence: figure,
    /** For distances, probabilities and the descent. */
    seconds,
    /** Share of the images whose class is that of most of their `k` nearest neighbours, by all values and by places. */
    neighbors,
  }),
  v.check(({ images, labels }) => labels.length === images.length, 'an object with a label for each image'),
  v.check(
    ({ images, places }) => places.length === 2 * images.length,
    'an object with two numbers in places for each image',
  ),
  v.check(
    ({ labels, classNames }) => labels.every((label) => label < classNames.length),
    'an object with a name for each label',
  ),
);

export type TsneMap = Readonly<v.InferOutput<typeof mapSchema>>;

const nameOf = (of: string): string => `tsne-${fileNameOf(of)}`;

/** The picture of a map: a dot for each image, coloured by its class, and each class's name at its median place. */
export function drawMap({ of, images, labels, classNames, places }: TsneMap): string {
  const groups = classNames.map((name) => ({ name, points: [] as [number, number][] }));
  labels.forEach((label, n) => {
    groups[label].points.push([places[2 * n], places[2 * n + 1]]);
  });
  return scatterChart({
    title: `t-SNE of ${images.length} images by ${of === PIXELS ? of : `layer ${of}`}`,
    groups,
  });
}

/** A map's file. */
export const mapFile = (of: string): string => `${nameOf(of)}.json`;

/** Writes a map and its picture. @returns the paths */
export async function writeMap(folder: string, map: TsneMap): Promise<string[]> {
  const paths = [mapFile(map.of), `${nameOf(map.of)}.svg`].map((name) => join(folder, name));
  await atomicWrite(paths[0], json(map));
  await atomicWrite(paths[1], drawMap(map));
  return paths;
}

/** The maps in a folder, in the order of their names. @throws WeftError where one is damaged */
export async function readMaps(folder: string): Promise<TsneMap[]> {
  const names = await fs.readdir(folder).catch(() => []);
  const paths = names
    .filter((name) => /^tsne-.*\.json$/.test(name))
    .sort()
    .map((name) => join(folder, name));
  const maps: TsneMap[] = [];
  for (const path of paths) {
    const map = await readJson(path, mapSchema);
    if (map) maps.push(map);
  }
  return maps;
}
