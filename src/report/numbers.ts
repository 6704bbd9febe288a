/** A number with three digits that count, and none of them in an exponent: 3.22, 985, 1,110, 4,980. */
export const threeDigits = (value: number): string =>
  value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
