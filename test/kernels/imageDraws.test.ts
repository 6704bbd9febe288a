import { describe, expect, test } from 'vitest';
import { type DrawAffineOptions, drawAffine, type ShiftRange } from '../../src/kernels/drawAffine.ts';
import { type DrawBoxesOptions, drawBoxes } from '../../src/kernels/drawBoxes.ts';
import { type DrawPerspectiveOptions, drawPerspective } from '../../src/kernels/drawPerspective.ts';
import { drawUniform } from '../../src/kernels/drawUniform.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { createRandom } from '../reference/array64.ts';
import * as reference from '../reference/imageDraws.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();
const drawTensor = (position: number) =>
  Object.assign(new RandomStream(seed, 'draws'), { position }).drawTensor();
const columnsOf = (data: ArrayLike<number>, width: number) => (n: number) =>
  Array.from({ length: width }, (_, i) => data[n * width + i]);

describe('against the reference, from the same words', () => {
  const cases: [name: string, DrawAffineOptions][] = [
    [
      'all of it',
      {
        centre: [14.5, 10.5],
        rotation: [-170, 175],
        shear: 20,
        zoom: [0.8, 1.3],
        rows: { pixels: 5.6 },
        columns: { pixels: 2.8 },
        flipColumns: 0.5,
        flipRows: 0.2,
        purpose: 7,
      },
    ],
    ['whole shifts', { centre: [3, 3], rows: { whole: 3 }, columns: { whole: 4 }, flipColumns: 0.8 }],
    ['turns beyond a full one', { centre: [0, 0], rotation: [-800, 800] }],
  ];

  test.each(cases)('affine maps: %s', async (_, options) => {
    const draw = drawTensor(1);
    const words = await draw.data();
    const row = columnsOf(await drawAffine(draw, 300, options).data(), 12);
    const none: ShiftRange = { pixels: 0 };
    const ranges = {
      rotation: [0, 0] as const,
      shear: 0,
      zoom: [1, 1] as const,
      rows: none,
      columns: none,
      flipColumns: 0,
      flipRows: 0,
      ...options,
    };
    const scale = Math.max(1, ...options.centre);
    const degrees = Math.max(...ranges.rotation.map(Math.abs));
    for (let n = 0; n < 300; n++) {
      const expected = reference.drawAffine(reference.wordsOf(words, options.purpose ?? 0, n), ranges);
      const [flipColumns, flipRows] = row(n).slice(9);
      expect([flipColumns, flipRows], `image ${n}, ${again}`).toEqual([
        +expected.flipColumns,
        +expected.flipRows,
      ]);
      // An angle in f32 is off by its round-off, in radians; the offsets are sums of terms of the centre's size.
      const bound = (8 * 2 ** -24 + (degrees * 2 ** -23 * Math.PI) / 180) * 4 * scale;
      expected.matrix.forEach((value, i) => {
        expect(Math.abs(row(n)[i] - value), `image ${n}, number ${i}, ${again}`).toBeLessThan(bound);
      });
    }
  });

  test.each([
    [28, 28, 0.5],
    [9, 14, 0.9],
    [28, 28, 0.115],
    [1, 5, 1],
    [1, 1, 0.5],
  ])('perspectives of %ix%i, scale %f', async (height, width, distortionScale) => {
    const draw = drawTensor(2);
    const words = await draw.data();
    const options: DrawPerspectiveOptions = { height, width, distortionScale, p: 0.6, purpose: 2 };
    const row = columnsOf(await drawPerspective(draw, 300, options).data(), 12);
    for (let n = 0; n < 300; n++) {
      const of = reference.wordsOf(words, 2, n);
      const expected = reference.drawPerspective(of, height, width, distortionScale, 0.6);
      // Corners that nearly lie on a line make large numbers of a small difference: errors grow with its inverse.
      const numbers = Math.max(...expected.matrix.map(Math.abs), 1);
      const bound = 2 ** -21 * Math.max(numbers, height, width) * numbers;
      expected.matrix.forEach((value, i) => {
        expect(Math.abs(row(n)[i] - value), `image ${n}, number ${i}, ${again}`).toBeLessThan(bound);
      });
    }
  });

  const boxCases: DrawBoxesOptions[] = [
    { height: 28, width: 28, rule: 'eraser', p: 0.5, share: [0.02, 0.1], ratio: [0.1, 10], value: [0, 1] },
    {
      height: 28,
      width: 28,
      rule: 'eraser',
      p: 1,
      share: [0.02, 0.4],
      ratio: [0.3, 1 / 0.3],
      value: [0, 255],
    },
    { height: 9, width: 31, rule: 'eraser', p: 0.9, share: [0.3, 0.9], ratio: [0.1, 20], value: [3, 3] },
    {
      height: 28,
      width: 28,
      rule: 'torchvision',
      p: 0.5,
      share: [0.02, 0.33],
      ratio: [0.3, 3.3],
      value: [0, 0],
    },
    {
      height: 5,
      width: 14,
      rule: 'torchvision',
      p: 0.9,
      share: [0.2, 1],
      ratio: [0.1, 5],
      value: [0.5, 0.5],
    },
    { height: 1, width: 1, rule: 'torchvision', p: 1, share: [0.02, 0.33], ratio: [0.3, 3.3], value: [0, 0] },
    { height: 1, width: 1, rule: 'eraser', p: 1, share: [0.02, 0.4], ratio: [0.3, 3.3], value: [0, 1] },
  ];

  test.each(boxCases)('boxes %o', async (options) => {
    const draw = drawTensor(3);
    const words = await draw.data();
    const row = columnsOf(await drawBoxes(draw, 400, { ...options, purpose: 5 }).data(), 5);
    let doubtful = 0;
    for (let n = 0; n < 400; n++) {
      const expected = reference.drawBox(reference.wordsOf(words, 5, n), options);
      if (expected.doubtful) {
        doubtful++;
        continue;
      }
      const [top, left, height, width, value] = row(n);
      const { top: wantedTop, left: wantedLeft } = expected;
      // Where a box is empty, its place says nothing.
      const place = height * width > 0 ? [top, left] : [wantedTop, wantedLeft];
      expect([...place, height, width], `image ${n}, ${again}`).toEqual([
        wantedTop,
        wantedLeft,
        expected.height,
        expected.width,
      ]);
      expect(Math.abs(value - expected.value), `image ${n}, ${again}`).toBeLessThan(1e-4);
    }
    expect(doubtful, again).toBeLessThan(20);
  });

  test('numbers', async () => {
    const draw = drawTensor(4);
    const words = await draw.data();
    const y = await drawUniform(draw, 300, [0.5, 1.5], 1).data();
    y.forEach((value, n) => {
      const [word] = reference.wordsOf(words, 1, n)(0);
      expect(Math.abs(value - reference.between(0.5, 1.5, word))).toBeLessThan(2 ** -22);
    });
  });
});

