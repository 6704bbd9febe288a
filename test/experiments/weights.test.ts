import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inceptionBase } from '../../src/experiments/icdss/inceptionBase.ts';
import { inceptionV3 } from '../../src/experiments/icdss/inceptionV3.ts';
import { loadWeights } from '../../src/experiments/weights.ts';
import { saveKerasWeights } from '../../src/formats/keras/index.ts';
import { functional } from '../../src/nn/functional.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input } from '../../src/nn/symbolic.ts';

/** Values of all weights, one after the other. */
const valuesOf = (model: Model) => Promise.all(model.parameters.map((parameter) => parameter.data()));

/** InceptionV3 with one filter of the first convolution, without its top. */
function withoutTop(seed: number): Model {
  const inputs = input({ shape: [75, 75, 3] });
  return functional({ inputs, outputs: inceptionBase(inputs, 1), seed });
}

describe('weights to begin with', () => {
  let folder: string;
  const path = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await fs.mkdtemp(join(tmpdir(), 'weft-weights-'));
    await fs.writeFile(path('notop.h5'), await saveKerasWeights(withoutTop(7)));
  });
  afterAll(() => fs.rm(folder, { recursive: true }));

  it("of Keras' network without its top fill the base, and leave the head as it is", async () => {
    const source = await valuesOf(withoutTop(7));
    const model = inceptionV3.network(1, 1);
    const before = await valuesOf(model);
    const { frozenLayers } = inceptionV3.recipe.frozenPhase!;
    expect(await loadWeights(model, path('notop.h5'), frozenLayers)).toMatch(
      /^weights: of 188 layers from .*notop\.h5; dense, dense_1 begin with random ones$/,
    );
    const after = await valuesOf(model);
    expect(source).toHaveLength(94 * 4);
    expect(after.slice(0, source.length)).toEqual(source);
    expect(after.slice(0, source.length)).not.toEqual(before.slice(0, source.length));
    expect(after.slice(source.length)).toEqual(before.slice(source.length));
  });

  it('must reach as far as layers are to stay frozen', async () => {
    const dense = () => layers.dense({ units: 2 });
    const short = sequential([dense()], { inputShape: [2] });
    await fs.writeFile(path('short.h5'), await saveKerasWeights(short));
    const long = () => sequential([dense(), dense(), dense()], { inputShape: [2] });
    await expect(loadWeights(long(), path('short.h5'), 2)).rejects.toThrow(
      /short\.h5: it holds weights for 1 layers; dense_1 comes after them and is to stay frozen/,
    );
    expect(await loadWeights(long(), path('short.h5'), 1)).toMatch(/; dense_1, dense_2 begin with random/);
    await fs.writeFile(path('long.h5'), await saveKerasWeights(long()));
    await expect(loadWeights(short, path('long.h5'))).rejects.toThrow(/weights for 3 layers .* has 1 layers/);
    const other = sequential([layers.dense({ units: 3 }), dense()], { inputShape: [2] });
    await expect(loadWeights(other, path('short.h5'))).rejects.toThrow(/kernel:0' has shape \[2, 2\]/);
    expect(await loadWeights(long(), path('long.h5'))).toMatch(/^weights: of 3 layers from .*long\.h5$/);
  });

  it('come whole from a file of ours', async () => {
    const [source, model] = [1, 2].map((seed) =>
      sequential([layers.dense({ units: 2 })], { inputShape: [2], seed }),
    );
    await fs.writeFile(path('ours.safetensors'), await source.save());
    expect(await loadWeights(model, path('ours.safetensors'))).toMatch(/^weights: all 2 from /);
    expect(await valuesOf(model)).toEqual(await valuesOf(source));
    await expect(loadWeights(model, path('none.h5'))).rejects.toThrow(
      /--weights: could not read .*none\.h5: ENOENT/,
    );
  });
});
