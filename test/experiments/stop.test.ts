import { afterEach, expect, it, vi } from 'vitest';
import { Stopped, StopSignal } from '../../src/experiments/stop.ts';

let stop: StopSignal | undefined;
afterEach(() => {
  stop?.dispose();
  vi.restoreAllMocks();
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGPIPE', 141],
] as const)('%s asks work to end', (signal, exitCode) => {
  let told = 0;
  stop = new StopSignal(undefined, () => told++);
  expect(stop.asked).toBeUndefined();
  process.emit(signal);
  expect(stop.asked).toEqual(new Stopped(`stopped by ${signal}`, exitCode));
  expect(() => stop!.check()).toThrow(Stopped);
  expect(told).toBe(1);
  stop.dispose();
  expect(process.listenerCount(signal)).toBe(0);
});

it('ends at once when asked again, but by a closed pipe, which asks with every line', () => {
  const exit = vi.spyOn(process, 'exit').mockImplementation(() => undefined as never);
  stop = new StopSignal(undefined, () => {});
  for (let line = 0; line < 3; line++) process.emit('SIGPIPE');
  expect(exit).not.toHaveBeenCalled();
  process.emit('SIGINT');
  expect(exit).toHaveBeenCalledWith(130);
});
