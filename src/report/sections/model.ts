import { layerTable } from '../../nn/layerTable.ts';
import type { Model } from '../../nn/model.ts';
import { showShape } from '../../tensor/shape.ts';
import type { Section } from '../page.ts';

/** Options of `modelSection`. */
export interface ModelSectionOptions {
  /** Default: 'The model'. */
  readonly title?: string;
}

/**
 * A model's layers as a section of a page: output shapes (N is the batch), parameters, multiply-adds and, where the layers are no chain,
 * what each takes its input from. Needs no GPU.
 * @example
 * ```ts
 * import { layers, sequential } from 'weft-gpu';
 * import { modelSection, reportPage } from 'weft-gpu/report';
 *
 * const model = sequential([layers.dense({ units: 3, activation: 'softmax' })], { inputShape: [4] });
 * const html = reportPage({ title: 'My model', sections: [modelSection(model)] });
 * ```
 */
export function modelSection(model: Model, { title = 'The model' }: ModelSectionOptions = {}): Section {
  const { rows, isChain, parameters, trainable } = layerTable(model);
  const header = ['layer', 'output', 'parameters', 'from'];
  const shapes = (all: Model['inputShapes']) => all.map((shape) => showShape(shape)).join(', ');
  return {
    title,
    blocks: [
      {
        kind: 'facts',
        facts: [
          ['parameters', whole(parameters)],
          ['trainable', whole(trainable)],
          ['multiply-adds for a sample', whole(model.multiplyAdds)],
          ['input', shapes(model.inputShapes)],
          ['output', shapes(model.outputShapes)],
        ],
      },
      {
        kind: 'table',
        caption: 'Layers; N is the number of samples in a batch',
        header: isChain ? header.slice(0, 3) : header,
        rows: rows.map((row) => (isChain ? row.slice(0, 3) : [...row])),
      },
    ],
  };
}

const whole = (n: number): string => n.toLocaleString('en-US');
