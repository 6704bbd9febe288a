import { expect, it } from 'vitest';
import { ArraySource } from '../../src/data/batchSource.ts';
import { WeftError } from '../../src/errors.ts';
import { EarlyStopping, ReduceLROnPlateau } from '../../src/nn/callbacks.ts';
import { fit } from '../../src/nn/fit.ts';
import { functional } from '../../src/nn/functional.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { loadModel } from '../../src/nn/modelFile.ts';
import { Adam } from '../../src/nn/optimizers/index.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/nn/safetensors.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input } from '../../src/nn/symbolic.ts';
import { testGpu } from '../support/gpu.ts';

/*
 * Files whose checksum is right, and what they hold is not: somebody made them so.
 */

/** The file with one value of its description in another's place. Undefined: it isn't there. */
function changed(file: Uint8Array, path: string, value: unknown): Uint8Array {
  const { tensors, metadata } = decodeSafetensors(file);
  const weft = JSON.parse(metadata.weft);
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  // biome-ignore lint/suspicious/noExplicitAny: any place in it
  keys.reduce((at: any, key) => at[key], weft)[last] = value;
  return encodeSafetensors(tensors, { weft: JSON.stringify(weft) });
}

/** What a call throws, which is one line. */
async function refusal(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    expect(error, `${(error as Error).stack}`).toBeInstanceOf(WeftError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message;
  }
  return 'nothing is thrown';
}

const image = [6, 6, 1];
const stack = await sequential(
  [
    layers.conv2d({ filters: 2, padding: 'same' }),
    layers.maxPooling2d(),
    layers.flatten(),
    layers.dense({ units: 3 }),
  ],
  { inputShape: image },
).save();
const x = input({ shape: image });
const graph = await functional({
  inputs: x,
  outputs: layers.add().apply([x, layers.conv2d({ filters: 1, padding: 'same' }).apply(x)]),
}).save();

const deep = (depth: number): unknown => {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
};

it.each<[path: string, value: unknown, message: string]>([
  ['model', undefined, "the file's description: model is missing"],
  ['model', [], "the model's description: expected an object, got an empty array"],
  ['model.layers', undefined, 'layers is missing'],
  ['model.layers', {}, 'layers must be an array, got an object'],
  ['model.seed', -1, 'seed must be a whole number from 0, got -1'],
  ['model.inputShape', [1.5, 6, 1], 'inputShape[0] must be a whole number'],
  ['model.layers.1', null, 'layers[1] must be a layer of a known kind: conv2d, '],
  ['model.layers.1.kind', 'constructor', "got 'constructor'"],
  ['model.layers.1.kind', '__proto__', "got '__proto__'"],
  ['model.layers.1.config', null, 'layers[1].config must be an object, got null'],
  ['model.layers.1.config', [], 'layers[1].config must be an object, got an empty array'],
  ['model.layers.1.trainable', 'no', "layers[1].trainable must be true or false, got 'no'"],
  ['model.layers.3.config.units', '3', 'layers[3].config.units must be a whole number from 1 to 2147483647'],
  ['model.layers.3.config.units', 2 ** 31, 'got 2147483648'],
  [
    'model.layers.3.config.units',
    4,
    "weight 'dense.kernel' has shape [18, 3] in the file, [18, 4] in the model",
  ],
  ['model.layers.0.config.kernelRegularizer', 1, 'kernelRegularizer must be an object, got 1'],
  ['model.layers.0.config.kernelInitializer', 'toString', "got 'toString'"],
  [
    'model.layers.0.config.activation',
    { leakyRelu: 'x' },
    'layers[0].config.activation must be an activation of linear',
  ],
  [
    'model.layers.0.config.padding',
    [[1, 2], 3],
    "layers[0].config.padding must be 'same', 'valid', a number",
  ],
  ['model.layers.0.config.name', 5, 'layers[0].config.name must be a text, got 5'],
  ['model.x', deep(500), '502 within one another'],
])('a model file with %s of another kind (%#) is refused in one line', async (path, value, message) => {
  expect(await refusal(() => loadModel(changed(stack, path, value)))).toContain(message);
});