/** The cutout's boxes by its own words, at 200x200, share 0.02 .. 0.1 and ratio 0.5 .. 2: [top, left, height, width]. */
function simulateEraser(count: number): number[][] {
  const numbers = createRandom(seed + 1);
  const boxes: number[][] = [];
  while (boxes.length < count) {
    const [s, r, x, y] = numbers.uniform([4], 0, 1).data;
    const area = (0.02 + 0.08 * s) * 40000;
    const ratio = 0.5 + 1.5 * r;
    const [height, width] = [Math.floor(Math.sqrt(area * ratio)), Math.floor(Math.sqrt(area / ratio))];
    const [left, top] = [Math.floor(200 * x), Math.floor(200 * y)];
    if (left + width <= 200 && top + height <= 200) boxes.push([top, left, height, width]);
  }
  return boxes;
}

test('split launches give the bits of whole ones', async () => {
  const draw = drawTensor(6);
  const box = { height: 9, width: 9, p: 0.5, share: [0.1, 0.5], ratio: [0.5, 2], value: [0, 1] } as const;
  await expectSplitLikeWhole(
    gpu,
    4096,
    () => [
      drawAffine(draw, 900, { centre: [4, 4], rotation: [-9, 9] }),
      drawPerspective(draw, 900, { height: 9, width: 9, distortionScale: 0.5, p: 0.5 }),
      drawBoxes(draw, 900, { ...box, rule: 'eraser' }),
      drawUniform(draw, 2000, [0, 1]),
    ],
    again,
  );
});

