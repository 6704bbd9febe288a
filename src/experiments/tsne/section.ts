import type { Section } from '../../report/page.ts';
import { duration } from '../console.ts';
import { drawMap, PIXELS, type TsneMap } from './artefact.ts';

/** What is said of a map wherever it is shown. */
export const NOTE =
  'Neighbours in the map are neighbours by all values; the size of a cluster and the distance between two mean nothing.';

/** A share in percent. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** What a map's neighbours say: `75.1 % by the map, 79.6 % by all 784 values`. */
export const describeNeighbors = ({ neighbors, dimensions }: TsneMap): string =>
  `${percent(neighbors.places)} by the map, ${percent(neighbors.values)} by all ${dimensions} values`;

/** A map's part of a report. */
export function tsneSection(map: TsneMap): Section {
  const { of, network, set, images, classNames, perplexity, learningRate, iterations, seed, divergence } =
    map;
  const facts: [string, string][] = [
    ['images', `${images.length} of the ${set} set`],
    [
      'placed by',
      of === PIXELS ? `their ${map.dimensions} pixels` : `the ${map.dimensions} values of layer ${of}`,
    ],
    ...(network === undefined ? [] : ([['network', network]] satisfies [string, string][])),
    [`right class by ${map.neighbors.k} neighbours`, describeNeighbors(map)],
    ['Kullback-Leibler divergence', divergence.toFixed(4)],
    ['perplexity', String(perplexity)],
    ['learning rate', learningRate.toPrecision(4)],
    ['steps', String(iterations)],
    ['seed', String(seed)],
    ['time', duration(map.seconds)],
    ['adapter', map.adapter],
  ];
  return {
    title: of === PIXELS ? 't-SNE of pixels' : `t-SNE of layer ${of}`,
    blocks: [
      {
        kind: 'chart',
        caption: NOTE,
        alt: `${images.length} dots in the plane, in a colour for each class: ${classNames.join(', ')}. Of an image's ${map.neighbors.k} nearest neighbours most are of its own class for ${percent(map.neighbors.places)} of the images.`,
        svg: drawMap(map),
      },
      { kind: 'facts', facts },
    ],
  };
}
