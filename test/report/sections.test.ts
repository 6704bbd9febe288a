import { describe, expect, it } from 'vitest';
import { classificationReport } from '../../src/analysis/classification.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import type { Block } from '../../src/report/page.ts';
import { classificationSection } from '../../src/report/sections/classification.ts';
import { gallerySection } from '../../src/report/sections/gallery.ts';
import { learningCurvesSection } from '../../src/report/sections/learningCurves.ts';
import { modelSection } from '../../src/report/sections/model.ts';

const blocksOf = <K extends Block['kind']>(blocks: readonly Block[], kind: K) =>
  blocks.filter((block): block is Extract<Block, { kind: K }> => block.kind === kind);

describe('sections', () => {
  it('learning curves: charts of what the epochs have, and how they went in words', () => {
    const history = [
      { epoch: 1, loss: 0.9, accuracy: 0.7, valLoss: 0.8, valAccuracy: 0.72 },
      { epoch: 2, loss: 0.6, accuracy: 0.8, valLoss: 0.65, valAccuracy: 0.79 },
    ];
    const [chart] = blocksOf(learningCurvesSection([{ name: 'a', history }]).blocks, 'chart');
    expect(chart.svg).toHaveLength(2);
    expect(chart.alt).toBe(
      'Line charts of loss and accuracy by epoch. a: epoch 1 loss 0.900, validation loss 0.800, validation accuracy 0.720; epoch 2 loss 0.600, validation loss 0.650, validation accuracy 0.790.',
    );
    const plain = [{ epoch: 1, loss: 0.5 }];
    const several = learningCurvesSection([
      { name: 'b', history: plain },
      { name: 'c', history: [] },
    ]);
    const [other] = blocksOf(several.blocks, 'chart');
    expect(other.svg).toHaveLength(1);
    expect(other.caption).toBe('There was no validation. A colour for each run.');
    expect(other.alt).toContain('c has no epoch yet.');
    expect(learningCurvesSection([{ name: 'c', history: [] }]).blocks).toEqual([
      { kind: 'text', text: 'No epoch has come to its end yet.' },
    ]);
  });

  it('classification: scores, counts and shares, both shaded by the shares', () => {
    const report = classificationReport([0, 0, 0, 0, 1], [0, 0, 0, 1, 1], ['cat', 'dog']);
    const { blocks } = classificationSection(report);
    expect(blocksOf(blocks, 'text')[0].text).toBe('Accuracy 0.8000: 4 of 5 samples are right.');
    const [scores, counts, shares] = blocksOf(blocks, 'table');
    expect(scores.rows[0]).toEqual(['cat', '1.0000', '0.7500', '0.8571', '4']);
    expect(scores.rows).toHaveLength(2 + 1 + 2);
    expect(counts.rows).toEqual([
      ['cat', '3', '1'],
      ['dog', '0', '1'],
    ]);
    expect(shares.rows[0]).toEqual(['cat', '0.750', '0.250']);
    for (const { shades } of [counts, shares])
      expect(shades).toEqual([
        [0.75, 0.25],
        [0, 1],
      ]);
  });

  const set = {
    ...{ images: Uint8Array.of(0, 255, 128, 64), labels: Uint8Array.of(0, 1) },
    ...{ count: 2, height: 1, width: 2, channels: 1, classNames: ['cat', 'dog'] },
  };

  it('galleries: pictures with their true and predicted names', () => {
    const right = { index: 0, label: 0, predicted: 0, probability: 0.5 };
    const wrong = { index: 1, label: 1, predicted: 0, probability: 0.875 };
    const { blocks } = gallerySection(set, [
      { caption: 'All', answers: [right, wrong] },
      { caption: 'Empty', answers: [] },
    ]);
    const [{ pictures }] = blocksOf(blocks, 'pictures');
    expect(pictures.map(({ label }) => label)).toEqual([
      'cat\n50.0 %\nimage 0',
      'dog\ntaken for cat\n87.5 %\nimage 1',
    ]);
    expect(pictures[1].alt).toBe('Image 1, dog, taken for cat with probability 87.5 %');
    expect(blocksOf(blocks, 'text')[0].text).toBe('Empty: none.');
    const missing = [{ caption: 'x', answers: [{ ...right, index: 2 }] }];
    expect(() => gallerySection(set, missing)).toThrow('gallerySection: there is no image 2, the set has 2');
  });

  it('a model: its layers and how many weights they have, without a device', () => {
    const model = sequential([layers.flatten(), layers.dense({ units: 3, activation: 'softmax' })], {
      inputShape: [2, 2, 1],
    });
    const { blocks } = modelSection(model);
    const [{ header, rows }] = blocksOf(blocks, 'table');
    expect(header).toEqual(['layer', 'output', 'parameters']);
    expect(rows).toEqual([
      ['flatten', '[N, 4]', '0'],
      ['dense (softmax)', '[N, 3]', '15'],
    ]);
    expect(blocksOf(blocks, 'facts')[0].facts).toEqual([
      ['parameters', '15'],
      ['trainable', '15'],
      ['multiply-adds for a sample', '12'],
      ['input', '[2, 2, 1]'],
      ['output', '[3]'],
    ]);
  });
});
