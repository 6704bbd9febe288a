import { describe, expect, it } from 'vitest';
import {
  type Augmentation,
  describeAugmentation,
  imageDataGenerator,
  torchvisionTransforms,
} from '../../src/data/augmentation.ts';
import { augmentImages } from '../../src/data/augmentImages.ts';
import { type ImageSet, ImageSource } from '../../src/data/batchSource.ts';
import { replicate } from '../../src/data/replicate.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, make } from '../reference/array64.ts';
import { between, drawAffine, drawBox, drawPerspective, wordsOf } from '../reference/imageDraws.ts';
import { adjustBrightness, eraseImages } from '../reference/pixels.ts';
import { warpImages } from '../reference/warpImages.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';

const gpu = await testGpu();
const random = createRandom(seed);

function randomSet(count: number, height: number, width: number, channels = 1): ImageSet {
  const images = Uint8Array.from(random.integers(count * height * width * channels, 256));
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  return { images, labels, count, height, width, channels, classNames: [] };
}

const all = (count: number) => tensor(Uint32Array.from({ length: count }, (_, i) => i));

/** How many elements differ by more than `bound`. */
const differing = (actual: ArrayLike<number>, expected: ArrayLike<number>, bound: number) =>
  Array.from(actual).filter((value, at) => !(Math.abs(value - expected[at]) <= bound)).length;

