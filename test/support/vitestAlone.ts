/** The part of vitest that checks use, where there is no vitest: in a page, and on a machine that has the bundle alone. A failed expectation throws. */
function expectation(actual: unknown, message = '') {
  // JSON alone would make no difference between null and what is no number.
  const show = (value: unknown) =>
    JSON.stringify(value, (_, part) =>
      typeof part === 'number' && !Number.isFinite(part) ? `${part}` : part,
    );
  const check = (holds: boolean, expected: string) => {
    if (!holds) throw new Error(`${message}: expected ${expected}, got ${show(actual)}`);
  };
  return {
    toBe: (expected: unknown) => check(Object.is(actual, expected), show(expected)),
    toEqual: (expected: unknown) => check(show(actual) === show(expected), show(expected)),
    toBeLessThan: (limit: number) => check((actual as number) < limit, `less than ${limit}`),
  };
}

export const expect = Object.assign(expectation, {
  fail(message: string): never {
    throw new Error(message);
  },
});
