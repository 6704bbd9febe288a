import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Console } from '../../../src/experiments/console.ts';
import { v5 } from '../../../src/experiments/czerny/v5.ts';
import { BATCH } from '../../../src/experiments/evaluate.ts';
import { MANIFEST } from '../../../src/experiments/manifest.ts';
import { RunFolder } from '../../../src/experiments/run.ts';
import { openData } from '../../../src/experiments/session.ts';
import { classify } from '../../../src/experiments/testing.ts';
import { train } from '../../../src/experiments/train.ts';
import { decodeSafetensors } from '../../../src/nn/safetensors.ts';
import { close } from '../../../src/tensor/device.ts';
import type { RunContext } from '../context.ts';
import { openDevice } from '../device.ts';

/** What the test of the weights may take of the part's time. */
const TEST_SHARE = 0.2;
/** Test images that are classified between looks at the clock. */
const AT_A_TIME = 4 * BATCH;

/** Trains v5 by its recipe for as long as there is time, continuing an earlier training, and tests the result. */
export async function training(context: RunContext): Promise<void> {
  const { adapter, folder } = context.given;
  const out = new Console();
  const isBegun = existsSync(join(folder, MANIFEST));
  // Counted from the start of the process, as `--max-time` is.
  const maxTime = performance.now() / 1000 + context.secondsLeft * (1 - TEST_SHARE);
  const how = isBegun
    ? { resume: folder, allowOtherAdapter: true }
    : ({ preset: 'recipe', repeats: 1, out: folder } as const);
  context.set({ folder });
  await train('v5', { ...how, adapter, maxTime }, out);
  const run = await RunFolder.open(folder);
  const { epochs: history = [] } = (await run.repeat(1).history()) ?? {};
  const finished = (await run.summary()) !== undefined;
  const secondsPerImage = run.manifest.choices?.secondsPerImage;
  context.set({
    finished,
    epochs: history.length,
    history,
    imagesPerSecond: secondsPerImage === undefined ? null : 1 / secondsPerImage,
  });
  if (!finished) context.cut();
  await testWeights(context, run, out);
}

/** The accuracy so far: of the best weights, or the newest if none were validated, on as many test images as there is time for. */
async function testWeights(context: RunContext, run: RunFolder, out: Console): Promise<void> {
  const repeat = run.repeat(1);
  for (const weights of ['best', 'last', 'checkpoint'] as const) {
    const file = await repeat[weights]();
    if (!file) continue;
    const data = await openData(undefined, out);
    await openDevice(context);
    // A checkpoint holds more than the model's weights.
    const { tensors } = decodeSafetensors(file);
    const model = v5.network(0);
    model.setWeights(new Map(model.parameters.map(({ name }) => [name, tensors.get(name)!])));
    const { count } = data.test;
    let [tested, right] = [0, 0];
    while (tested < count && (tested === 0 || context.secondsLeft > 0)) {
      const indices = Uint32Array.from({ length: Math.min(AT_A_TIME, count - tested) }, (_, i) => tested + i);
      const { accuracy } = await classify(model, data.test, indices, { batchSize: BATCH });
      right += accuracy * indices.length;
      tested += indices.length;
      context.set({ weights, accuracy: right / tested, testImages: tested });
    }
    model.dispose();
    return close();
  }
}