describe('the order of things', () => {
  const none = {
    rotation: [0, 0],
    shear: 0,
    zoom: [1, 1],
    rows: { pixels: 0 },
    columns: { pixels: 0 },
  } as const;
  const still = { ...none, flipColumns: 0, flipRows: 0 } as const;

  it('Keras: affine map, flips, brightness, eraser, scaling', async () => {
    const [N, H, W] = [30, 28, 28];
    const set = randomSet(N, H, W);
    const augment = imageDataGenerator({
      rotationRange: 20,
      widthShiftRange: 0.1,
      heightShiftRange: 2,
      shearRange: 5,
      zoomRange: [0.9, 1.2],
      horizontalFlip: true,
      verticalFlip: true,
      brightnessRange: [0.5, 1.5],
      fillMode: 'nearest',
      eraser: { p: 0.5, area: [0.02, 0.1], ratio: [0.1, 10], value: [0, 1] },
    });
    const source = new ImageSource(set, { augment, seed });
    const { x } = source.batch(all(N), true);
    const draw = await new RandomStream(seed, 'augmentation').drawTensor().data();
    const words = (purpose: number) => Array.from({ length: N }, (_, n) => wordsOf(draw, purpose, n));
    const bytes = make([N, H, W, 1], set.images);
    const warps = words(0).map((of) =>
      drawAffine(of, {
        centre: [14.5, 14.5],
        rotation: [-20, 20],
        shear: 5,
        zoom: [0.9, 1.2],
        rows: { whole: 2 },
        columns: { pixels: 2.8 },
        flipColumns: 0.5,
        flipRows: 0.5,
      }),
    );
    const warped = warpImages(bytes, warps, { interpolation: 'linear', fillMode: 'nearest', fill: 0 });
    const factors = words(1).map((of) => Math.fround(between(0.5, 1.5, of(0)[0])));
    const boxes = words(2).map((of) =>
      drawBox(of, {
        height: H,
        width: W,
        rule: 'eraser',
        p: 0.5,
        share: [0.02, 0.1],
        ratio: [0.1, 10],
        value: [0, 1],
      }),
    );
    const expected = eraseImages(adjustBrightness(warped, factors), boxes).data.map((value) => value / 255);
    const actual = await x.data();
    // A grey level may be cut another way in f32, before the factor; a box's edge, too, which is rarer.
    expect(differing(actual, expected, 2.1 / 255), again).toBeLessThan(100);
    expect(differing(actual, expected, 1e-5), again).toBeLessThan(0.01 * actual.length);
    // Boxes of values 0 .. 1 in units of a byte are all but black.
    expect(boxes.some(({ height }) => height > 0)).toBe(true);
    source.dispose();
  });

  it('torchvision: as listed; other orders give other images', async () => {
    const [N, H, W] = [30, 28, 28];
    const set = randomSet(N, H, W);
    const list = [
      { kind: 'randomHorizontalFlip', p: 0.8 },
      { kind: 'randomErasing', value: 0.5 },
      { kind: 'randomRotation', degrees: 5 },
      { kind: 'randomPerspective', distortionScale: 0.3, p: 0.7 },
    ] as const;
    const source = new ImageSource(set, { augment: torchvisionTransforms(list), seed });
    const actual = await source.batch(all(N), true).x.data();
    const draw = await new RandomStream(seed, 'augmentation').drawTensor().data();
    const words = (purpose: number) => Array.from({ length: N }, (_, n) => wordsOf(draw, purpose, n));
    const centre = [13.5, 13.5] as const;
    const nearest = { interpolation: 'nearest', fillMode: 'constant', fill: 0 } as const;
    let x: Array64 = make(
      [N, H, W, 1],
      Array.from(set.images, (byte) => byte / 255),
    );
    x = warpImages(
      x,
      words(0).map((of) => drawAffine(of, { ...still, centre, flipColumns: 0.8 })),
      nearest,
    );
    const box = {
      height: H,
      width: W,
      p: 0.5,
      share: [0.02, 0.33],
      ratio: [0.3, 3.3],
      value: [0.5, 0.5],
    } as const;
    x = eraseImages(
      x,
      words(2).map((of) => drawBox(of, { ...box, rule: 'torchvision' })),
    );
    x = warpImages(
      x,
      words(4).map((of) => drawAffine(of, { ...still, centre, rotation: [-5, 5] })),
      nearest,
    );
    x = warpImages(
      x,
      words(6).map((of) => drawPerspective(of, H, W, 0.3, 0.7)),
      { interpolation: 'linear', fillMode: 'blend', fill: 0 },
    );
    // A pixel half-way between two may be taken from the other one.
    expect(differing(actual, x.data, 1e-5), again).toBeLessThan(0.005 * actual.length);
    const turned = new ImageSource(set, { augment: torchvisionTransforms([...list].reverse()), seed });
    expect(differing(await turned.batch(all(N), true).x.data(), x.data, 0.1)).toBeGreaterThan(
      0.2 * actual.length,
    );
    source.dispose();
    turned.dispose();
  });

  it('a counter-clockwise rotation takes what is right of the centre to the top', async () => {
    const set = { ...randomSet(1, 3, 3), images: Uint8Array.of(0, 0, 0, 0, 0, 255, 0, 0, 0) };
    const augment = torchvisionTransforms([{ kind: 'randomRotation', degrees: [90, 90] }]);
    const source = new ImageSource(set, { augment });
    expect([...(await source.batch(all(1), true).x.data())]).toEqual([0, 1, 0, 0, 0, 0, 0, 0, 0]);
    source.dispose();
  });

  it('whole shifts and flips are the same bits by the one kernel and by the affine map', async () => {
    const set = randomSet(40, 9, 7, 3);
    const augment = imageDataGenerator({
      widthShiftRange: 3,
      heightShiftRange: 3,
      horizontalFlip: true,
      fillMode: 'constant',
    });
    const source = new ImageSource(set, { augment, seed, scale: 255 });
    const { dispatches } = gpu.counters;
    const { x } = source.batch(all(40), true);
    expect(gpu.counters.dispatches - dispatches).toBe(2);
    const bytes = tensor(Float32Array.from(set.images), [40, 9, 7, 3]);
    const mapped = augmentImages(bytes, augment, new RandomStream(seed, 'augmentation').drawTensor());
    expectSameBits(await allBits([x]), await allBits([mapped]), again);
    source.dispose();
  });
});

