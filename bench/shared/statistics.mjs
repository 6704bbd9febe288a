/** The middle value; of an even number of values, the mean of the two in the middle. */
export const median = (values) => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Several measurements of one thing. */
export const spreadOf = (all) => ({ median: median(all), min: Math.min(...all), max: Math.max(...all), all });

/** The largest difference of two lists of values, as a share of the largest wanted value. */
export function difference(found, wanted) {
  if (found.length !== wanted.length)
    throw new Error(`one side gives ${found.length} values, the other ${wanted.length}`);
  let [largest, worst] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    largest = Math.max(largest, Math.abs(wanted[i]));
    // Not Math.max: a NaN must count.
    const off = Math.abs(found[i] - wanted[i]);
    if (!(off <= worst)) worst = off;
  }
  return worst / largest;
}
