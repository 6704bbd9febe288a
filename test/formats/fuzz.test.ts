import { describe, expect, it } from 'vitest';
import { parseIdx } from '../../src/data/idx.ts';
import { WeftError } from '../../src/errors.ts';
import { modelFromKeras, modelToKeras } from '../../src/formats/keras/modelConfig.ts';
import { decodeNpy, encodeNpy } from '../../src/formats/npy.ts';
import { decodeNpz, encodeNpz } from '../../src/formats/npz.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { loadModel } from '../../src/nn/modelFile.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/nn/safetensors.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { type Draw, draws } from '../support/property.ts';

/*
 * Every reader takes files that were changed at random: what comes is a value or a WeftError, soon.
 */

const NUMBERS = [0, 1, 0x7f, 0x80, 0xff, 0x7fffffff, 0x80000000, 0xffffffff];

/** Bytes of a file changed, cut, doubled or put in. Half of the changes are in the header, where readers decide. */
function changeBytes({ int, pick, chance }: Draw, file: Uint8Array): Uint8Array {
  let bytes = new Uint8Array(file);
  for (let left = int(1, 4); left > 0 && bytes.length > 8; left--) {
    const at = int(0, (chance(0.5) ? Math.min(bytes.length, 256) : bytes.length) - 1);
    const to = Math.min(bytes.length, at + int(1, 64));
    const change = pick(['flip', 'number', 'cut', 'fill', 'double', 'remove'] as const);
    if (change === 'flip') bytes[at] ^= 1 << int(0, 7);
    else if (change === 'number')
      new DataView(bytes.buffer).setUint32(Math.min(at, bytes.length - 4), pick(NUMBERS), chance(0.5));
    else if (change === 'cut') bytes = bytes.slice(0, at);
    else if (change === 'fill') bytes.fill(pick([0, 0x20, 0x22, 255]), at, to);
    else
      bytes = Uint8Array.from([
        ...bytes.subarray(0, change === 'double' ? to : at),
        ...bytes.subarray(change === 'double' ? at : to),
      ]);
  }
  return bytes;
}

const VALUES = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  '',
  'x',
  '__proto__',
  [],
  {},
  [0],
  [2 ** 31, 2 ** 31],
  [['3']],
];
const KEYS = ['__proto__', 'constructor', 'toString', 'length', '', '0', 'name', '\u0000'];

/** A value of plain data with some of what is in it changed, taken away or under other names. */
function changeData(draw: Draw, value: unknown): unknown {
  const { chance, pick, int } = draw;
  if (chance(0.04)) return pick(VALUES);
  if (chance(0.01)) return JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`);
  if (typeof value === 'number' && chance(0.1)) return pick([value + 1, -value, value * 1e9, value + 0.5]);
  if (Array.isArray(value)) {
    const list = value.map((item) => changeData(draw, item));
    if (chance(0.05)) list.splice(int(0, list.length), chance(0.5) ? 1 : 0, pick(VALUES));
    return list;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).flatMap(([key, item]) =>
    chance(0.03) ? [] : [[chance(0.03) ? pick(KEYS) : key, changeData(draw, item)]],
  );
  return Object.fromEntries(entries);
}

const model = sequential(
  [
    layers.conv2d({ filters: 2, padding: 'same', activation: { leakyRelu: 0.1 } }),
    layers.batchNormalization(),
    layers.maxPooling2d({ strides: [2, 1] }),
    layers.dropout({ rate: 0.2 }),
    layers.flatten(),
    layers.dense({ units: 3, kernelRegularizer: { l2: 1e-3 } }),
  ],
  { inputShape: [6, 6, 1] },
);
const weights = await model.weights();
const plain = encodeSafetensors(
  new Map([
    ['a', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
    ['b', { shape: [2], data: Int32Array.of(7, 8) }],
  ]),
  { key: 'value' },
);
const npy = [Float32Array.of(1, 2, 3), Uint8Array.of(1, 2, 3), BigInt64Array.of(1n, 2n, 3n)].map((data) =>
  encodeNpy({ shape: [3], data }),
);
const npz = await encodeNpz(new Map([['x', { shape: [300], data: new Float32Array(300) }]]), {
  compressed: true,
});

/** A safetensors file of any header. */
function withHeader(header: unknown, body: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + body.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  file.set(body, 8 + json.length);
  return file;
}

/** By name: how many files, how one is made, and what reads it. */
const readers: Record<
  string,
  [count: number, make: (draw: Draw) => Uint8Array, read: (file: Uint8Array) => unknown]
> = {
  safetensors: [2500, (draw) => changeBytes(draw, plain), decodeSafetensors],
  'the header of safetensors': [
    2000,
    (draw) => {
      const end = 8 + Number(new DataView(plain.buffer).getBigUint64(0, true));
      const header = JSON.parse(new TextDecoder().decode(plain.subarray(8, end)));
      delete header.__metadata__['weft-crc32'];
      return withHeader(changeData(draw, header), plain.subarray(end));
    },
    decodeSafetensors,
  ],
  'a model': [
    1000,
    (draw) =>
      encodeSafetensors(weights, { weft: JSON.stringify(changeData(draw, { model: model.toConfig() })) }),
    (file) => loadModel(file).summary(),
  ],
  "Keras' model_config": [
    1000,
    (draw) => new TextEncoder().encode(JSON.stringify(changeData(draw, JSON.parse(modelToKeras(model))))),
    (file) => modelFromKeras(new TextDecoder().decode(file), 'x.h5', () => {}).summary(),
  ],
  npy: [3000, (draw) => changeBytes(draw, draw.pick(npy)), (file) => decodeNpy(file)],
  npz: [1500, (draw) => changeBytes(draw, npz), (file) => decodeNpz(file)],
  idx: [
    3000,
    (draw) => changeBytes(draw, Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6)),
    (file) => parseIdx(file, 'x'),
  ],
};

describe('files that were changed at random', () => {
  it.each(Object.entries(readers))('are read or refused: %s', async (name, [count, make, read]) => {
    let refused = 0;
    for (const draw of draws(name, count)) {
      const file = make(draw);
      const start = performance.now();
      try {
        await read(file);
      } catch (error) {
        refused++;
        expect(error, `${draw.label}: ${(error as Error).stack}`).toBeInstanceOf(WeftError);
        expect((error as Error).message.length, draw.label).toBeLessThan(2000);
      }
      expect(performance.now() - start, draw.label).toBeLessThan(2000);
    }
    expect(refused).toBeGreaterThan(count / 10);
  });
});