describe('ImageSource', () => {
  const full = imageDataGenerator({
    rotationRange: 9,
    heightShiftRange: 0.2,
    zoomRange: 0.1,
    horizontalFlip: true,
    brightnessRange: [0.5, 1.5],
    eraser: { pixelLevel: true },
  });

  it('scales to what is asked, and augments training batches only', async () => {
    const set = randomSet(12, 6, 5);
    const raw = new ImageSource(set, { augment: full, scale: 255, seed });
    const unit = new ImageSource(set, { augment: full, seed });
    expect(Array.from(await raw.batch(all(12), false).x.data())).toEqual(Array.from(set.images));
    const [a, b] = [await raw.batch(all(12), true).x.data(), await unit.batch(all(12), true).x.data()];
    expect(Math.max(...a)).toBeGreaterThan(100);
    expect(
      differing(
        a,
        Array.from(b, (value) => value * 255),
        1e-4,
      ),
    ).toBe(0);
    expect(differing(a, set.images, 1)).toBeGreaterThan(100);
    raw.dispose();
    unit.dispose();
  });

  it('repeats grey as three channels, before noise is drawn for each', async () => {
    const set = randomSet(4, 5, 5);
    const source = new ImageSource(set, { channels: 3 });
    expect(source.shape).toEqual([5, 5, 3]);
    const { x } = source.batch(all(4), true);
    expect(x.shape).toEqual([4, 5, 5, 3]);
    const expected = Array.from(set.images).flatMap((byte) => [byte / 255, byte / 255, byte / 255]);
    expect(differing(await x.data(), expected, 1e-6)).toBe(0);
    const noise = { p: 1, area: [0.5, 0.9], pixelLevel: true } as const;
    const erased = new ImageSource(set, { channels: 3, augment: imageDataGenerator({ eraser: noise }) });
    const values = await erased.batch(all(4), true).x.data();
    const coloured = Array.from({ length: 100 }, (_, p) => values[3 * p] !== values[3 * p + 1]);
    expect(coloured.filter(Boolean).length).toBeGreaterThan(20);
    expect(() => new ImageSource(randomSet(2, 3, 3, 3), { channels: 1 })).toThrow(
      /3 channels, or grey images/,
    );
    source.dispose();
    erased.dispose();
  });

  it('goes on from a position, draws anew at each replay and makes nothing then', async () => {
    const set = randomSet(20, 7, 7);
    const source = new ImageSource(set, { augment: full, seed });
    const step = record((indices: Tensor) => source.batch(indices, true).x);
    const runs = [];
    for (let i = 0; i < 3; i++) runs.push(await allBits([await step(all(20))]));
    expect(runs[0]).not.toEqual(runs[1]);
    const resumed = new ImageSource(set, { augment: full, seed });
    resumed.randomStreams[0].position = 2;
    expectSameBits(await allBits([resumed.batch(all(20), true).x]), runs[2], again);
    step.dispose();
    source.dispose();
    resumed.dispose();
  });

  it('takes an augmentation from JSON, and refuses what is none', () => {
    const set = randomSet(2, 3, 3);
    const of = (augment: unknown) => new ImageSource(set, { augment: augment as Augmentation }).dispose();
    of(JSON.parse(JSON.stringify(full)));
    expect(() => of({ shift: 3, flip: true })).toThrow(
      /made by imageDataGenerator.*got an object \{ shift, flip \}/,
    );
    expect(() => imageDataGenerator({ rotation: 5 } as object)).toThrow(
      /no option 'rotation'; there are .*rotationRange/,
    );
    expect(() => imageDataGenerator({ zoomRange: [1.2, 0.8] })).toThrow(
      /zoomRange must be .*got \[1.2, 0.8\]/,
    );
    expect(() => imageDataGenerator({ eraser: { p: 2 } })).toThrow(
      /eraser: p must be a number from 0 to 1, got 2/,
    );
    expect(() => torchvisionTransforms([{ kind: 'randomErasing', ratio: [0, 1] }])).toThrow(
      /randomErasing: ratio must be/,
    );
    expect(() => torchvisionTransforms([{ kind: 'blur' } as never])).toThrow(
      /transform 0 must be one of randomHorizontalFlip/,
    );
    expect(() => torchvisionTransforms([{ kind: 'randomRotation' } as never])).toThrow(
      /degrees must be given/,
    );
  });
});

