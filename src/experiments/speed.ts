import type { ImageSet } from '../data/batchSource.ts';
import type { Model } from '../nn/model.ts';
import { median } from '../tensor/median.ts';
import { tensor } from '../tensor/tensor.ts';

/** How fast a network answers, from pixels in the program's memory to answers there. */
export interface Speed {
  /** Images that go through the network at a time. */
  readonly batch: number;
  /** Median over the runs. */
  readonly msPerImage: number;
  readonly imagesPerSecond: number;
  /** Runs that were timed, after the first ones. */
  readonly runs: number;
}

/** The first runs compile kernels and warm caches. */
const WARM_UP = 2;
const MOST_RUNS = 100;
const LEAST_RUNS = 3;
const TIMED_MS = 1000;

/**
 * Times a network's inference with images of a set, so many at a time: each run brings other images to the GPU, runs the network and reads
 * what it says.
 * @param check called after each run; what it throws ends the measurement
 */
export async function measureSpeed(
  model: Model,
  set: ImageSet,
  batch: number,
  { pixelScale = 1, check }: { pixelScale?: number; check: () => void },
): Promise<Speed> {
  const { height, width, channels, count } = set;
  const size = height * width * channels;
  const times: number[] = [];
  const begin = performance.now();
  for (let run = 0; run < WARM_UP + MOST_RUNS; run++) {
    const pixels = Float32Array.from({ length: batch * size }, (_, i) => {
      const image = (run * batch + Math.floor(i / size)) % count;
      return (set.images[image * size + (i % size)] / 255) * pixelScale;
    });
    const start = performance.now();
    const x = tensor(pixels, [batch, height, width, channels]);
    const y = await model.predict(x, { batchSize: batch });
    await y.data();
    if (run >= WARM_UP) times.push(performance.now() - start);
    for (const used of [x, y]) used.dispose();
    check();
    if (times.length >= LEAST_RUNS && performance.now() - begin > TIMED_MS) break;
  }
  const ms = median(times);
  return { batch, msPerImage: ms / batch, imagesPerSecond: (1000 * batch) / ms, runs: times.length };
}
