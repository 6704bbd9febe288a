import fs from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { DeadChannels, FeatureMaps, Filters } from '../../analysis/featureMaps.ts';
import { showValue } from '../../checks.ts';
import { WeftError } from '../../errors.ts';
import { atomicWrite, makeFolder } from '../../node/files.ts';
import { featureMapPicture, filtersPicture } from '../../report/featureMapPicture.ts';
import { encodePng, grayPicture } from '../../report/pictures.ts';
import { object, type Schema, wholeNumber } from '../../schema.ts';
import { figure, images, list, MOST, text } from '../fields.ts';
import { fileNameOf } from '../fileName.ts';
import { SIDE } from '../image.ts';
import { json, readIfThere, readJson } from '../jsonFile.ts';
import type { NamedImage } from '../namedImages.ts';
import { pathInside } from '../pathInside.ts';

/*
 * What `weft inspect` leaves in a run's folder: inside.json, and the pictures that it names in the folder inside. The JSON is written
 * last, and taken away first: where it is, its pictures are.
 */

const FILE = 'inside.json';
const PICTURES = 'inside';

/** Images that are looked at at a time. */
const MOST_IMAGES = 1000;

const channel = wholeNumber({ max: MOST.channels - 1 });
const channels = list(channel, MOST.channels);
const extent = wholeNumber({ min: 1, max: MOST.channels });
/** A path from the folder that inside.json is in. */
const picture = v.pipe(text, v.maxLength(255, 'a path of at most 255 characters'));

const insideSchema = v.pipe(
  object({
    format: v.literal(1, '1: inspect the run again'),
    images: list(object({ name: text, label: v.optional(text), picture }), MOST_IMAGES),
    layers: list(
      object({
        layer: text,
        /** Without the batch. */
        shape: v.pipe(list(extent, 8), v.minLength(1, 'an array of at least 1')),
        /** One for each image. */
        maps: list(object({ picture, blank: channels }), MOST_IMAGES),
      }),
      MOST.layers,
    ),
    /** Of the first convolution, where there is one. */
    filters: v.nullable(
      object({
        layer: text,
        shape: v.pipe(list(extent, 4), v.length(4, 'an array of 4')),
        range: v.pipe(v.tuple([figure, figure]), v.readonly()),
        picture,
      }),
    ),
    dead: object({
      /** On how many test images. */
      images: images(),
      layers: list(
        object({ layer: text, channels: extent, dead: channels }) satisfies Schema<DeadChannels>,
        MOST.layers,
      ),
    }),
  }),
  v.check(
    ({ images, layers }) => layers.every(({ maps }) => maps.length === images.length),
    'an object whose layers have a map for each image',
  ),
);

/** What a look inside a network found. */
export type Inside = Readonly<v.InferOutput<typeof insideSchema>>;

export interface Found {
  readonly images: readonly NamedImage[];
  readonly classNames: readonly string[];
  readonly maps: ReadonlyMap<string, FeatureMaps>;
  readonly filters: Filters | undefined;
  readonly dead: { readonly images: number; readonly layers: ReadonlyMap<string, DeadChannels> };
}

/** Writes what was found into a folder, in place of what an earlier look found. @throws WeftError naming what can't be removed or written */
export async function writeInside(folder: string, found: Found): Promise<Inside> {
  for (const name of [FILE, PICTURES])
    await fs.rm(join(folder, name), { recursive: true, force: true }).catch((error) => {
      throw new WeftError(`could not remove ${join(folder, name)}: ${error.message}`, { cause: error });
    });
  await makeFolder(join(folder, PICTURES));
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
  const inside = await readJson(file, insideSchema);
  if (!inside) return undefined;
  const paths = [
    ...inside.images.map(({ picture }) => picture),
    ...inside.layers.flatMap(({ maps }) => maps.map(({ picture }) => picture)),
    ...(inside.filters ? [inside.filters.picture] : []),
  ];
  const pictures = new Map<string, Uint8Array>();
  for (const path of paths) {
    if (pictures.has(path))
      throw new WeftError(`${file} names ${showValue(path)} twice: inspect the run again`);
    const picture = await readIfThere(await pathInside(folder, path));
    if (!picture)
      throw new WeftError(`${file} names ${showValue(path)}, which isn't there: inspect the run again`);
    if (!isPng(picture)) throw new WeftError(`${file} names ${showValue(path)}, which is no PNG picture`);
    pictures.set(path, picture);
  }
  return { inside, pictureOf: (path) => pictures.get(path)! };
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((byte, i) => bytes[i] === byte);