it.each<[path: string, value: unknown, message: string]>([
  ['model.inputs', [], 'inputs must be one or more'],
  ['model.calls.1.inputs', [], 'calls[1].inputs must be one or more'],
  ['model.calls.0.inputs', [7], 'uses a value 7 before a layer gives it'],
  ['model.calls.0.layer', '__proto__', "calls a layer '__proto__' that it doesn't have"],
  ['model.layers.1.config.name', 'conv2d', "each layer must have a name of its own, got 'conv2d'"],
  ['model.layers.0.config.name', undefined, 'each layer must have a name of its own, got undefined'],
  ['model.outputs', [-1], 'outputs[0] must be a whole number from 0, got -1'],
])('a graph with %s of another kind (%#) is refused in one line', async (path, value, message) => {
  expect(await refusal(() => loadModel(changed(graph, path, value)))).toContain(message);
});

it('layers may have names that objects inherit', async () => {
  const names = ['__proto__', 'constructor', 'toString'];
  const model = sequential(
    names.map((name) => layers.dense({ units: 2, name })),
    { inputShape: [2] },
  );
  expect(loadModel(await model.save()).layers.map(({ name }) => name)).toEqual(names);
});

/** Trains until step 6 or, from its checkpoint, to the end; gives the last checkpoint. */
async function train(resume?: Uint8Array): Promise<Uint8Array> {
  const model = sequential(
    [layers.dense({ units: 4 }), layers.dropout({ rate: 0.3 }), layers.dense({ units: 2 })],
    {
      inputShape: [2],
    },
  );
  const values = Float32Array.from({ length: 32 }, (_, i) => i / 32);
  const source = new ArraySource(
    values,
    Array.from({ length: 16 }, (_, i) => i % 2),
    [2],
  );
  let file = new Uint8Array();
  let steps = 0;
  try {
    await fit(model, {
      train: { source, indices: Uint32Array.from({ length: 16 }, (_, i) => i) },
      optimizer: new Adam(),
      epochs: 3,
      batchSize: 4,
      resume,
      callbacks: [
        new EarlyStopping({ monitor: 'loss', patience: 9, restoreBestWeights: true }),
        new ReduceLROnPlateau({ monitor: 'loss' }),
      ],
      checkpoint: {
        save: async (saved) => {
          file = new Uint8Array(saved);
        },
      },
      shouldStop: () => (++steps === 6 && !resume ? 'now' : undefined),
    });
  } finally {
    model.dispose();
    source.dispose();
  }
  return file;
}

it('a checkpoint that somebody changed is refused in one line, and the GPU lives', async () => {
  await testGpu();
  const good = await train();
  const cases: [path: string, value: unknown, message: string][] = [
    ['training', undefined, 'it holds no training state'],
    ['training', null, 'the checkpoint: training must be an object, got null'],
    ['training.history', undefined, 'training.history is missing'],
    ['training.history', ['x'], "training.history[0] must be an object, got 'x'"],
    ['training.batches.0', [1], 'training.batches[0][1] must be'],
    ['training.batches', [], 'is 2 steps into an epoch and has the figures of 0'],
    ['training.step', 2 ** 40, 'an epoch has 4 here'],
    ['training.epoch', -1, 'training.epoch must be a whole number from 0, got -1'],
    ['training.sampler', 5, 'training.sampler must be an object, got 5'],
    ['training.sampler.cursor', 1e9, '1000000000'],
    ['training.streams.dropout', 'x', "training.streams.dropout must be a whole number from 0, got 'x'"],
    ['training.callbacks.1', undefined, 'the checkpoint: ReduceLROnPlateau: expected an object, got null'],
    ['training.callbacks.0', {}, 'the checkpoint: EarlyStopping: wait is missing'],
    [
      'training.callbacks.1.learningRate',
      'fast',
      "ReduceLROnPlateau: learningRate must be a finite number, got 'fast'",
    ],
  ];
  for (const [path, value, message] of cases)
    expect(await refusal(() => train(changed(good, path, value))), path).toContain(message);
  const { tensors, metadata } = decodeSafetensors(good);
  const ofAdam = [...tensors.keys()].find((name) => name.startsWith('optimizer ')) ?? '';
  for (const name of ['dense.kernel', ofAdam]) {
    const other = new Map(tensors);
    const { shape, data } = tensors.get(name) ?? expect.unreachable(name);
    for (const array of [
      { shape, data: new Int32Array(data.length) },
      { shape: [data.length], data },
    ]) {
      other.set(name, array);
      expect(await refusal(() => train(encodeSafetensors(other, metadata)))).toContain(name);
    }
    other.delete(name);
    expect(await refusal(() => train(encodeSafetensors(other, metadata)))).toContain(name);
  }
  expect(await refusal(() => train(new Uint8Array(3)))).toBe('not a safetensors file: 3 bytes');
  expect(await refusal(() => train('file' as never))).toContain('must be given as its bytes');
  await train(good);
});
