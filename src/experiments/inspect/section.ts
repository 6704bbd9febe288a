import type { Block, Section } from '../../report/page.ts';
import { showShape } from '../../tensor/shape.ts';
import { listNumbers } from './deadTable.ts';
import type { InsideFiles } from './inside.ts';

/** Of so many tiles, 16 a row, in CSS pixels: two whole rows stand side by side. */
const widthOf = (tiles: number): number => Math.round((470 * Math.min(16, tiles)) / 16);

/** What a look inside a network found, as sections of a page. */
export function insideSections({ inside, pictureOf }: InsideFiles): Section[] {
  const { images, layers, filters, dead } = inside;
  const nameOf = ({ name, label }: (typeof images)[number]) => (label ? `${name}, ${label}` : name);
  const deadOf = (layer: string) => dead.layers.find((found) => found.layer === layer)?.dead ?? [];
  const total = dead.layers.reduce((sum, layer) => sum + layer.dead.length, 0);
  const channels = dead.layers.reduce((sum, layer) => sum + layer.channels, 0);
  const many = dead.images.toLocaleString('en-US');
  const whichAreDead = dead.layers
    .filter((layer) => layer.dead.length > 0)
    .map(({ layer, dead }) => [`dead in ${layer}`, listNumbers(dead)] as const);
  const deadBlocks: Block[] = [
    {
      kind: 'text',
      text: `A channel, or a unit of a dense layer, is dead where it has one and the same value at every place of every image, as a ReLU that is above 0 nowhere. On ${many} test images ${total === 0 ? 'none' : total} of ${channels.toLocaleString('en-US')} ${total > 1 ? 'are' : 'is'}.`,
    },
    {
      kind: 'table',
      caption: `Dead channels on ${many} test images`,
      header: ['layer', 'channels', 'dead'],
      rows: dead.layers.map(({ layer, channels, dead }) => [layer, String(channels), String(dead.length)]),
    },
    ...(total > 0 ? [{ kind: 'facts', facts: whichAreDead } as const] : []),
  ];
  const filterBlocks: Block[] = filters
    ? [
        {
          kind: 'pictures',
          caption: `Filters of ${filters.layer}: ${filters.shape[0]} of ${filters.shape[1]}x${filters.shape[2]}, weights from ${filters.range[0].toFixed(3)} (dark) to ${filters.range[1].toFixed(3)} (bright)`,
          pictures: [
            {
              png: pictureOf(filters.picture),
              alt: `The ${filters.shape[0]} filters of ${filters.layer} as small pictures, 16 a row`,
            },
          ],
          size: widthOf(filters.shape[0]),
        },
      ]
    : [];
  const mapBlocks = layers.map(({ layer, shape, maps }): Block => {
    const known = deadOf(layer);
    const described = (blank: readonly number[]) => {
      const alone = blank.filter((channel) => !known.includes(channel)).length;
      const parts = [
        known.length > 0 && `${known.length} dead`,
        alone > 0 && `${alone} blank for this image alone`,
      ].filter((part) => part !== false);
      return parts.length > 0 ? parts.join(', ') : 'none blank';
    };
    return {
      kind: 'pictures',
      caption: `${layer}: ${shape[shape.length - 1]} maps${shape.length === 3 ? ` of ${shape[0]}x${shape[1]}` : ''}${known.length > 0 ? `; dead: ${listNumbers(known)}` : ''}`,
      pictures: maps.map(({ picture, blank }, i) => ({
        png: pictureOf(picture),
        alt: `Feature maps of ${layer}, ${showShape(shape)}, for ${nameOf(images[i])}: ${described(blank)}`,
        label: `${nameOf(images[i])}: ${described(blank)}`,
      })),
      size: widthOf(shape[shape.length - 1]),
    };
  });
  return [
    { title: 'Dead channels', blocks: deadBlocks },
    ...(filterBlocks.length > 0 ? [{ title: 'Filters of the first layer', blocks: filterBlocks }] : []),
    {
      title: 'Feature maps',
      blocks: [
        {
          kind: 'text',
          text: 'Maps are numbered from 0, from the left to the right, 16 a row. Each is shown by how its own values differ: dark below its mean, bright above it. Crossed out in grey: zero everywhere for this image, or one value everywhere. Crossed out in red: dead.',
        },
        {
          kind: 'pictures',
          caption: 'The images that were looked at',
          pictures: images.map((image) => ({
            png: pictureOf(image.picture),
            alt: `The image ${nameOf(image)}`,
            label: nameOf(image),
          })),
          size: 112,
        },
        ...mapBlocks,
      ],
    },
  ];
}