describe('distributions', () => {
  const COUNT = 40_000;

  /** Holds counts to probabilities: chance alone goes beyond six deviations once in 500 million counts. */
  function expectShares(
    values: readonly (number | string)[],
    shares: ReadonlyMap<number | string, number>,
    what: string,
  ) {
    const counts = new Map<number | string, number>();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    for (const value of counts.keys()) expect(shares.has(value), `${what} ${value}, ${again}`).toBe(true);
    for (const [value, p] of shares) {
      const found = counts.get(value) ?? 0;
      const deviation = Math.sqrt(values.length * p * (1 - p));
      expect(Math.abs(found - values.length * p), `${what} ${value}: ${found}, ${again}`).toBeLessThan(
        6 * deviation + 1e-9,
      );
    }
  }

  /** Holds values to a uniform distribution: none outside, and tenths of the range equally likely. */
  function expectUniform(values: readonly number[], low: number, high: number, what: string) {
    const slack = 1e-4 * (high - low);
    expect(Math.min(...values), `${what}, ${again}`).toBeGreaterThanOrEqual(low - slack);
    expect(Math.max(...values), `${what}, ${again}`).toBeLessThanOrEqual(high + slack);
    const tenth = (value: number) =>
      Math.min(9, Math.max(0, Math.floor((10 * (value - low)) / (high - low))));
    expectShares(values.map(tenth), new Map(Array.from({ length: 10 }, (_, i) => [i, 0.1])), what);
  }

  /** Pearson's correlation of what is drawn apart: within six deviations of 0. */
  function expectUncorrelated(a: readonly number[], b: readonly number[], what: string) {
    const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length;
    const [meanA, meanB] = [mean(a), mean(b)];
    const product = (x: readonly number[], y: readonly number[], mx: number, my: number) =>
      x.reduce((sum, value, i) => sum + (value - mx) * (y[i] - my), 0);
    const correlation =
      product(a, b, meanA, meanB) / Math.sqrt(product(a, a, meanA, meanA) * product(b, b, meanB, meanB));
    expect(Math.abs(correlation), `${what}, ${again}`).toBeLessThan(6 / Math.sqrt(a.length));
  }

  async function affines(options: DrawAffineOptions): Promise<(i: number) => number[]> {
    const data = await drawAffine(drawTensor(10), COUNT, options).data();
    return (i) => Array.from({ length: COUNT }, (_, n) => data[n * 12 + i]);
  }

  test('whole-pixel shifts: 0 a third, 1 and 2 a sixth each way for a range of 3; rows and columns apart', async () => {
    const number = await affines({ centre: [14.5, 14.5], rows: { whole: 3 }, columns: { whole: 3 } });
    const [rows, columns] = [number(2), number(5)];
    const p = (shift: number) => (shift === 0 ? 1 / 3 : 1 / 6);
    const sizes = [-2, -1, 0, 1, 2];
    const shares = new Map(sizes.flatMap((r) => sizes.map((c) => [`${r} ${c}`, p(r) * p(c)] as const)));
    expectShares(
      rows.map((r, n) => `${r} ${columns[n]}`),
      shares,
      'shifts',
    );
  });

  test('sub-pixel shifts are uniform either way', async () => {
    const number = await affines({ centre: [0, 0], rows: { pixels: 5.6 }, columns: { pixels: 2.8 } });
    expectUniform(number(2), -5.6, 5.6, 'rows');
    expectUniform(number(5), -2.8, 2.8, 'columns');
    expectUncorrelated(number(2), number(5), 'rows and columns');
  });

  test('angles, shears, zooms and flips', async () => {
    const turned = await affines({ centre: [0, 0], rotation: [-5, 5], flipColumns: 0.8, flipRows: 0.5 });
    const [cosines, sines] = [turned(0), turned(3)];
    expectUniform(
      sines.map((sine, n) => (Math.atan2(sine, cosines[n]) * 180) / Math.PI),
      -5,
      5,
      'angle',
    );
    expectShares(
      turned(9),
      new Map([
        [1, 0.8],
        [0, 0.2],
      ]),
      'flip of columns',
    );
    expectShares(
      turned(10),
      new Map([
        [1, 0.5],
        [0, 0.5],
      ]),
      'flip of rows',
    );
    const sheared = await affines({ centre: [0, 0], shear: 10 });
    expectUniform(
      sheared(1).map((b) => (Math.asin(-b) * 180) / Math.PI),
      -10,
      10,
      'shear',
    );
    const zoomed = await affines({ centre: [0, 0], zoom: [0.9, 1.1] });
    expectUniform(zoomed(0), 0.9, 1.1, 'zoom of rows');
    expectUniform(zoomed(4), 0.9, 1.1, 'zoom of columns');
    expectUncorrelated(zoomed(0), zoomed(4), 'zooms');
  });

  test('brightness factors', async () => {
    expectUniform(
      Array.from(await drawUniform(drawTensor(11), COUNT, [0.5, 1.5]).data()),
      0.5,
      1.5,
      'factor',
    );
  });

  test('perspectives: each corner 0 or 1 pixel inward at 28x28 and scale 0.115, with probability 0.4', async () => {
    const options = { height: 28, width: 28, distortionScale: 0.115, p: 0.4 };
    const data = await drawPerspective(drawTensor(12), COUNT, options).data();
    const key = (matrix: readonly number[]) =>
      matrix.map((value) => value.toFixed(4).replace('-0.0000', '0.0000')).join(' ');
    const seen = Array.from({ length: COUNT }, (_, n) => key(columnsOf(data, 12)(n).slice(0, 9)));
    const shares = new Map<string, number>();
    for (let bits = 0; bits < 256; bits++) {
      const bit = (i: number) => (bits >> i) & 1;
      const matrix = reference.perspectiveMatrix(28, 28, [
        [bit(0), bit(1)],
        [27 - bit(2), bit(3)],
        [27 - bit(4), 27 - bit(5)],
        [bit(6), 27 - bit(7)],
      ]);
      shares.set(key(matrix), 0.4 / 256 + (bits === 0 ? 0.6 : 0));
    }
    expect(shares.size).toBe(256);
    // Where a number lies on the edge of its fourth decimal the key differs: nearest matrix instead.
    const known = [...shares.keys()];
    const numbers = known.map((text) => text.split(' ').map(Number));
    const nearest = new Map<string, string>();
    for (const text of new Set(seen)) {
      const given = text.split(' ').map(Number);
      const distances = numbers.map((other) =>
        Math.max(...other.map((value, i) => Math.abs(value - given[i]))),
      );
      const best = distances.indexOf(Math.min(...distances));
      expect(distances[best], `${text}, ${again}`).toBeLessThan(3e-4);
      nearest.set(text, known[best]);
    }
    expectShares(
      seen.map((text) => nearest.get(text)!),
      shares,
      'corners',
    );
  });

  test.each(['eraser', 'torchvision'] as const)("boxes of the rule '%s'", async (rule) => {
    const [share, ratio] = [
      [0.02, 0.1],
      [0.5, 2],
    ] as const;
    const options = { height: 200, width: 200, rule, p: 0.7, share, ratio, value: [0, 1] } as const;
    const data = await drawBoxes(drawTensor(13), COUNT, options).data();
    const boxes = Array.from({ length: COUNT }, (_, n) => columnsOf(data, 5)(n));
    const drawn = boxes.filter(([, , height]) => height > 0);
    expectShares(
      boxes.map(([, , height]) => +(height > 0)),
      new Map([
        [1, 0.7],
        [0, 0.3],
      ]),
      'box',
    );
    expectUniform(
      boxes.map((box) => box[4]),
      0,
      1,
      'value',
    );
    if (rule === 'torchvision') {
      // A box that fits is never redrawn at these shares and ratios: whole pixels blur the area a little.
      const areas = drawn.map(([, , h, w]) => (h * w) / 40000);
      const mean = areas.reduce((a, b) => a + b) / areas.length;
      expect(Math.abs(mean - 0.06), again).toBeLessThan(0.001);
      const logs = drawn.map(([, , h, w]) => Math.log(h / w));
      const [sum, squares] = [logs.reduce((a, b) => a + b), logs.reduce((a, b) => a + b * b, 0)];
      // Uniform over -ln 2 .. ln 2: mean 0, variance (ln 2)^2 / 3.
      expect(Math.abs(sum / logs.length), again).toBeLessThan(0.016);
      expect(Math.abs(squares / logs.length - Math.LN2 ** 2 / 3), again).toBeLessThan(0.006);
      for (const [axis, size] of [
        [0, 2],
        [1, 3],
      ]) {
        const places = drawn.map((box) => (box[axis] + 0.5) / (200 - box[size] + 1));
        expect(Math.abs(places.reduce((a, b) => a + b) / places.length - 0.5), again).toBeLessThan(0.011);
      }
    } else {
      // All that is drawn together is drawn again until it fits: the joint density is that of share, ratio and place, cut where it
      // doesn't. Held to a simulation of that with other numbers.
      const expected = simulateEraser(drawn.length);
      for (const i of [0, 1, 2, 3]) {
        const [a, b] = [drawn, expected].map((list) => list.map((box) => box[i]));
        const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length;
        const [meanA, meanB] = [mean(a), mean(b)];
        const deviation = Math.sqrt(mean(a.map((value) => (value - meanA) ** 2)));
        expect(Math.abs(meanA - meanB), `number ${i}, ${again}`).toBeLessThan(
          6 * deviation * Math.sqrt(2 / a.length),
        );
      }
    }
  });

  test('draws of other purposes and of the next draw are others', async () => {
    const [a, b, c] = await Promise.all(
      [
        drawUniform(drawTensor(20), 1000, [0, 1], 0),
        drawUniform(drawTensor(20), 1000, [0, 1], 1),
        drawUniform(drawTensor(21), 1000, [0, 1], 0),
      ].map((t) => t.data()),
    );
    expectUncorrelated(Array.from(a), Array.from(b), 'purposes');
    expectUncorrelated(Array.from(a), Array.from(c), 'draws');
  });
});
