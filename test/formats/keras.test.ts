import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeHdf5, type GroupToWrite, Hdf5File } from '../../src/formats/hdf5/index.ts';
import {
  loadKerasModel,
  loadKerasWeights,
  saveKerasModel,
  saveKerasWeights,
} from '../../src/formats/keras/index.ts';
import { modelFromKeras } from '../../src/formats/keras/modelConfig.ts';
import { kerasOrder } from '../../src/formats/keras/order.ts';
import { layersWithWeights, pairByOrder, takeWeights } from '../../src/formats/keras/weights.ts';
import { functional } from '../../src/nn/functional.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input } from '../../src/nn/symbolic.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';
import { fixture, kerasArray } from './fixtures.ts';
import '../../src/node/hdf5Host.ts';

type Model = Awaited<ReturnType<typeof loadKerasModel>>;

/** Largest difference between a model's answers to the fixtures' inputs and those that NumPy computed. */
async function difference(model: Model, name: string): Promise<number> {
  await testGpu();
  const { shape, data } = kerasArray('inputs');
  const x = tensor(data as Float32Array, shape);
  const y = await model.predict(x);
  const expected = kerasArray(name);
  expect(y.shape).toEqual(expected.shape);
  const found = await y.data();
  x.dispose();
  y.dispose();
  return Math.max(...Array.from(expected.data as Float64Array, (value, i) => Math.abs(value - found[i])));
}

const empty: GroupToWrite = { attributes: new Map(), groups: new Map(), datasets: new Map() };

describe('a model that Keras saved', () => {
  it.each([
    ['sequential', 'sequential'],
    ['compressed', 'sequential'],
    ['list', 'list'],
    ['tf', 'tf'],
    ['residual', 'residual'],
    ['inception', 'inception'],
  ])('%s.h5 answers as NumPy does', async (file, answers) => {
    const notes: string[] = [];
    const options = { name: file, onNote: (note: string) => notes.push(note) };
    const model = await loadKerasModel(fixture(`keras/${file}.h5`), options);
    const most = await difference(model, answers);
    console.log(`${file}.h5: max. difference ${most.toExponential(2)}`);
    expect(most).toBeLessThan(1e-5);
    expect(notes).toEqual(file === 'sequential' ? ["sequential: the optimizer's state is left out"] : []);
    model.dispose();
  });

  it('keeps what training needs', async () => {
    const model = await loadKerasModel(fixture('keras/sequential.h5'));
    const [conv, , pool, dropout, bare] = model.layers;
    expect([conv, pool, dropout, bare].map(({ config }) => config)).toMatchObject([
      {
        filters: 4,
        kernelSize: [3, 3],
        padding: 'same',
        activation: 'relu',
        useBias: true,
        kernelInitializer: 'glorotUniform',
      },
      { poolSize: 2 },
      { rate: 0.25 },
      {
        filters: 3,
        kernelSize: [3, 1],
        padding: 'valid',
        activation: 'linear',
        useBias: false,
        kernelInitializer: 'glorotUniform',
      },
    ]);
    expect(model.layers[7].penalties.map(({ l2 }) => l2)).toEqual([1e-5]);
  });
});

