import fs from 'node:fs/promises';
import { join } from 'node:path';
import { atomicWrite } from '../../node/files.ts';
import { scatterChart } from '../../report/scatter.ts';
import { fileNameOf } from '../fileName.ts';
import { json, parseJson, readIfThere } from '../folder.ts';
import type { Versions } from '../run.ts';

/*
 * tsne-pixels.json or tsne-LAYER.json, with the same as a picture, .svg: where `weft tsne` placed images by their pixels, or by what a
 * layer gives for them. Of a network they lie beside its weights.
 */

/** What images are placed by where it is no layer. */
export const PIXELS = 'pixels';

export interface TsneMap {
  readonly format: 1;
  readonly made: string;
  readonly versions: Versions;
  readonly adapter: string;
  /** `pixels`, or a layer's name. */
  readonly of: string;
  /** The network that the layer is in. */
  readonly network?: string;
  /** Values an image. */
  readonly dimensions: number;
  readonly set: 'train' | 'test';
  /** Numbers of the images in the data set's file, from 0. */
  readonly images: readonly number[];
  readonly labels: readonly number[];
  readonly classNames: readonly string[];
  /** [images, 2], row-major. */
  readonly places: readonly number[];
  readonly perplexity: number;
  /** As it was used. */
  readonly learningRate: number;
  readonly seed: number;
  /** Steps done. */
  readonly iterations: number;
  /** Kullback-Leibler divergence, in nats. */
  readonly divergence: number;
  /** For distances, probabilities and the descent. */
  readonly seconds: number;
  /** Share of the images whose class is that of most of their `k` nearest neighbours, by all values and by places. */
  readonly neighbors: { readonly k: number; readonly values: number; readonly places: number };
}

const nameOf = (of: string): string => `tsne-${fileNameOf(of)}`;

/** The picture of a map: a dot for each image, coloured by its class, and each class's name at its median place. */
export const drawMap = ({ of, images, labels, classNames, places }: TsneMap): string =>
  scatterChart({
    title: `t-SNE of ${images.length} images by ${of === PIXELS ? of : `layer ${of}`}`,
    groups: classNames.map((name, label) => ({
      name,
      points: labels.flatMap((own, n) =>
        own === label ? [[places[2 * n], places[2 * n + 1]] as const] : [],
      ),
    })),
  });

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
  return Promise.all(paths.map(async (path) => parseJson<TsneMap>(path, (await readIfThere(path))!)));
}
