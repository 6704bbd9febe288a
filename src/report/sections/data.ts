import {
  classDistribution,
  duplicateImages,
  meanImages,
  pixelStatistics,
  samplesByClass,
} from '../../analysis/dataset.ts';
import type { ImageSet } from '../../data/batchSource.ts';
import { barChart } from '../bars.ts';
import { imagePicture, pixelsPicture } from '../imagePicture.ts';
import type { Block, Section } from '../page.ts';
import { encodePng, pictureGrid } from '../pictures.ts';

/** What `dataSection` shows. */
export interface DataSectionOptions {
  /** Default: 'The data'. */
  readonly title?: string;
  /** Images shown of each class. Default 10. */
  readonly samples?: number;
}

/** Of an image in a row of them, in CSS pixels: two rows of ten stand side by side. */
const SHOWN = 47;

/**
 * What a set of labelled images is like, as a section of a page: its size, how many images each class has, mean and standard deviation
 * of the pixels, images that are the same, the first images of each class, and the mean image of each.
 *
 * @param set 8-bit images, of one channel (grey) or three (red, green, blue)
 * @throws WeftError where the set has other channels, isn't as large as it says, or a label is no class's number
 * @example
 * ```ts
 * import { dataSection, reportPage } from 'weft-gpu/report';
 *
 * const set = {
 *   ...{ images: Uint8Array.of(0, 50, 100, 200), labels: Uint8Array.of(0, 1) },
 *   ...{ count: 2, height: 1, width: 2, channels: 1, classNames: ['cat', 'dog'] },
 * };
 * const html = reportPage({ title: 'My pictures', sections: [dataSection(set)] });
 * ```
 */
export function dataSection(
  set: ImageSet,
  { title = 'The data', samples = 10 }: DataSectionOptions = {},
): Section {
  const { count, height, width, channels, classNames, labels } = set;
  const counts = classDistribution(labels, classNames.length);
  const names = ['red', 'green', 'blue'];
  const statistics = pixelStatistics(set).map(({ mean, deviation, zeros }, channel): [string, string] => [
    channels === 1 ? 'pixels' : `pixels, ${names[channel]}`,
    `mean ${(mean / 255).toFixed(4)}, standard deviation ${(deviation / 255).toFixed(4)} (0 to 1); ${(100 * zeros).toFixed(1)} % are 0`,
  ]);
  const blocks: Block[] = [
    {
      kind: 'facts',
      facts: [
        ['images', `${whole(count)} of ${height}x${width}, ${channels === 1 ? 'grey' : 'in colour'}`],
        ['classes', `${classNames.length}, ${spread(counts)}`],
        ...statistics,
        ['equal images', describeDuplicates(set)],
      ],
    },
    {
      kind: 'chart',
      caption: 'Images of each class',
      alt: `Bar chart: ${classNames.map((name, k) => `${name} ${whole(counts[k])}`).join(', ')}`,
      svg: barChart({
        title: 'Images of each class',
        xName: 'images',
        bars: classNames.map((name, k) => ({ name, value: counts[k] })),
      }),
    },
  ];
  const rows = samples > 0 ? samplesByClass(labels, classNames.length, samples) : [];
  const filled = rows.flatMap((indices, k) => (indices.length > 0 ? { k, indices } : []));
  if (filled.length > 0)
    blocks.push({
      kind: 'pictures',
      caption: `The first images of each class`,
      pictures: filled.map(({ k, indices }) => ({
        png: encodePng(
          pictureGrid(
            indices.map((index) => imagePicture('dataSection', set, index)),
            { columns: indices.length },
          ),
        ),
        alt: `${indices.length} images of the class ${classNames[k]}`,
        label: classNames[k],
      })),
      size: SHOWN * Math.max(...filled.map(({ indices }) => indices.length)),
    });
  blocks.push({
    kind: 'pictures',
    caption: 'The mean image of each class',
    pictures: meanImages(set).flatMap((mean, k) =>
      mean
        ? {
            png: encodePng(pixelsPicture('dataSection', Uint8Array.from(mean, Math.round), set)),
            alt: `The mean of the ${whole(counts[k])} images of ${classNames[k]}`,
            label: classNames[k],
          }
        : [],
    ),
  });
  return { title, blocks };
}

const whole = (n: number): string => n.toLocaleString('en-US');

function spread(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? `${whole(most)} images each` : `${whole(least)} to ${whole(most)} images each`;
}

function describeDuplicates(set: ImageSet): string {
  const groups = duplicateImages(set);
  if (groups.length === 0) return 'none';
  const images = groups.reduce((sum, group) => sum + group.length, 0);
  const contradictions = groups.filter((group) =>
    group.some((index) => set.labels[index] !== set.labels[group[0]]),
  ).length;
  const labels = contradictions > 0 ? `, ${whole(contradictions)} of them under different labels` : '';
  return `${whole(images)} in ${whole(groups.length)} group${groups.length > 1 ? 's' : ''}${labels}`;
}
