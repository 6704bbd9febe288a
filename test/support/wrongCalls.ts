import { expect } from 'vitest';
import { WeftError } from '../../src/errors.ts';

/** What plain JavaScript lets through, and what the error says that it gets. */
export type WrongCall = readonly [message: string, call: () => unknown];

/** A value as if it were of the type that is asked for. */
export const any = <T>(value: unknown): T => value as T;

/** For `it.each`, whose first `%s` is then the message. */
export const named = (calls: readonly WrongCall[]) => calls.map((call) => [call[0], call] as const);

/** Calls, and expects one error of this library with the whole message. */
export async function expectError([message, call]: WrongCall): Promise<void> {
  const error = await (async () => call())().then(
    () => new Error('accepted'),
    (thrown: Error) => thrown,
  );
  expect(error.message).toBe(message);
  expect(error).toBeInstanceOf(WeftError);
}