describe("weights in Keras' layout", () => {
  it('of other names are taken in the order of the layers', async () => {
    const model = await loadKerasModel(fixture('keras/sequential.h5'));
    for (const parameter of model.parameters) parameter.set(new Float32Array(parameter.size).fill(0.5));
    expect(await difference(model, 'sequential')).toBeGreaterThan(0.01);
    await loadKerasWeights(model, fixture('keras/weights.h5'));
    expect(await difference(model, 'sequential')).toBeLessThan(1e-5);
    model.dispose();
  });

  it('are taken by name where that is asked for, and no others are touched', async () => {
    await testGpu();
    const make = () =>
      sequential([layers.conv2d({ filters: 2 }), layers.flatten(), layers.dense({ units: 2 })], {
        inputShape: [4, 4, 1],
      });
    const [source, target] = [make(), make()];
    source.parameters.forEach((parameter, i) => {
      parameter.set(new Float32Array(parameter.size).fill(i + 1));
    });
    const file = await saveKerasWeights(source);
    const before = await target.parameters[0].data();
    const other = sequential([layers.flatten(), layers.dense({ units: 2 })], { inputShape: [2, 2, 2] });
    await loadKerasWeights(other, file, { by: 'name' });
    expect(await other.parameters[0].data()).toEqual(await source.parameters[2].data());
    expect(await target.parameters[0].data()).toEqual(before);
    const stranger = sequential([layers.batchNormalization()], { inputShape: [4] });
    await expect(loadKerasWeights(stranger, file, { by: 'name' })).rejects.toThrow(
      /no layer of the model's names: it has conv2d, dense, the model batch_normalization/,
    );
  });

  it('that do not fit are refused by name, and nothing changes', async () => {
    await testGpu();
    const model = sequential([layers.conv2d({ filters: 2 }), layers.flatten(), layers.dense({ units: 2 })], {
      inputShape: [4, 4, 1],
    });
    const before = await model.save();
    const wide = sequential([layers.conv2d({ filters: 3 }), layers.flatten(), layers.dense({ units: 2 })], {
      inputShape: [4, 4, 1],
    });
    await expect(loadKerasWeights(model, await saveKerasWeights(wide), { name: 'w.h5' })).rejects.toThrow(
      "w.h5: the weight '/conv2d/conv2d/kernel:0' has shape [3, 3, 1, 3], conv2d.kernel has [3, 3, 1, 2]",
    );
    await expect(loadKerasWeights(model, fixture('keras/weights.h5'))).rejects.toThrow(
      /weights for 6 layers \(other_0, other_1, other_4.*the model has 2 layers with weights \(conv2d, dense\)/,
    );
    expect(await model.save()).toEqual(before);
  });
});

const h5py = spawnSync('/usr/bin/python3', ['-c', 'import h5py']).status === 0;
if (!h5py) console.log("python3-h5py isn't here: what we write is read back through h5wasm alone");

/** What h5py finds in a file: each attribute's kind and value, each dataset's. */
const SHOW = `
import h5py, json, sys
def kind(attribute):
    string = h5py.check_string_dtype(attribute.dtype)
    if string is None: return f'{attribute.dtype}'
    return f"{'vlen' if string.length is None else 'fixed'} {string.encoding} {'scalar' if attribute.shape == () else 'list'}"
def text(value):
    return value.decode() if isinstance(value, bytes) else value if isinstance(value, str) else [text(v) for v in value]
found = {}
def show(path, item):
    for name, value in item.attrs.items():
        found[f'{path}@{name}'] = [kind(item.attrs.get_id(name)), text(value)]
    if isinstance(item, h5py.Dataset):
        found[path] = [str(item.dtype), list(item.shape), float(item[()].sum())]
with h5py.File(sys.argv[1], 'r') as f:
    show('', f)
    f.visititems(show)
print(json.dumps(found))
`;

function shownByH5py(file: Uint8Array): Record<string, [string, ...unknown[]]> {
  const folder = mkdtempSync(join(tmpdir(), 'weft-h5-'));
  try {
    writeFileSync(join(folder, 'a.h5'), file);
    const { stdout, stderr, status } = spawnSync('/usr/bin/python3', ['-c', SHOW, join(folder, 'a.h5')], {
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it("Keras' order of layers goes by the longest way to the outputs", () => {
  const x = input({ shape: [4, 4, 2] });
  const conv = (name: string) => layers.conv2d({ name, filters: 2, padding: 'same' });
  const short = conv('short').apply(x);
  const far = conv('far').apply(x);
  const near = conv('near').apply(far);
  const sum = layers.add().apply([near, short]);
  const model = functional({
    inputs: x,
    outputs: layers.concatenate().apply([conv('last').apply(sum), short]),
  });
  // short and near are as far; the way back through `last` comes first, and there near before short.
  expect(kerasOrder(model).map(({ name }) => name)).toEqual([
    'far',
    'near',
    'short',
    'add',
    'last',
    'concatenate',
  ]);
});

describe('a model that we save', () => {
  it.each(['sequential', 'residual', 'inception'])(
    'is the same when it is loaded again: %s',
    async (name) => {
      const model = await loadKerasModel(fixture(`keras/${name}.h5`));
      const again = await loadKerasModel(await saveKerasModel(model));
      expect(again.toConfig()).toEqual(model.toConfig());
      expect(await difference(again, name)).toBeLessThan(1e-5);
      for (const each of [model, again]) each.dispose();
    },
  );

  it.skipIf(!h5py)("has Keras' layout, as h5py sees it", async () => {
    await testGpu();
    const model = await loadKerasModel(fixture('keras/sequential.h5'));
    const ours = shownByH5py(await saveKerasModel(model));
    expect(ours['@keras_version']).toEqual(['vlen ascii scalar', '2.3.1']);
    expect(ours['@backend']).toEqual(['vlen ascii scalar', 'tensorflow']);
    const [kind, config] = ours['@model_config'] as [string, string];
    expect(kind).toBe('vlen ascii scalar');
    const { class_name, config: inner } = JSON.parse(config);
    expect(class_name).toBe('Sequential');
    expect(inner.layers[0]).toMatchObject({
      class_name: 'Conv2D',
      config: { name: 'conv2d_1', batch_input_shape: [null, 10, 9, 2], kernel_size: [3, 3], padding: 'same' },
    });
    const names =
      'conv2d_1 batch_normalization_1 max_pooling2d_1 dropout_1 conv2d_2 activation_1 flatten_1 dense_1 batch_normalization_2 dense_2';
    expect(ours['model_weights@layer_names']).toEqual(['fixed ascii list', names.split(' ')]);
    expect(ours['model_weights/batch_normalization_1@weight_names']).toEqual([
      'fixed ascii list',
      ['gamma', 'beta', 'moving_mean', 'moving_variance'].map(
        (weight) => `batch_normalization_1/${weight}:0`,
      ),
    ]);
    expect(ours['model_weights/flatten_1@weight_names']).toEqual(['float64', []]);
    // The same datasets, by the same names, as the fixture.
    const theirs = shownByH5py(fixture('keras/sequential.h5'));
    const data = (shown: typeof ours) =>
      Object.fromEntries(
        Object.entries(shown).filter(([path]) => path.startsWith('model_weights/') && !path.includes('@')),
      );
    expect(data(ours)).toEqual(data(theirs));
    expect(Object.keys(data(ours)).length).toBe(15);
  });

  it("is cut where its list of layers is longer than HDF5's attributes", async () => {
    await testGpu();
    const names = Array.from({ length: 3000 }, (_, i) => `a_rather_long_name_${i}`);
    const relu = names.map((name) => layers.activation({ name, activation: 'relu' }));
    const model = sequential([...relu, layers.dense({ units: 1 })], { inputShape: [1] });
    const file = await saveKerasWeights(model);
    const open = await Hdf5File.open(file);
    const parts = [await open.attribute('/', 'layer_names0'), await open.attribute('/', 'layer_names1')];
    open.close();
    expect((parts as string[][]).flat()).toEqual([...names, 'dense']);
    model.parameters[0].set(Float32Array.of(3));
    await loadKerasWeights(model, file);
    expect(await model.parameters[0].data()).not.toEqual(Float32Array.of(3));
  });
});

describe('a file that is no Keras model of ours', () => {
  const stack = (...list: object[]) => ({ class_name: 'Sequential', config: list });
  const dense = (config: object = {}) => ({
    class_name: 'Dense',
    config: { name: 'dense_1', units: 2, batch_input_shape: [null, 3], ...config },
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{"class_name": ', /^x.h5: its model_config: damaged JSON/],
    ['a list', [], /its model_config: expected an object, got an empty array/],
    ['a model of a subclass', { class_name: 'Mine', config: {} }, /describes a "Mine"; known/],
    [
      'a graph without nodes',
      { class_name: 'Model', config: { layers: [dense()] } },
      /nothing of what 'dense_1' takes/,
    ],
    [
      'a graph that goes round',
      { class_name: 'Model', config: { layers: [{ ...dense(), inbound_nodes: [[['dense_1', 0, 0, {}]]] }] } },
      /take what no other gives: 'dense_1' \(call 0\) takes 'dense_1' \(call 0\)/,
    ],
    ['an empty stack', stack(), /has no list of layers/],
    ['a broken layer', stack({ class_name: 'Dense' }), /a layer without class_name and config/],
    ['no shape', stack(dense({ batch_input_shape: null })), /no whole batch_input_shape/],
    ['a hostile shape', stack(dense({ batch_input_shape: [null, 1e12] })), /no whole batch_input_shape/],
    [
      'an unknown layer',
      stack(dense(), { class_name: 'Lambda', config: { name: 'l' } }),
      /Lambda 'l': there is no such layer here; known: .*Dense/,
    ],
    [
      'an inherited name for a layer',
      stack(dense(), { class_name: 'toString', config: {} }),
      /no such layer/,
    ],
    ['an unknown activation', stack(dense({ activation: 'swish9' })), /'dense_1': activation is "swish9"/],
    ['units that are none', stack(dense({ units: -1 })), /units is -1/],
    ['units without end', stack(dense({ units: 1e300 })), /units is 1e\+300/],
    ['no units', stack(dense({ units: undefined })), /units is none/],
    [
      'channels first',
      stack({ class_name: 'BatchNormalization', config: { batch_input_shape: [null, 4, 4, 4], axis: 1 } }),
      /along axis 1; known: the last one, 3 or -1/,
    ],
  ])('%s is refused by name', (_, config, message) => {
    const text = typeof config === 'string' ? config : JSON.stringify(config);
    expect(() => modelFromKeras(text, 'x.h5', () => {})).toThrow(message);
  });

  it('a layer of any name that HDF5 has a place for is written and read, of others it is said which', async () => {
    const withNames = (...names: string[]) =>
      sequential(
        names.map((name) => layers.dense({ units: 2, name })),
        { inputShape: [3], seed: 5 },
      );
    const model = withNames('a/b', 'a/c', 'a', '../x', '..', '__proto__', 'constructor', 'ü');
    const back = await loadKerasModel(await saveKerasModel(model));
    expect(await back.weights()).toEqual(await model.weights());
    for (const [name, shown] of [
      ['a//b', 'a//b'],
      ['/a', '/a'],
      ['a/', 'a/'],
      ['.', '.'],
      ['a\0b', 'a\\u0000b'],
    ])
      await expect(saveKerasModel(withNames(name), { name: 'x.h5' })).rejects.toThrow(
        `x.h5: HDF5 has no groups of such a name: '${shown}'`,
      );
    await expect(saveKerasModel(withNames('a', 'a/a'), { name: 'x.h5' })).rejects.toThrow(
      "x.h5: HDF5: the file could not be written: two groups are named '/model_weights/a/a'",
    );
  });

  it('weights that are not laid out as Keras does it are refused', async () => {
    const named = (names: string[], groups: [string, Partial<GroupToWrite>][] = []): GroupToWrite => ({
      ...empty,
      attributes: new Map([['layer_names', names]]),
      groups: new Map(groups.map(([name, group]) => [name, { ...empty, ...group }])),
    });
    const weightNames = new Map([['weight_names', ['a/kernel:0', 'a/bias:0']]]);
    const cases: [GroupToWrite, RegExp][] = [
      [empty, /'\/case0' lacks the attribute 'layer_names'/],
      [named(['dense']), /layer_names has 'dense', but there is no such group/],
      [named(['a', 'a'], [['a', {}]]), /has 'a' twice/],
      [named(['a'], [['a', {}]]), /'a' lacks the attribute 'weight_names'/],
      [{ ...empty, attributes: new Map([['layer_names', 'dense']]) }, /'\/case4' is no list of texts/],
      [named(['a'], [['a', { attributes: weightNames }]]), /x.h5: HDF5: /],
      [named([]), /has weights for 0 layers \(none\), the model has 1 layers with weights \(dense\)/],
    ];
    const groups = new Map(cases.map(([group], i) => [`case${i}`, group]));
    const file = await Hdf5File.open(await encodeHdf5({ ...empty, groups }), { name: 'x.h5' });
    const model = sequential([layers.dense({ units: 2 })], { inputShape: [3] });
    for (const [i, [, message]] of cases.entries()) {
      const loading = layersWithWeights(file, `/case${i}`).then((theirs) =>
        takeWeights(file, pairByOrder(model.layers, theirs, 'x.h5')),
      );
      await expect(loading).rejects.toThrow(message);
    }
    file.close();
    await expect(loadKerasModel(await saveKerasWeights(model), { name: 'x.h5' })).rejects.toThrow(
      "x.h5 describes no model (no attribute 'model_config')",
    );
  });

  it.each([
    ['keras_version', '1.2.2', /x.h5 was written by Keras 1.2.2; known: Keras 2/],
    ['backend', 'theano', /x.h5 was written for the backend 'theano'; known: tensorflow/],
  ])('%s %s is refused', async (name, value, message) => {
    const bytes = await encodeHdf5({ ...empty, attributes: new Map([[name, value]]) });
    const model = sequential([layers.dense({ units: 2 })], { inputShape: [3] });
    await expect(loadKerasWeights(model, bytes, { name: 'x.h5' })).rejects.toThrow(message);
  });
});