describe('replicate', () => {
  it('puts augmented copies behind the originals, the same for the same seed', async () => {
    const set = randomSet(23, 8, 8);
    const chosen = [5, 3, 21, 0, 7, 11, 20];
    const augmentation = torchvisionTransforms([
      { kind: 'randomHorizontalFlip', p: 0.8 },
      { kind: 'randomErasing', p: 1 },
      { kind: 'randomRotation', degrees: 5 },
    ]);
    const larger = await replicate(set, chosen, augmentation, { copies: 2, seed: 4, batchSize: 3 });
    expect(larger.count).toBe(21);
    expect([...larger.labels]).toEqual([0, 1, 2].flatMap(() => chosen.map((i) => set.labels[i])));
    const image = (of: ImageSet, i: number) => [...of.images.subarray(64 * i, 64 * (i + 1))];
    for (const [at, i] of chosen.entries()) {
      expect(image(larger, at)).toEqual(image(set, i));
      // Flips, nearest-neighbour rotations and boxes of 0 make no new grey level.
      for (const copy of [1, 2]) {
        const levels = new Set([0, ...image(set, i)]);
        expect(image(larger, 7 * copy + at).filter((value) => !levels.has(value))).toEqual([]);
        expect(image(larger, 7 * copy + at)).not.toEqual(image(set, i));
      }
    }
    expect(image(larger, 7)).not.toEqual(image(larger, 14));
    const again = await replicate(set, chosen, augmentation, { copies: 2, seed: 4, batchSize: 3 });
    expect(again).toEqual(larger);
    const other = await replicate(set, chosen, augmentation, { copies: 2, seed: 5, batchSize: 3 });
    expect(other.images).not.toEqual(larger.images);
  });

  it('takes the whole set where no images are chosen, and frees what it used', async () => {
    const set = randomSet(5, 4, 4);
    const before = gpu.pool.liveBytes;
    const larger = await replicate(set, undefined, torchvisionTransforms([]));
    expect([...larger.images]).toEqual([...set.images, ...set.images]);
    expect(gpu.pool.liveBytes).toBe(before);
    await expect(replicate(set, [5], torchvisionTransforms([]))).rejects.toThrow(
      /index 0 is 5; the source has 5 samples/,
    );
    await expect(replicate(set, [0], torchvisionTransforms([]), { copies: 0 })).rejects.toThrow(
      /copies must be .*got 0/,
    );
  });
});

describe('in words', () => {
  const shifts = { widthShiftRange: 3, heightShiftRange: 3, fillMode: 'constant' } as const;
  it.each([
    [imageDataGenerator({ ...shifts, horizontalFlip: true }), 'shifts within 2 px and flips'],
    [imageDataGenerator({}), 'no augmentation'],
    [
      imageDataGenerator({
        heightShiftRange: 0.2,
        horizontalFlip: true,
        brightnessRange: [0.5, 1.5],
        eraser: {},
      }),
      'vertical shifts within 20 %, flips, brightness of 0.5 to 1.5 and erased boxes (0.5)',
    ],
    [
      torchvisionTransforms([
        { kind: 'randomHorizontalFlip', p: 0.8 },
        { kind: 'randomRotation', degrees: 5 },
      ]),
      'flips (0.8) and rotations within 5°',
    ],
  ] as const)('%#', (augmentation, words) => expect(describeAugmentation(augmentation)).toBe(words));
});
