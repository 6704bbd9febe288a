import type { Answer } from '../../analysis/mistakes.ts';
import type { ImageSet } from '../../data/batchSource.ts';
import { imagePicture } from '../imagePicture.ts';
import type { Block, Section } from '../page.ts';
import { encodePng } from '../pictures.ts';

/** Answers that are shown together. */
export interface Gallery {
  readonly caption: string;
  /** `index` is an image's number in the set. */
  readonly answers: readonly Answer[];
}

/** Options of `gallerySection`. */
export interface GallerySectionOptions {
  /** Default: 'Answers'. */
  readonly title?: string;
  /** Of the numbers `label` and `predicted`. Default: those of the set. */
  readonly classNames?: readonly string[];
}

/**
 * Images with what a classifier took them for, as a section of a page: each with its number, its true and its predicted class, and the
 * probability of that.
 * @param set 8-bit images, of one channel (grey) or three (red, green, blue)
 * @param galleries as `mostConfidentMistakes` and `firstRightAndWrong` find their answers
 * @throws WeftError where an answer is to no image of the set, or images have neither one channel nor three
 * @example
 * ```ts
 * import { mostConfidentMistakes } from 'weft-gpu';
 * import { gallerySection, reportPage } from 'weft-gpu/report';
 *
 * const set = {
 *   ...{ images: Uint8Array.of(0, 255, 128, 64), labels: Uint8Array.of(0, 1) },
 *   ...{ count: 2, height: 1, width: 2, channels: 1, classNames: ['cat', 'dog'] },
 * };
 * const answers = mostConfidentMistakes(set.labels, [0.2, 0.8, 0.1, 0.9]);
 * const section = gallerySection(set, [{ caption: 'The most confident mistakes', answers }]);
 * const html = reportPage({ title: 'Cats and dogs', sections: [section] });
 * ```
 */
export function gallerySection(
  set: ImageSet,
  galleries: readonly Gallery[],
  { title = 'Answers', classNames = set.classNames }: GallerySectionOptions = {},
): Section {
  const picture = ({ index, label, predicted, probability }: Answer) => {
    const taken = predicted === label ? [] : [`taken for ${classNames[predicted]}`];
    return {
      png: encodePng(imagePicture('gallerySection', set, index)),
      alt: `Image ${index}, ${classNames[label]}, taken for ${classNames[predicted]} with probability ${percent(probability)}`,
      label: [classNames[label], ...taken, percent(probability), `image ${index}`].join('\n'),
    };
  };
  const blocks = galleries.map(
    ({ caption, answers }): Block =>
      answers.length > 0
        ? { kind: 'pictures', caption, pictures: answers.map(picture), size: 96 }
        : { kind: 'text', text: `${caption}: none.` },
  );
  return { title, blocks };
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
