import { describe, expect, it } from 'vitest';
import type { Block } from '../../src/report/page.ts';
import { dataSection } from '../../src/report/sections/data.ts';

/** Five images of 1x2: two of class 0, the first equal to one of class 2, none of class 1. */
const set = {
  images: Uint8Array.of(0, 255, 10, 20, 0, 255, 30, 40, 0, 0),
  labels: Uint8Array.of(0, 0, 2, 2, 2),
  ...{ count: 5, height: 1, width: 2, channels: 1, classNames: ['shirt', 'hat', 'boot'] },
};

const blockOf = <K extends Block['kind']>(blocks: readonly Block[], kind: K, n = 0) =>
  blocks.filter((block): block is Extract<Block, { kind: K }> => block.kind === kind)[n];

describe('dataSection', () => {
  const { title, blocks } = dataSection(set, { title: 'Clothes', samples: 2 });

  it('says how large the set is, and what its pixels are like', () => {
    expect(title).toBe('Clothes');
    expect(blockOf(blocks, 'facts').facts).toEqual([
      ['images', '5 of 1x2, grey'],
      ['classes', '3, 0 to 3 images each'],
      ['pixels', 'mean 0.2392, standard deviation 0.3839 (0 to 1); 40.0 % are 0'],
      ['equal images', '2 in 1 group, 1 of them under different labels'],
    ]);
  });

  it('draws how many images each class has, and says so in words', () => {
    const { alt, svg } = blockOf(blocks, 'chart');
    expect(alt).toBe('Bar chart: shirt 2, hat 0, boot 3');
    expect(svg).toContain('<svg');
  });

  it('shows samples and means of the classes that have images', () => {
    const samples = blockOf(blocks, 'pictures').pictures;
    expect(samples.map(({ label, alt }) => [label, alt])).toEqual([
      ['shirt', '2 images of the class shirt'],
      ['boot', '2 images of the class boot'],
    ]);
    const means = blockOf(blocks, 'pictures', 1).pictures;
    expect(means.map(({ alt }) => alt)).toEqual([
      'The mean of the 2 images of shirt',
      'The mean of the 3 images of boot',
    ]);
    for (const { png } of [...samples, ...means]) expect([...png.subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
    const without = dataSection(set, { samples: 0 });
    expect(without.blocks.length).toBe(blocks.length - 1);
  });

  it('takes colours, and refuses what can not be shown', () => {
    const colored = { ...set, images: new Uint8Array(30).map((_, i) => i), channels: 3 };
    const [, , , green, , equal] = blockOf(dataSection(colored).blocks, 'facts').facts;
    expect(green[0]).toBe('pixels, green');
    expect(equal).toEqual(['equal images', 'none']);
    const infrared = { ...set, images: new Uint8Array(40), channels: 4 };
    expect(() => dataSection(infrared)).toThrow('images of 1 or 3 channels can be shown, got 4');
  });
});
