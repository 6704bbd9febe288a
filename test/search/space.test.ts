import { describe, expect, it } from 'vitest';
import { Axis } from '../../src/search/axis.ts';
import { Draws } from '../../src/search/draws.ts';
import { drawPoint } from '../../src/search/random.ts';
import { checkSpace, type Dimension, space } from '../../src/search/space.ts';

const { uniform, logUniform, integer, choice } = space;

describe('a space', () => {
  const dimensions = {
    uniform: uniform(-3, 5),
    tiny: uniform(1e6, 1e6 + 1),
    log: logUniform(1e-6, 10),
    integer: integer(-2, 3),
    logInteger: integer(1, 100, { log: true }),
    fixed: integer(7, 7),
  };

  it('is plain data', () => {
    const all = { ...dimensions, choice: choice([32, 'a', true]) };
    expect(JSON.parse(JSON.stringify(all))).toEqual(all);
  });

  it.each(Object.entries(dimensions))('keeps to its bounds: %s', (_, dimension) => {
    const axis = new Axis(dimension);
    const draws = new Draws(1, 'test');
    const ends = [axis.valueAt(0), axis.valueAt(1)];
    expect(ends).toEqual([dimension.low, dimension.high]);
    for (let i = 0; i < 200; i++) {
      const value = axis.valueAt(draws.uniform());
      expect(value).toBeGreaterThanOrEqual(dimension.low);
      expect(value).toBeLessThanOrEqual(dimension.high);
      // A value's own place gives it again.
      expect(axis.valueAt(axis.unitOf(value))).toBe(value);
      const cell = axis.cellOf(value);
      if (cell) expect(axis.unitOf(value)).toSatisfy((unit: number) => unit > cell[0] && unit < cell[1]);
    }
  });

  it('draws integers equally often, or by their logarithm', () => {
    const counts = (dimension: Dimension) => {
      const [draws, counts] = [new Draws(3, 'test'), new Map<unknown, number>()];
      for (let i = 0; i < 6000; i++) {
        const { n } = drawPoint({ n: dimension }, draws);
        counts.set(n, (counts.get(n) ?? 0) + 1);
      }
      return counts;
    };
    const even = counts(integer(1, 6));
    expect([...even.keys()].sort()).toEqual([1, 2, 3, 4, 5, 6]);
    for (const count of even.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
    const log = counts(integer(1, 3, { log: true }));
    // The logarithms of 0.5, 1.5, 2.5 and 3.5 bound the cells.
    const share = (from: number, to: number) => Math.log(to / from) / Math.log(7);
    for (const n of [1, 2, 3])
      expect(Math.abs(log.get(n)! / 6000 - share(n - 0.5, n + 0.5))).toBeLessThan(0.03);
  });

  it('draws as many values of each decade of a logarithmic range', () => {
    const draws = new Draws(2, 'test');
    const values = Array.from(
      { length: 4000 },
      () => drawPoint({ x: logUniform(1e-4, 1) }, draws).x as number,
    );
    for (const decade of [-4, -3, -2, -1]) {
      const inside = values.filter((value) => Math.floor(Math.log10(value)) === decade).length;
      expect(Math.abs(inside - 1000)).toBeLessThan(150);
    }
  });

  it('gives numbers with no more digits than its range needs', () => {
    expect(new Axis(logUniform(1e-4, 1e-2)).valueAt(1 / 3)).toBe(0.0004642);
    expect(new Axis(uniform(0, 1)).valueAt(1 / 3)).toBe(0.3333);
    expect(new Axis(uniform(1e6, 1e6 + 1)).valueAt(1 / 3)).toBe(1000000.3333);
    expect(new Axis(uniform(-1, 1)).valueAt(0.5)).toBe(0);
  });

  it('spreads values of a grid evenly on its scale', () => {
    expect(new Axis(uniform(0, 0.5)).spread(6)).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5]);
    expect(new Axis(logUniform(1e-4, 1e-2)).spread(3)).toEqual([1e-4, 1e-3, 1e-2]);
    expect(new Axis(integer(64, 512, { log: true })).spread(4)).toEqual([64, 128, 256, 512]);
    // Rounded to the same whole number, a value is there once.
    expect(new Axis(integer(1, 3)).spread(5)).toEqual([1, 2, 3]);
  });

  const bad: [string, unknown, RegExp][] = [
    ['nothing at all', undefined, /^search: parameter 'x': of unknown kind undefined; known: uniform, /],
    [
      'an unknown kind',
      { kind: 'normal', low: 0, high: 1 },
      /of unknown kind "normal"; known: uniform, logUni/,
    ],
    ['bounds the wrong way round', uniform(1, 0), /low must be less than high, got 1 and 0/],
    ['no range', uniform(1, 1), /low must be less than high, got 1 and 1/],
    ['a bound that is no number', uniform(0, Number.NaN), /its bounds must be numbers, got 0 and NaN/],
    ['a text as a bound', { kind: 'uniform', low: '0', high: 1 }, /its bounds must be numbers, got 0 and 1/],
    ['a logarithm of 0', logUniform(0, 1), /low end of a logarithmic range must be above 0, got 0/],
    ['half an integer', integer(0.5, 2), /bounds of integers must be whole numbers, got 0.5 and 2/],
    ['a logarithm of integer 0', integer(0, 2, { log: true }), /must be at least 1, got 0/],
    ['one step', uniform(0, 1, { steps: 1 }), /steps must be a whole number from 2 on, got 1/],
    ['an empty choice', choice([]), /a choice needs at least one value/],
    ['a choice of an object', { kind: 'choice', values: [1, { a: 1 }] }, /texts and booleans, got {"a":1}/],
    ['a value twice', choice([1, 2, 1]), /a choice names a value twice/],
  ];
  it.each(bad)('refuses %s', (_, dimension, message) => {
    expect(() => checkSpace({ ok: uniform(0, 1), x: dimension as Dimension })).toThrow(message);
  });

  it('refuses to be empty', () => {
    expect(() => checkSpace({})).toThrow('search: the space has no parameter');
  });
});
