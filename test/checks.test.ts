import { describe, expect, it } from 'vitest';
import { checkNumber, checkOneOf, type NumberRange } from '../src/checks.ts';

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
        [[1], 'an array'],
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
