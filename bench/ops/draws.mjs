/*
 * Drawings: each makes so many values of numbers from 0 to 1, which `next` gives.
 */

export const between = (low, high) => (count, next) =>
  Float32Array.from({ length: count }, () => low + (high - low) * next());

/** Whole numbers. */
export const below = (limit) => (count, next) =>
  Int32Array.from({ length: count }, () => Math.floor(limit * next()));

/** No two alike, from -1 to 1: where maxima tie, libraries differ in who takes the gradient. */
export function distinct(count, next) {
  const values = Float32Array.from({ length: count }, (_, i) => (2 * i) / count - 1);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * next());
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values;
}

/** Affine maps as `warpImages` takes them, each near the one that leaves its image as it is, without flips. */
export function transforms(count, next) {
  const [turn, shift] = [0.2, 3];
  const near = (value, most) => value + most * (2 * next() - 1);
  const map = () => [
    ...[near(1, turn), near(0, turn), near(0, shift)],
    ...[near(0, turn), near(1, turn), near(0, shift)],
    ...[0, 0, 1],
    ...[0, 0, 0],
  ];
  return Float32Array.from(Array.from({ length: count / 12 }, map).flat());
}
