import { checkNumber, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { hostTensor, type Tensor } from './tensor.ts';

/*
 * Philox-4x32-10: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A block of four 32-bit words is a
 * pure function of a 128-bit counter and a 64-bit key, so the numbers are the same on every adapter and on the CPU.
 *
 * Counter words of a draw: (block within the draw, draw of the stream, stream, 0). The key is the seed.
 */

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of the 64-bit product. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = Math.imul(aLow, bLow) >>> 0;
  const middle = aHigh * bLow + (low >>> 16);
  const carry = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** Writes the block of four words for a counter and a key into `out` at `at`. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  out: Uint32Array,
  at = 0,
): void {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(MULTIPLIER_0, c0);
    const high1 = mulHigh(MULTIPLIER_1, c2);
    const low0 = Math.imul(MULTIPLIER_0, c0);
    const low1 = Math.imul(MULTIPLIER_1, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** The same function for kernels: `philox(counter, key)`, and `randomBlock(draw, block)` for a draw tensor's four words. */
export const PHILOX_WGSL = `
fn mulHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu; let aHigh = a >> 16u;
  let bLow = b & 0xffffu; let bHigh = b >> 16u;
  let middle = aHigh * bLow + ((aLow * bLow) >> 16u);
  let carry = aLow * bHigh + (middle & 0xffffu);
  return aHigh * bHigh + (middle >> 16u) + (carry >> 16u);
}
fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(mulHigh(${MULTIPLIER_1}u, c.z) ^ c.y ^ k.x, ${MULTIPLIER_1}u * c.z, mulHigh(${MULTIPLIER_0}u, c.x) ^ c.w ^ k.y, ${MULTIPLIER_0}u * c.x);
    k += vec2u(${WEYL_0}u, ${WEYL_1}u);
  }
  return c;
}
fn randomBlock(draw: vec4u, block: u32) -> vec4u { return philox(vec4u(block, draw.x, draw.y, 0u), draw.zw); }
`;

/** The bits of a name (FNV-1a), so that streams are told apart by what they are for. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** @throws WeftError unless it is a whole number from 0 to 2^53 - 1 */
export function checkSeed(owner: string, seed: number): void {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new WeftError(`${owner}: a seed is a whole number from 0 to 2^53 - 1, got ${showValue(seed)}`);
}

/**
 * A stream of random draws: the seed and the name fix every number in it; `position` is all that changes.
 *
 * @example
 * ```ts
 * import { RandomStream } from 'weft-gpu';
 *
 * const stream = new RandomStream(7, 'example');
 * const [first] = stream.uniform(1);
 * console.log(first >= 0 && first < 1, stream.position); // true 1
 * console.log(new RandomStream(7, 'example').uniform(1)[0] === first); // true
 * ```
 */
export class RandomStream {
  /** Draws made so far: saved in checkpoints, set on resume. */
  position = 0;
  private readonly id: number;
  private readonly key: readonly [number, number];

  /** @throws WeftError unless the seed is a whole number from 0 to 2^53 - 1 */
  constructor(
    readonly seed: number,
    readonly name: string,
  ) {
    checkSeed('RandomStream', seed);
    this.id = hashName(name);
    this.key = [seed >>> 0, Math.floor(seed / 2 ** 32)];
  }

  /** The words that a kernel needs for the next draw: (draw, stream, key). */
  private nextWords(): Uint32Array {
    return Uint32Array.of(this.position++, this.id, ...this.key);
  }

  /** The next draw as a tensor of four words for `randomBlock`; a recorded step gets a fresh draw at each replay. */
  drawTensor(): Tensor {
    return hostTensor([4], 'u32', () => this.nextWords());
  }

  /** The next draw on the CPU: `count` random 32-bit words. @throws WeftError unless that is a whole number */
  words(count: number): Uint32Array {
    checkNumber('RandomStream', 'count', count, { from: 0, whole: true });
    const [draw, id, k0, k1] = this.nextWords();
    const out = new Uint32Array(Math.ceil(count / 4) * 4);
    for (let block = 0; block * 4 < count; block++) philox([block, draw, id, 0], [k0, k1], out, block * 4);
    return out.subarray(0, count);
  }

  /** The next draw as `count` numbers from 0 (included) to 1 (excluded), each a multiple of 2^-24. */
  uniform(count: number): Float32Array {
    return Float32Array.from(this.words(count), (word) => (word >>> 8) / 2 ** 24);
  }

  /** The next draw as a random permutation of 0 .. count-1 (Fisher and Yates, as in Knuth, TAOCP 2, 3.4.2, algorithm P). */
  permutation(count: number): Uint32Array {
    const words = this.words(count);
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let last = count - 1; last > 0; last--) {
      // The bias of the scaled product is at most count / 2^32.
      const other = Math.floor((words[last] / 2 ** 32) * (last + 1));
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  }
}
