import { describe, expect, it } from 'vitest';
import { layers } from '../src/nn/layers/index.ts';
import { sequential } from '../src/nn/sequential.ts';
import { explainedTable } from '../src/otherNames.ts';
import { tensor } from '../src/tensor/tensor.ts';
import { testGpu } from './support/gpu.ts';

/** As plain JavaScript calls it. */
const called = (owner: object, name: string) => () =>
  (owner as Record<string, (...given: unknown[]) => unknown>)[name]({});

describe('names of TensorFlow.js and Keras that are others here', () => {
  const model = () => sequential([layers.dense({ units: 1 })], { inputShape: [2] });

  it.each(['compile', 'fit', 'fitDataset', 'evaluate', 'add'])(
    'model.%s says what is written instead',
    (name) => {
      expect(called(model(), name)).toThrow(/^a Model has no \w+\(\): write /);
    },
  );

  it.each(['dataSync', 'arraySync', 'array', 'backward', 'add', 'matMul', 'reshape'])(
    'tensor.%s says what is written instead',
    async (name) => {
      await testGpu();
      const x = tensor([1]);
      expect(called(x, name)).toThrow(/^a Tensor has no \w+\(\): .*write /);
      x.dispose();
    },
  );

  it('no layer is taken for another: the nearest is named', () => {
    expect(called(layers, 'lstm')).toThrow(/^there is no layers\.lstm.*: there are conv2d, /);
    expect(called(layers, 'batchNormalisation')).toThrow('the nearest is layers.batchNormalization');
  });
});

describe('a table in which a name that is not there is an error', () => {
  const table = explainedTable('fruits', { apple: 1, pear: 2 });

  it('is a table otherwise', async () => {
    expect({ ...table }).toEqual({ apple: 1, pear: 2 });
    expect('plum' in table).toBe(false);
    expect(await Promise.resolve(table)).toBe(table);
    expect(JSON.stringify(table)).toBe('{"apple":1,"pear":2}');
    expect(String(table)).toBe('[object Object]');
  });

  it('names what is missing', () => {
    expect(() => (table as Record<string, number>).pears).toThrow(
      'there is no fruits.pears; the nearest is fruits.pear: there are apple, pear',
    );
  });
});
