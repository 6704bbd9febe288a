import * as v from 'valibot';
import { printable, showValue } from './checks.ts';
import { WeftError } from './errors.ts';

/*
 * Data from a file is a stranger's: it is taken only as far as a schema describes it. A schema is made of valibot's parts, of
 * `dictionary` in the place of its `record` (which drops keys such as 'constructor') and of `object` in the place of its own (which
 * takes arrays). A part's message says what is expected: `v.string('a name')`.
 */

/** What a schema makes of a value. */
export type Schema<T> = v.GenericSchema<unknown, T>;

/** How much JSON is read. */
export interface JsonLimits {
  /** Characters of the text. Default 2^26. */
  readonly maxCharacters?: number;
  /** Objects and arrays in it, which take 20 times its memory where they are empty. Default 2^20, some 100 MB. */
  readonly maxContainers?: number;
}

/** Objects and arrays within one another: what walks through them, calls itself. */
const MAX_DEPTH = 100;

/**
 * A value that a JSON text holds, as a schema has it.
 *
 * @param what what error messages call the text: a file's path
 * @throws WeftError in one line: the text, the place in it, what was expected there and what there is; for a text over the limits
 * before it is parsed, and for one that has a key of an object twice, of which parsers take the last without a word
 */
export function parseJson<T>(what: string, text: string, schema: Schema<T>, limits: JsonLimits = {}): T {
  const { maxCharacters = 2 ** 26, maxContainers = 2 ** 20 } = limits;
  if (text.length > maxCharacters)
    throw new WeftError(
      `${what}: a JSON text of ${text.length} characters; at most ${maxCharacters} are read`,
    );
  const { depth, containers, repeated } = survey(text);
  if (depth > MAX_DEPTH || containers > maxContainers)
    throw new WeftError(
      `${what}: a JSON text of ${containers} objects and arrays, ${depth} within one another; at most ${maxContainers} and ${MAX_DEPTH} are read`,
    );
  if (repeated !== undefined) throw new WeftError(`${what} has ${showValue(repeated)} twice`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new WeftError(`${what}: damaged JSON: ${printable((error as Error).message)}`, { cause: error });
  }
  return check(what, value, schema);
}

/**
 * A value as a schema has it.
 *
 * @param what what error messages call the value
 * @throws WeftError in one line: the place in the value, what was expected there and what there is
 */
export function check<T>(what: string, value: unknown, schema: Schema<T>): T {
  const { success, output, issues } = v.safeParse(schema, value, { abortEarly: true });
  if (success) return output;
  throw new WeftError(`${what}: ${describe(issues[0])}`);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

const anyObject = v.custom<Record<string, unknown>>(isObject, 'an object');

/** An object of these entries; what else it has is left out. */
export const object = <const E extends v.ObjectEntries>(entries: E) => v.pipe(anyObject, v.object(entries));

/** An object of any keys, `__proto__` included, with values of one kind. It inherits nothing. */
export const dictionary = <T>(values: Schema<T>): Schema<Record<string, T>> =>
  v.pipe(
    anyObject,
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const input = dataset.value;
      const result: Record<string, T> = Object.create(null);
      for (const [key, value] of Object.entries(input)) {
        const { success, output, issues } = v.safeParse(values, value, { abortEarly: true });
        if (!success) {
          const { message, expected, received, path = [] } = issues[0];
          addIssue({
            message,
            expected: expected ?? undefined,
            received,
            input: issues[0].input,
            path: [{ type: 'object', origin: 'value', input, key, value }, ...path],
          });
          return NEVER;
        }
        result[key] = output;
      }
      return result;
    }),
  );

/** A whole number. */
export const wholeNumber = ({ min = 0, max = Number.MAX_SAFE_INTEGER } = {}) => {
  const expected = `a whole number from ${min}${max === Number.MAX_SAFE_INTEGER ? '' : ` to ${max}`}`;
  return v.pipe(
    v.number(expected),
    v.safeInteger(expected),
    v.minValue(min, expected),
    v.maxValue(max, expected),
  );
};

/** Neither infinite nor NaN. */
export const finiteNumber = v.pipe(v.number('a finite number'), v.finite('a finite number'));

const WORDS: Readonly<Record<string, string>> = {
  Array: 'an array',
  Object: 'an object',
  boolean: 'true or false',
  number: 'a number',
  string: 'a text',
  null: 'null',
  undefined: 'nothing',
};

function describe({ message, expected, input, type, ...issue }: v.BaseIssue<unknown>): string {
  const path: readonly v.IssuePathItem[] = issue.path ?? [];
  const place = path.map(({ key }, i) => step(key, i === 0)).join('');
  const last = path.at(-1);
  if (last?.origin === 'key' && type !== 'record' && input === undefined) return `${place} is missing`;
  const words = message.startsWith('Invalid ')
    ? (expected ?? 'another value')
        .replace(/^\((.*)\)$/, '$1')
        .replace(/(?<!")\b(Array|Object|boolean|number|string)\b(?!")/g, (word) => WORDS[word])
        .replaceAll(' | ', ' or ')
        .replaceAll('"', "'")
    : message;
  return `${place ? `${place} must be` : 'expected'} ${words}, got ${showValue(input)}`;
}

const step = (key: unknown, isFirst: boolean): string => {
  if (typeof key === 'number') return `[${key}]`;
  const name = String(key);
  return /^[A-Za-z_]\w{0,40}$/.test(name) ? `${isFirst ? '' : '.'}${name}` : `[${showValue(name)}]`;
};

const [QUOTE, BACKSLASH, COLON, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [...'"\\:[]{}'].map(
  (c) => c.charCodeAt(0),
);

interface Survey {
  readonly depth: number;
  readonly containers: number;
  /** A key that an object has twice. */
  readonly repeated?: string;
}

/** How many objects and arrays a JSON text has, how many within one another at most, and whether keys repeat. Of other texts, anything. */
function survey(text: string): Survey {
  let [depth, containers] = [0, 0];
  let repeated: string | undefined;
  /** The keys of the objects that are open, as they are written; of arrays, and without keys, none. */
  const open: (Set<string> | undefined)[] = [];
  /** Where the last text begins and ends, with its quotes. */
  let [begin, end] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) {
      begin = i;
      for (i++; i < text.length && text.charCodeAt(i) !== QUOTE; i++)
        if (text.charCodeAt(i) === BACKSLASH) i++;
      end = i + 1;
    } else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      containers++;
      depth = Math.max(depth, open.push(undefined));
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) open.pop();
    else if (code === COLON && open.length > 0 && depth <= MAX_DEPTH) {
      const key = unescaped(text.slice(begin, end));
      open[open.length - 1] ??= new Set();
      const keys = open[open.length - 1]!;
      if (keys.has(key)) repeated ??= key;
      keys.add(key);
    }
  }
  return { depth, containers, repeated };
}

function unescaped(text: string): string {
  if (!text.includes('\\')) return text.slice(1, -1);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
