/**
 * Does some work and cleans up, however it ended. The first error is the one that is thrown: what goes wrong in a clean-up is often
 * only a consequence of it.
 *
 * @param cleanUps all are done, in order, even if one of them fails
 */
export async function cleaningUp<T>(
  work: () => T | Promise<T>,
  ...cleanUps: readonly (() => unknown)[]
): Promise<T> {
  const errors: unknown[] = [];
  const attempt = async <R>(step: () => R | Promise<R>): Promise<R | undefined> => {
    try {
      return await step();
    } catch (error) {
      errors.push(error);
      return undefined;
    }
  };
  const result = await attempt(work);
  for (const cleanUp of cleanUps) await attempt(cleanUp);
  if (errors.length > 0) throw errors[0];
  return result as T;
}

/** Does some work and, where it fails, takes back what it left. The work's error is the one that is thrown. */
export async function undoing<T>(work: () => Promise<T>, undo: () => unknown): Promise<T> {
  try {
    return await work();
  } catch (error) {
    try {
      await undo();
    } catch {}
    throw error;
  }
}
