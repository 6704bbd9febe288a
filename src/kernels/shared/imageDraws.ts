import { PHILOX_WGSL } from '../../tensor/random.ts';

/*
 * Random numbers for the images of a batch. One draw of a stream serves a whole augmentation: image n of the batch, for a purpose P
 * (what is drawn, 0 to 255), reads its blocks t = 0, 1, 2 ... of four words at the Philox counter
 *   (n, draw of the stream, stream, P * 2^24 + t)
 * so that no purpose knows how many blocks another one used. Block 0 of purpose 0 is `randomBlock(draw, n)`.
 */

/** What one augmentation draws apart from another: 0 .. 255. */
export type Purpose = number;

export const purposeOffset = (purpose: Purpose): number => purpose * 2 ** 24;

/** Uniforms that `IMAGE_DRAWS_WGSL` reads. */
export const imageDrawUniforms = { purpose: 'u32' } as const;

/**
 * WGSL over a binding `draw: vec4u`: `words(image, t)`, the block; `between(low, high, word)`, uniform from low to high;
 * `happens(p, word)`, true with probability p.
 */
export const IMAGE_DRAWS_WGSL = `${PHILOX_WGSL}
fn words(image: u32, t: u32) -> vec4u {
  return philox(vec4u(image, draw[0].x, draw[0].y, u.purpose + t), draw[0].zw);
}
fn unit(word: u32) -> f32 { return f32(word >> 8u) * ${2 ** -24}; }
fn between(low: f32, high: f32, word: u32) -> f32 { return low + (high - low) * unit(word); }
fn happens(p: f32, word: u32) -> bool { return unit(word) >= 1.0 - p; }`;

/** WGSL: a shift by whole pixels, its size uniform over 0 .. range-1, its sign the word's top bit. */
export const SHIFT_WGSL = `
fn shiftOf(word: u32, range: u32) -> i32 {
  let magnitude = i32(word % range);
  return select(magnitude, -magnitude, (word >> 31u) != 0u);
}`;
