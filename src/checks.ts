import { WeftError } from './errors.ts';
import { nearestName } from './nearestName.ts';

/** Which numbers an option takes. All must be finite, but for Infinity where it is the upper bound: `to: Infinity`. */
export interface NumberRange {
  /** The least. */
  readonly from?: number;
  /** All are greater. */
  readonly above?: number;
  /** The greatest. */
  readonly to?: number;
  /** All are less. */
  readonly below?: number;
  /** Whole numbers only. */
  readonly whole?: boolean;
}

/** Characters of a text that errors show. */
const SHOWN = 40;

/** A value as errors show it: short, on one line, without control codes. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return `'${printable(cut(value))}'`;
  if (typeof value === 'object' && value !== null) return showObject(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === undefined || value === null)
    return String(value);
  return `a ${typeof value}`;
}

const cut = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

/** Elements of an array, or names in an object, that errors show. */
const SHOWN_PARTS = 6;

function showObject(value: object): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return 'an empty array';
    if (
      value.length > SHOWN_PARTS ||
      value.some((element) => typeof element === 'object' && element !== null)
    )
      return `an array of ${value.length}`;
    return `[${value.map(showValue).join(', ')}]`;
  }
  if (ArrayBuffer.isView(value))
    return `${kindOf(value)} of ${(value as Uint8Array).length ?? value.byteLength}`;
  if ('then' in value && typeof value.then === 'function') return 'a promise (is an await missing?)';
  if ('dtype' in value && 'shape' in value) return `a tensor ${showValue(value.shape)}`;
  const names = Object.keys(value);
  const kind = kindOf(value);
  if (kind !== 'an object' || names.length === 0) return kind;
  const shown = names.slice(0, SHOWN_PARTS).map((name) => printable(cut(name)));
  return `an object { ${[...shown, ...(names.length > SHOWN_PARTS ? ['…'] : [])].join(', ')} }`;
}

/** By its class: `a Uint8Array`. */
function kindOf(value: object): string {
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  if (typeof name !== 'string' || name === 'Object') return 'an object';
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${printable(cut(name))}`;
}

/** A text on one line, without what steers a terminal, turns the direction of what follows or can't be seen: that by its number. */
export const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '\n' ? '\\n' : `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );

function showRange({ from, above, to, below, whole }: NumberRange): string {
  const kind = whole ? 'a whole number' : 'a number';
  const end = below !== undefined ? `below ${below}` : to !== undefined ? `${to}` : undefined;
  if (from !== undefined)
    return end === undefined ? `${kind} of at least ${from}` : `${kind} from ${from} to ${end}`;
  if (above !== undefined)
    return `${kind} above ${above}${end === undefined ? '' : ` and ${below !== undefined ? end : `up to ${end}`}`}`;
  if (end !== undefined) return below !== undefined ? `${kind} ${end}` : `${kind} of at most ${end}`;
  return whole ? kind : 'a finite number';
}

function lies(value: number, { from, above, to, below, whole }: NumberRange): boolean {
  const isWhole = Number.isInteger(value) || value === Number.POSITIVE_INFINITY;
  return (
    (Number.isFinite(value) || (value === Number.POSITIVE_INFINITY && to === value)) &&
    (!whole || isWhole) &&
    !(from !== undefined && value < from) &&
    !(above !== undefined && value <= above) &&
    !(to !== undefined && value > to) &&
    !(below !== undefined && value >= below)
  );
}

/**
 * Checks a number that somebody chose: `checkNumber('Adam', 'beta1', beta1, { from: 0, below: 1 })`.
 * @param owner what takes it, as its user writes it
 * @returns the number
 * @throws WeftError unless it is a number in the range
 */
export function checkNumber(owner: string, name: string, value: unknown, range: NumberRange = {}): number {
  if (typeof value === 'number' && lies(value, range)) return value;
  throw new WeftError(`${owner}: ${name} must be ${showRange(range)}, got ${showValue(value)}`);
}

/**
 * Checks a word that somebody chose: `checkOneOf('Adam', 'form', form, ['keras', 'pytorch'])`.
 * @param owner what takes it, as its user writes it
 * @returns the word
 * @throws WeftError unless it is one of those
 */
export function checkOneOf<T extends string>(
  owner: string,
  name: string,
  value: unknown,
  words: readonly T[],
): T {
  if (words.includes(value as T)) return value as T;
  const known = words.map((word) => `'${word}'`);
  const list =
    known.length === 1 ? known[0] : `${known.slice(0, -1).join(', ')} or ${known[known.length - 1]}`;
  throw new WeftError(`${owner}: ${name} must be ${list}, got ${showValue(value)}${nearestTo(value, words)}`);
}

/** `; the nearest is 'heNormal'`, where one of the words is much like the value. */
function nearestTo(value: unknown, words: readonly string[]): string {
  const found = typeof value === 'string' ? nearestName(value, words) : undefined;
  return found === undefined ? '' : `; the nearest is '${found}'`;
}

/**
 * Checks that options are an object: `checkOptions('sum', options, '{ axes: 0 }')`. What is in it is checked by itself.
 * @param example as somebody may write them
 * @returns the options
 * @throws WeftError
 */
export function checkOptions<T extends object>(owner: string, options: T, example: string): T {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return options;
  throw new WeftError(`${owner}: its options must be an object, as ${example}, got ${showValue(options)}`);
}

/**
 * Checks a choice of yes or no: `checkBoolean('dense', 'useBias', useBias)`.
 * @throws WeftError
 */
export function checkBoolean(owner: string, name: string, value: unknown): void {
  if (typeof value !== 'boolean')
    throw new WeftError(`${owner}: ${name} must be true or false, got ${showValue(value)}`);
}

/**
 * Checks a number that may differ for rows and columns: `checkPair('conv2d', 'kernelSize', [3, 5], { from: 1, whole: true })`.
 * @throws WeftError unless it is a number in the range, or two of them
 */
export function checkPair(owner: string, name: string, value: unknown, range: NumberRange = {}): void {
  if (!Array.isArray(value)) checkNumber(owner, name, value, range);
  else if (value.length !== 2)
    throw new WeftError(`${owner}: ${name} must be one number or [rows, columns], got ${showValue(value)}`);
  else for (const side of value) checkNumber(owner, `each of ${name}`, side, range);
}

/**
 * Checks a function that somebody gave: `checkFunction('fit', 'loss', loss)`.
 * @param example as somebody may write it
 * @throws WeftError
 */
export function checkFunction(owner: string, name: string, value: unknown, example: string): void {
  if (typeof value !== 'function')
    throw new WeftError(`${owner}: ${name} must be a function, as ${example}, got ${showValue(value)}`);
}

/**
 * Checks what should be the contents of a file.
 * @param what what they are, for a message: 'a safetensors file'
 * @throws WeftError unless it is a Uint8Array
 */
export function checkBytes(what: string, bytes: unknown): void {
  // By its tag: arrays of another window or thread are no instances here.
  if (Object.prototype.toString.call(bytes) === '[object Uint8Array]') return;
  const hint = bytes instanceof ArrayBuffer ? ': new Uint8Array(buffer)' : '';
  throw new WeftError(`${what} must be given as its bytes, a Uint8Array, got ${showValue(bytes)}${hint}`);
}
