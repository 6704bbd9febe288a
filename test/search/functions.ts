import { space } from '../../src/search/space.ts';

/* Functions with known minima. */

/** L. C. W. Dixon and G. P. Szegö, 1978; three global minima. */
export const branin = {
  space: { x: space.uniform(-5, 10), y: space.uniform(0, 15) },
  objective({ x, y }: { x: number; y: number }): number {
    const [b, c, t] = [5.1 / (4 * Math.PI ** 2), 5 / Math.PI, 1 / (8 * Math.PI)];
    return (y - b * x ** 2 + c * x - 6) ** 2 + 10 * (1 - t) * Math.cos(x) + 10;
  },
  minimum: 0.397887,
};

/** Over logarithms. */
export const quadratic = {
  space: { learningRate: space.logUniform(1e-5, 1), l2: space.logUniform(1e-6, 1e-1) },
  objective: ({ learningRate, l2 }: { learningRate: number; l2: number }): number =>
    (Math.log10(learningRate) + 2.5) ** 2 + 0.5 * (Math.log10(l2) + 4) ** 2,
  minimum: 0,
};

/** A real number, a whole one and a category. */
export const mixed = {
  space: {
    x: space.uniform(-5, 5),
    units: space.integer(1, 64, { log: true }),
    kind: space.choice(['a', 'b', 'c', 'd']),
  },
  objective: ({ x, units, kind }: { x: number; units: number; kind: 'a' | 'b' | 'c' | 'd' }): number =>
    (x - 1) ** 2 + (Math.log2(units) - 4) ** 2 + { a: 3, b: 0, c: 1, d: 6 }[kind],
  minimum: 0,
};
