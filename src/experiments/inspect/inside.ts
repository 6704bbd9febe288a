import fs from 'node:fs/promises';
import { join } from 'node:path';
import type { DeadChannels, FeatureMaps, Filters } from '../../analysis/featureMaps.ts';
import { WeftError } from '../../errors.ts';
import { atomicWrite } from '../../node/files.ts';
import { featureMapPicture, filtersPicture } from '../../report/featureMapPicture.ts';
import { encodePng, grayPicture } from '../../report/pictures.ts';
import type { Shape } from '../../tensor/shape.ts';
import { fileNameOf } from '../fileName.ts';
import { json, parseJson, readIfThere } from '../folder.ts';
import { SIDE } from '../image.ts';
import type { NamedImage } from '../namedImages.ts';

/*
 * What `weft inspect` leaves in a run's folder: inside.json, and the pictures that it names in the folder inside. The JSON is written
 * last, and taken away first: where it is, its pictures are.
 */

const FILE = 'inside.json';
const PICTURES = 'inside';

/** What a look inside a network found. Pictures are paths from the folder that inside.json is in. */
export interface Inside {
  readonly format: 1;
  readonly images: readonly { readonly name: string; readonly label?: string; readonly picture: string }[];
  readonly layers: readonly {
    readonly layer: string;
    /** Without the batch. */
    readonly shape: Shape;
    /** One for each image. */
    readonly maps: readonly { readonly picture: string; readonly blank: readonly number[] }[];
  }[];
  /** Of the first convolution, where there is one. */
  readonly filters: { layer: string; shape: Shape; range: readonly [number, number]; picture: string } | null;
  readonly dead: {
    /** On how many test images. */
    readonly images: number;
    readonly layers: readonly DeadChannels[];
  };
}

export interface Found {
  readonly images: readonly NamedImage[];
  readonly classNames: readonly string[];
  readonly maps: ReadonlyMap<string, FeatureMaps>;
  readonly filters: Filters | undefined;
  readonly dead: { readonly images: number; readonly layers: ReadonlyMap<string, DeadChannels> };
}

/** Writes what was found into a folder, in place of what an earlier look found. */
export async function writeInside(folder: string, found: Found): Promise<Inside> {
  await fs.rm(join(folder, FILE), { force: true });
  await fs.rm(join(folder, PICTURES), { recursive: true, force: true });
  await fs.mkdir(join(folder, PICTURES), { recursive: true });
  const save = async (name: string, png: Uint8Array) => {
    const picture = `${PICTURES}/${name}.png`;
    await atomicWrite(join(folder, picture), png);
    return picture;
  };
  const images: Inside['images'][number][] = [];
  for (const [i, { name, pixels, truth }] of found.images.entries()) {
    const picture = await save(`image-${i + 1}`, encodePng(grayPicture(pixels, SIDE, SIDE, { scale: 4 })));
    images.push({ name, ...(truth !== undefined && { label: found.classNames[truth] }), picture });
  }
  const layers: Inside['layers'][number][] = [];
  for (const [layer, maps] of found.maps) {
    const { dead } = found.dead.layers.get(layer) ?? { dead: [] };
    const file = (i: number) => `image-${i + 1}-layer-${layers.length + 1}-${fileNameOf(layer)}`;
    const written = found.images.map(async (_, i) => ({
      picture: await save(file(i), encodePng(featureMapPicture(maps, i, { dead }))),
      blank: maps.blank[i],
    }));
    layers.push({ layer, shape: maps.shape.slice(1), maps: await Promise.all(written) });
  }
  let filters: Inside['filters'] = null;
  if (found.filters) {
    const { layer, shape, range } = found.filters;
    filters = {
      layer,
      shape,
      range,
      picture: await save('filters', encodePng(filtersPicture(found.filters))),
    };
  }
  const dead = { images: found.dead.images, layers: [...found.dead.layers.values()] };
  const inside: Inside = { format: 1, images, layers, filters, dead };
  await atomicWrite(join(folder, FILE), json(inside));
  return inside;
}

/** What was found, with its pictures. */
export interface InsideFiles {
  readonly inside: Inside;
  readonly pictureOf: (path: string) => Uint8Array;
}

/** What a folder holds of a look inside; undefined where there was none. @throws WeftError where its files are damaged */
export async function readInside(folder: string): Promise<InsideFiles | undefined> {
  const file = join(folder, FILE);
  const bytes = await readIfThere(file);
  if (!bytes) return undefined;
  const inside = parseJson<Inside>(file, bytes);
  if (inside?.format !== 1)
    throw new WeftError(`${file} is of another version of weft: inspect the run again`);
  const paths = [
    ...inside.images.map(({ picture }) => picture),
    ...inside.layers.flatMap(({ maps }) => maps.map(({ picture }) => picture)),
    ...(inside.filters ? [inside.filters.picture] : []),
  ];
  const pictures = new Map<string, Uint8Array>();
  for (const path of paths) {
    const picture = await readIfThere(join(folder, path));
    if (!picture) throw new WeftError(`${file} names ${path}, which isn't there: inspect the run again`);
    pictures.set(path, picture);
  }
  return { inside, pictureOf: (path) => pictures.get(path)! };
}
