import { describe, expect, it } from 'vitest';
import type { Experiment } from '../../src/experiments/experiment.ts';
import { cnn4 } from '../../src/experiments/icdss/cnn4.ts';
import { BASE_LAYERS } from '../../src/experiments/icdss/inceptionBase.ts';
import { inceptionV3 } from '../../src/experiments/icdss/inceptionV3.ts';
import { resNet18 } from '../../src/experiments/icdss/resNet18.ts';
import { settle, stepsPerEpoch } from '../../src/experiments/presets.ts';
import { kerasOrder } from '../../src/formats/keras/order.ts';
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

describe('resNet18', () => {
  it('has the published parts', () => {
    expect(countsOf(resNet18)).toEqual([11_186_186, 11_178_378, 7808]);
    const { layers, calls } = resNet18.network(0);
    const sums = layers.filter(({ kind }) => kind === 'add');
    expect(sums.map(({ outputShape }) => outputShape)).toEqual([
      ...[
        [14, 14, 64],
        [14, 14, 64],
        [7, 7, 128],
        [7, 7, 128],
      ],
      ...[
        [4, 4, 256],
        [4, 4, 256],
        [2, 2, 512],
        [2, 2, 512],
      ],
    ]);
    const ends = [...sums.map((sum) => layers.indexOf(sum) + 1), layers.length];
    const parts = ends.map((end, i) =>
      sizeOf(layers.slice(ends[i - 1] ?? 0, end).flatMap((l) => l.parameters)),
    );
    expect(parts).toEqual([
      3456 + 74_368,
      ...[74_368, 230_784, 296_192, 920_320, 1_182_208, 3_675_648, 4_723_712, 5130],
    ]);
    // Shortcuts are convolutions with a bias where a stage begins, and else the block's input.
    const shortcuts = calls.flatMap(({ layer, inputs }) =>
      layer.kind === 'add' ? calls[inputs[0] - 1].layer : [],
    );
    expect(shortcuts.map(({ kind }) => kind)).toEqual([
      ...['activation', 'add', 'conv2d', 'add', 'conv2d', 'add', 'conv2d', 'add'],
    ]);
    expect(sizesOf(shortcuts)).toEqual([64 * 128 + 128, 128 * 256 + 256, 256 * 512 + 512]);
    expect(steps(resNet18)).toBe(480);
  });

  it('is penalised for every kernel of a convolution', () => {
    const { layers } = resNet18.network(0);
    const penalties = layers.flatMap(({ penalties }) => penalties);
    expect(penalties).toHaveLength(20);
    expect(penalties.every(({ parameter, l2 }) => parameter.ownName === 'kernel' && l2 === 1e-4)).toBe(true);
  });
});

describe('inceptionV3', () => {
  const model = inceptionV3.network(0);
  const base = model.layers.slice(2, 2 + BASE_LAYERS);
  const kindsOf = (kind: string) => base.filter((layer) => layer.kind === kind);
  const shapeOf = (name: string) => model.layers.find((layer) => layer.name === name)!.outputShape;

  it('has the published counts', () => {
    expect(countsOf(inceptionV3)).toEqual([22_857_002, 22_822_570, 34_432]);
    const parameters = base.flatMap((layer) => layer.parameters);
    expect(sizeOf(parameters)).toBe(21_802_784);
    expect(sizeOf(parameters.filter(({ trainable }) => !trainable))).toBe(34_432);
    expect(sizesOf(model.layers.slice(2 + BASE_LAYERS))).toEqual([1_049_088, 5130]);
    expect(steps(inceptionV3)).toBe(1500);
  });

  it("is Keras' model, layer by layer", () => {
    // Keras' 311, but for the input.
    expect(base).toHaveLength(310);
    const counts = [
      'conv2d',
      'batchNormalization',
      'activation',
      'maxPooling2d',
      'averagePooling2d',
      'concatenate',
    ];
    expect(counts.map((kind) => kindsOf(kind).length)).toEqual([94, 94, 94, 4, 9, 15]);
    expect(model.layers).toEqual(kerasOrder(model));
    expect(model.layers.slice(0, 2).map(({ outputShape }) => outputShape)).toEqual([
      [28, 28, 3],
      [150, 150, 3],
    ]);
    expect(kindsOf('conv2d').every(({ parameters }) => parameters.length === 1)).toBe(true);
    expect(kindsOf('batchNormalization').every(({ parameters }) => parameters.length === 3)).toBe(true);
  });

  it('has feature maps of the published sizes', () => {
    const stem = base.slice(0, 17).filter(({ kind }) => /conv|max/.test(kind));
    expect(stem.map(({ outputShape }) => outputShape)).toEqual([
      ...[
        [74, 74, 32],
        [72, 72, 32],
        [72, 72, 64],
        [35, 35, 64],
      ],
      ...[
        [35, 35, 80],
        [33, 33, 192],
        [16, 16, 192],
      ],
    ]);
    expect(Array.from({ length: 11 }, (_, i) => shapeOf(`mixed${i}`))).toEqual([
      ...[
        [16, 16, 256],
        [16, 16, 288],
        [16, 16, 288],
        [7, 7, 768],
        [7, 7, 768],
        [7, 7, 768],
        [7, 7, 768],
      ],
      ...[
        [7, 7, 768],
        [3, 3, 1280],
        [3, 3, 2048],
        [3, 3, 2048],
      ],
    ]);
  });

  it("freezes its base, then what lies before the 51st of Keras' layers", () => {
    const { frozenPhase, frozenLayers } = inceptionV3.recipe;
    expect(model.layers[frozenPhase!.frozenLayers].kind).toBe('globalAveragePooling2d');
    // In Keras' order the 51st layer is mixed1's average pool; frozen are the first convolutions of its two longer branches.
    const frozen = model.layers.slice(0, frozenLayers);
    expect(model.layers[frozenLayers!].kind).toBe('averagePooling2d');
    const after = frozen.slice(frozen.findIndex(({ name }) => name === 'mixed0') + 1);
    const kernels = after.flatMap(({ kind, parameters }) => (kind === 'conv2d' ? [parameters[0].shape] : []));
    expect(kernels).toEqual([
      [1, 1, 256, 64],
      [1, 1, 256, 48],
      [3, 3, 64, 96],
    ]);
  });
});

describe.each([cnn4, resNet18, inceptionV3])('$name', ({ network }) => {
  it.each([4, 5, 8])('can be as narrow as %i filters', (width) => {
    const model = network(0, width);
    expect(model.outputShape).toEqual([10]);
    expect(model.parameters[0].shape.at(-1)).toBe(width);
  });
});
