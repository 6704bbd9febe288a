import type { FeatureMaps, Filters } from '../analysis/featureMaps.ts';
import { WeftError } from '../errors.ts';
import { colorMap, type Picture } from './pictures.ts';

/*
 * Small maps side by side. Each map is shown by how its own values differ: less their mean, over their standard deviation, times 64,
 * plus 128, cut to 0 .. 255, in the colours of viridis. A map of one value everywhere has no deviation: it is a grey tile, crossed out.
 */

/** Pixels between tiles, and their grey. */
const GAP = 4;
const GAP_GREY = 160;
/** A tile's longer side is enlarged by the whole factor that makes it at least as long. */
const TILE = 40;
const EMPTY = [72, 72, 72];
const CROSS = [190, 190, 190];
const DEAD_CROSS = [255, 96, 64];

/** How `featureMapPicture` shows maps. */
export interface FeatureMapPictureOptions {
  /** Channels that are dead, over many images: they are crossed out in red. Default none. */
  readonly dead?: readonly number[];
  /** Maps a row. Default 16. */
  readonly columns?: number;
}

/** A tile: its colours, or why it has none. */
type Tile = Uint8Array | 'blank' | 'dead';

/**
 * The maps of a layer for one image, 16 a row: channel after channel, from the left to the right. A map of one value everywhere is
 * crossed out, in red where `dead` has its channel.
 *
 * @param maps what `featureMaps` gave of a layer; of one without height and width, all its units are shown by their deviation from
 *   the mean of them all
 * @param image the number of the image among those given to `featureMaps`
 * @throws WeftError where there is no such image
 * @example
 * ```ts
 * import { featureMaps, layers, ones, sequential } from 'weft-gpu';
 * import { encodePng, featureMapPicture } from 'weft-gpu/report';
 *
 * const model = sequential([layers.conv2d({ filters: 4, padding: 'same' })], { inputShape: [8, 8, 1] });
 * const maps = await featureMaps(model, ones([1, 8, 8, 1]));
 * const png = encodePng(featureMapPicture(maps.get('conv2d')!, 0));
 * ```
 */
export function featureMapPicture(
  { layer, shape, data }: FeatureMaps,
  image: number,
  { dead = [], columns = 16 }: FeatureMapPictureOptions = {},
): Picture {
  const [N, ...extents] = shape;
  if (!(Number.isInteger(image) && image >= 0 && image < N))
    throw new WeftError(`featureMapPicture: '${layer}' has maps of images 0 to ${N - 1}, got ${image}`);
  const channels = extents[extents.length - 1];
  const isFlat = extents.length !== 3;
  const [height, width] = isFlat ? [1, 1] : extents;
  const size = height * width;
  const start = image * size * channels;
  const of = (channel: number) =>
    Float32Array.from({ length: size }, (_, i) => data[start + i * channels + channel]);
  const units = isFlat ? standardized(data.subarray(start, start + channels)) : undefined;
  const tiles = Array.from({ length: channels }, (_, channel): Tile => {
    if (dead.includes(channel)) return 'dead';
    const levels = units?.subarray(channel, channel + 1) ?? standardized(of(channel));
    return levels ? colorMap(levels, { range: [0, 255] }) : 'blank';
  });
  return tilesPicture(tiles, height, width, columns);
}

/** Values by their deviation, from 0 to 255; undefined where all are the same. */
function standardized(values: Float32Array): Float32Array | undefined {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  if (values.every((value) => value === values[0])) return undefined;
  return values.map((value) => Math.min(255, Math.max(0, ((value - mean) / deviation) * 64 + 128)));
}

/** How `filtersPicture` shows filters. */
export interface FiltersPictureOptions {
  /** Filters a row, of those with one or three channels. Default 16. */
  readonly columns?: number;
}

/**
 * Filters side by side, 16 a row, all by one scale: the smallest weight dark, the largest bright. Filters of three channels are shown in
 * red, green and blue; of another number, each channel of a filter is a tile, a row a filter.
 *
 * @example
 * ```ts
 * import { filters, layers, sequential } from 'weft-gpu';
 * import { encodePng, filtersPicture } from 'weft-gpu/report';
 *
 * const model = sequential([layers.conv2d({ filters: 4 })], { inputShape: [8, 8, 1] });
 * const png = encodePng(filtersPicture(await filters(model)));
 * ```
 */
export function filtersPicture(
  { shape, data, range: [low, high] }: Filters,
  { columns = 16 }: FiltersPictureOptions = {},
): Picture {
  const [count, height, width, channels] = shape;
  const size = height * width;
  const span = high - low || 1;
  if (channels === 3) {
    const tiles = Array.from({ length: count }, (_, k) =>
      Uint8Array.from(data.subarray(k * size * 3, (k + 1) * size * 3), (value) =>
        Math.round((255 * (value - low)) / span),
      ),
    );
    return tilesPicture(tiles, height, width, columns);
  }
  const tiles = Array.from({ length: count * channels }, (_, tile) => {
    const [k, channel] = [Math.floor(tile / channels), tile % channels];
    const values = Float32Array.from({ length: size }, (_, i) => data[(k * size + i) * channels + channel]);
    return colorMap(values, { range: [low, high] });
  });
  return tilesPicture(tiles, height, width, channels === 1 ? columns : channels);
}

/** Tiles side by side, enlarged by a whole factor, with gaps between them and around. */
function tilesPicture(tiles: readonly Tile[], height: number, width: number, most: number): Picture {
  const scale = Math.max(1, Math.ceil(TILE / Math.max(height, width)));
  const [tall, wide] = [height * scale, width * scale];
  const columns = Math.min(most, tiles.length);
  const rows = Math.ceil(tiles.length / columns);
  const [pictureHeight, pictureWidth] = [rows * (tall + GAP) + GAP, columns * (wide + GAP) + GAP];
  const pixels = new Uint8Array(pictureHeight * pictureWidth * 3).fill(GAP_GREY);
  tiles.forEach((tile, n) => {
    const top = GAP + Math.floor(n / columns) * (tall + GAP);
    const left = GAP + (n % columns) * (wide + GAP);
    for (let y = 0; y < tall; y++)
      for (let x = 0; x < wide; x++) {
        const from = 3 * (Math.floor(y / scale) * width + Math.floor(x / scale));
        const color =
          typeof tile === 'string' ? crossed(tile, y / tall, x / wide) : tile.subarray(from, from + 3);
        pixels.set(color, 3 * ((top + y) * pictureWidth + left + x));
      }
  });
  return { width: pictureWidth, height: pictureHeight, channels: 3, pixels };
}

/** The colour of a crossed-out tile at a place of it, from 0 to 1 down and across. */
function crossed(tile: 'blank' | 'dead', y: number, x: number): readonly number[] {
  const isOnCross = Math.abs(y - x) < 0.06 || Math.abs(y + x - 0.97) < 0.06;
  if (!isOnCross) return EMPTY;
  return tile === 'dead' ? DEAD_CROSS : CROSS;
}
