import { describe, expect, it } from 'vitest';
import type { Experiment } from '../../src/experiments/experiment.ts';
import { cnn4 } from '../../src/experiments/icdss/cnn4.ts';
import { settle, stepsPerEpoch } from '../../src/experiments/presets.ts';
import type { Layer } from '../../src/nn/layer.ts';
import type { Parameter } from '../../src/nn/parameter.ts';

const sizeOf = (parameters: readonly Parameter[]) => parameters.reduce((total, { size }) => total + size, 0);
const sizesOf = (layers: readonly Layer[]) =>
  layers.map(({ parameters }) => sizeOf(parameters)).filter((size) => size > 0);

/** All parameters, those that training changes, and the others. */
function countsOf({ network }: Experiment) {
  const { parameters, trainableParameters } = network(0);
  const [all, trainable] = [parameters, trainableParameters].map(sizeOf);
  return [all, trainable, all - trainable];
}

const steps = (experiment: Experiment) => stepsPerEpoch(settle(experiment, 'recipe', {}, 1));

describe('cnn4', () => {
  it('has the published layers', () => {
    expect(countsOf(cnn4)).toEqual([661_022, 660_054, 968]);
    const { layers } = cnn4.network(0);
    expect(sizesOf(layers)).toEqual([
      ...[320, 128, 19_652, 272, 78_464, 512, 295_168, 1024],
      ...[131_584, 131_328, 2570],
    ]);
    const pools = layers.filter(({ kind }) => kind === 'maxPooling2d');
    expect(pools.map(({ outputShape }) => outputShape)).toEqual([
      [14, 14, 32],
      [7, 7, 68],
      [3, 3, 128],
      [1, 1, 256],
    ]);
    expect(steps(cnn4)).toBe(188);
  });
});

describe.each([cnn4])('$name', ({ network }) => {
  it.each([4, 5, 8])('can be as narrow as %i filters', (width) => {
    const model = network(0, width);
    expect(model.outputShape).toEqual([10]);
    expect(model.parameters[0].shape.at(-1)).toBe(width);
  });
});
