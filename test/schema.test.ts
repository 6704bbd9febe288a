import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { WeftError } from '../src/errors.ts';
import { check, dictionary, finiteNumber, object, parseJson, wholeNumber } from '../src/schema.ts';

const manifest = object({
  name: v.string(),
  epochs: wholeNumber({ min: 1 }),
  history: v.array(object({ loss: finiteNumber })),
  optimizer: v.optional(v.picklist(['sgd', 'adam'])),
  streams: v.optional(dictionary(wholeNumber())),
});

const good = { name: 'a', epochs: 3, history: [{ loss: 0.5 }] };
const parse = (text: string) => parseJson('runs/1/manifest.json', text, manifest);
const withChanges = (changes: object) => JSON.stringify({ ...good, ...changes });

describe('parseJson', () => {
  it('gives what the schema describes, and nothing else', () => {
    expect(parse(withChanges({ more: 1 }))).toEqual(good);
  });

  const cases: [what: string, text: string, message: string][] = [
    ['no JSON', '{"a', 'damaged JSON: '],
    ['another kind', '[]', 'expected an object, got an empty array'],
    ['null', 'null', 'expected an object, got null'],
    ['a key that is missing', '{"name":"a"}', 'epochs is missing'],
    ['a text for a number', withChanges({ epochs: '3' }), "epochs must be a whole number from 1, got '3'"],
    ['a number out of range', withChanges({ epochs: 0 }), 'epochs must be a whole number from 1, got 0'],
    ['a fraction', withChanges({ epochs: 1.5 }), 'epochs must be a whole number from 1, got 1.5'],
    [
      'infinity',
      '{"name":"a","epochs":1,"history":[{"loss":1e999}]}',
      'history[0].loss must be a finite number, got Infinity',
    ],
    [
      'a place in a list',
      withChanges({ history: [{ loss: 1 }, null] }),
      'history[1] must be an object, got null',
    ],
    ['an object for a list', withChanges({ history: {} }), 'history must be an array, got an object'],
    [
      'a name for another',
      withChanges({ optimizer: 'constructor' }),
      "optimizer must be 'sgd' or 'adam', got 'constructor'",
    ],
    [
      'a key of a dictionary',
      withChanges({ streams: { 'a b': -1 } }),
      "streams['a b'] must be a whole number from 0, got -1",
    ],
    [
      'control codes',
      withChanges({ epochs: '\u001b[2J\u009b\u202e\n' }),
      "epochs must be a whole number from 1, got '\\u001b[2J\\u009b\\u202e\\n'",
    ],
    [
      'a long text',
      withChanges({ epochs: 'x'.repeat(1e5) }),
      `epochs must be a whole number from 1, got '${'x'.repeat(40)}…'`,
    ],
  ];
  it.each(cases)('says in one line what is wrong with %s', (_, text, message) => {
    const thrown = (() => {
      try {
        return parse(text);
      } catch (error) {
        return error as Error;
      }
    })();
    expect(thrown).toBeInstanceOf(WeftError);
    expect((thrown as Error).message).toContain(`runs/1/manifest.json: ${message}`);
    expect((thrown as Error).message).not.toContain('\n');
  });

  it('refuses what would fill the stack or the memory, before it is parsed', () => {
    const deep = '['.repeat(5e6) + ']'.repeat(5e6);
    expect(() => parse(deep)).toThrow(/5000000 objects and arrays, 5000000 within one another/);
    expect(() => parse(`[${'{},'.repeat(2 ** 20)}{}]`)).toThrow(/1048578 objects and arrays/);
    expect(() => parse(' '.repeat(2 ** 26 + 1))).toThrow(/67108865 characters; at most 67108864/);
    expect(() => parse('{"name":"a","epochs":1,"\\u0065pochs":2}')).toThrow(
      "manifest.json has 'epochs' twice",
    );
    expect(() => parse(withChanges({ history: [{ loss: 1 }] }).replace('"loss"', '"loss":2,"loss"'))).toThrow(
      /'loss' twice/,
    );
    // Brackets and colons in texts are none.
    expect(parse(withChanges({ name: '\\"[[:'.repeat(1e6) })).epochs).toBe(3);
  });
});

describe('a dictionary', () => {
  it('takes every key as a key alone', () => {
    const keys = ['__proto__', 'constructor', 'prototype', 'toString', ''];
    const text = `{${keys.map((key, i) => `"${key}":${i}`).join(',')}}`;
    const read = parseJson('x', text, dictionary(wholeNumber()));
    expect(Object.entries(read)).toEqual(keys.map((key, i) => [key, i]));
    expect(read.hasOwnProperty).toBeUndefined();
    expect(() => parseJson('x', '{"__proto__":{}}', dictionary(wholeNumber()))).toThrow(
      'x: __proto__ must be a whole number from 0, got an object',
    );
  });

  it('may hold others', () => {
    const schema = dictionary(object({ sizes: v.array(wholeNumber()) }));
    expect(() => check('x', { a: { sizes: [1, 'b'] } }, schema)).toThrow(
      "x: a.sizes[1] must be a whole number from 0, got 'b'",
    );
  });
});
