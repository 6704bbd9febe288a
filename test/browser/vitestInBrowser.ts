/** The part of vitest that the samples use, for a page: a failed expectation throws. */
function expectation(actual: unknown, message = '') {
  const show = (value: unknown) => JSON.stringify(value);
  const check = (equal: boolean, expected: unknown) => {
    if (!equal) throw new Error(`${message}: expected ${show(expected)}, got ${show(actual)}`);
  };
  return {
    toBe: (expected: unknown) => check(Object.is(actual, expected), expected),
    toEqual: (expected: unknown) => check(show(actual) === show(expected), expected),
  };
}

export const expect = Object.assign(expectation, {
  fail(message: string): never {
    throw new Error(message);
  },
});
