import { describe, expect, it } from 'vitest';
import {
  checkFunction,
  checkNumber,
  checkOneOf,
  checkOptions,
  type NumberRange,
  showValue,
} from '../src/checks.ts';
import { nearestName } from '../src/nearestName.ts';

describe('checkNumber', () => {
  const cases: [
    range: NumberRange,
    words: string,
    right: unknown[],
    wrong: [value: unknown, shown: string][],
  ][] = [
    [
      {},
      'a finite number',
      [0, -1, 1e300],
      [
        [Number.NaN, 'NaN'],
        [Infinity, 'Infinity'],
        ['1', "'1'"],
      ],
    ],
    [
      { whole: true },
      'a whole number',
      [0, -1],
      [
        [0.5, '0.5'],
        [Infinity, 'Infinity'],
      ],
    ],
    [
      { from: 0 },
      'a number of at least 0',
      [0, 1e9],
      [
        [-1, '-1'],
        [Infinity, 'Infinity'],
        [null, 'null'],
      ],
    ],
    [
      { from: 0, below: 1 },
      'a number from 0 to below 1',
      [0, 0.999],
      [
        [1, '1'],
        [Number.NaN, 'NaN'],
      ],
    ],
    [
      { from: 0, to: 1 },
      'a number from 0 to 1',
      [0, 1],
      [
        [1.1, '1.1'],
        [() => 1, 'a function'],
      ],
    ],
    [
      { from: 1, to: Infinity, whole: true },
      'a whole number from 1 to Infinity',
      [1, Infinity],
      [
        [0, '0'],
        [1.5, '1.5'],
        [-Infinity, '-Infinity'],
      ],
    ],
    [
      { above: 0 },
      'a number above 0',
      [1e-9],
      [
        [0, '0'],
        [undefined, 'undefined'],
        [1n, 'a bigint'],
      ],
    ],
    [
      { above: 0, below: 2 },
      'a number above 0 and below 2',
      [1],
      [
        [2, '2'],
        [{}, 'an object'],
      ],
    ],
    [
      { above: 0, to: 2 },
      'a number above 0 and up to 2',
      [2],
      [
        [0, '0'],
        [[1], '\\[1\\]'],
      ],
    ],
    [
      { to: 2 },
      'a number of at most 2',
      [2, -5],
      [
        [3, '3'],
        [true, 'true'],
      ],
    ],
    [
      { below: 2 },
      'a number below 2',
      [-5],
      [
        [2, '2'],
        [Symbol('s'), 'a symbol'],
      ],
    ],
  ];
  it.each(cases)('takes the numbers of %j alone: %s', (range, words, right, wrong) => {
    for (const value of right) expect(checkNumber('Adam', 'beta1', value, range)).toBe(value);
    for (const [value, shown] of wrong)
      expect(() => checkNumber('Adam', 'beta1', value, range)).toThrow(
        new RegExp(`^Adam: beta1 must be ${words}, got ${shown.replace(/[()]/g, '.')}$`),
      );
  });
});

describe('checkOneOf', () => {
  it('takes the words alone, and shows others on one line without control codes', () => {
    const words = ['keras', 'pytorch'] as const;
    expect(checkOneOf('Adam', 'form', 'pytorch', words)).toBe('pytorch');
    for (const [value, shown] of [
      ['torch', "'torch'"],
      ['a "b"\n\x1b[31m', `'a "b"\\n\\u001b[31m'`],
      ['x'.repeat(500), `'${'x'.repeat(40)}…'`],
      [undefined, 'undefined'],
    ] as const)
      expect(() => checkOneOf('Adam', 'form', value, words)).toThrow(
        `Adam: form must be 'keras' or 'pytorch', got ${shown}`,
      );
  });
});

describe('showValue', () => {
  it.each<[unknown, string]>([
    [[1, null, 'a'], "[1, null, 'a']"],
    [[Number.NaN, undefined], '[NaN, undefined]'],
    [[[1]], 'an array of 1'],
    [new Array(7).fill(0), 'an array of 7'],
    [new Float32Array(64), 'a Float32Array of 64'],
    [new Int8Array(1), 'an Int8Array of 1'],
    [new Uint8Array(1), 'a Uint8Array of 1'],
    [new BigInt64Array(2), 'a BigInt64Array of 2'],
    [new DataView(new ArrayBuffer(8)), 'a DataView of 8'],
    [new ArrayBuffer(8), 'an ArrayBuffer'],
    [Promise.resolve(1), 'a promise (is an await missing?)'],
    [{ shape: [2, 3], dtype: 'f32' }, 'a tensor [2, 3]'],
    [{ padding: 'same' }, 'an object { padding }'],
    [{ a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 }, 'an object { a, b, c, d, e, f, … }'],
    [{ '\x1b[31m': 1 }, 'an object { \\u001b[31m }'],
    [{}, 'an object'],
    [new Map(), 'a Map'],
    [Object.create(null), 'an object'],
  ])('of %s is short', (value, shown) => expect(showValue(value)).toBe(shown));
});

describe('checkOptions, checkFunction', () => {
  it('refuse what is neither, and say how it may look', () => {
    const options = { axes: 0 };
    expect(checkOptions('sum', options, '{ axes: 0 }')).toBe(options);
    for (const wrong of [0, 'mean', null, [0]])
      expect(() => checkOptions('sum', wrong as never, '{ axes: 0 }')).toThrow(
        `sum: its options must be an object, as { axes: 0 }, got ${showValue(wrong)}`,
      );
    checkFunction('fit', 'loss', () => 1, '() => 1');
    expect(() => checkFunction('fit', 'loss', 'mse', '(output, labels) => …')).toThrow(
      "fit: loss must be a function, as (output, labels) => …, got 'mse'",
    );
  });
});

describe('nearestName', () => {
  const initializers = ['zeros', 'ones', 'glorotUniform', 'heUniform', 'heNormal', 'lecunNormal'];
  it.each<[string, readonly string[], string | undefined]>([
    ['he_normal', initializers, 'heNormal'],
    ['HeNormal', initializers, 'heNormal'],
    ['heNormla', initializers, 'heNormal'],
    ['zero', initializers, 'zeros'],
    ['xavier', initializers, undefined],
    ['float32', ['f32', 'i32', 'u32'], 'f32'],
    ['int32', ['f32', 'i32', 'u32'], 'i32'],
    ['uint32', ['f32', 'i32', 'u32'], 'u32'],
    ['lr', ['learningRate', 'beta1'], 'learningRate'],
    ['learning_rate', ['learningRate', 'beta1'], 'learningRate'],
    ['verbose', ['epochs', 'callbacks'], undefined],
    ['', ['epochs'], undefined],
    ['x'.repeat(1e6), ['epochs'], undefined],
  ])('of %.20s', (given, names, nearest) => expect(nearestName(given, names)).toBe(nearest));

  it('is part of what checkOneOf says', () => {
    expect(() => checkOneOf('dense', 'kernelInitializer', 'he_normal', ['zeros', 'heNormal'])).toThrow(
      "dense: kernelInitializer must be 'zeros' or 'heNormal', got 'he_normal'; the nearest is 'heNormal'",
    );
  });
});
