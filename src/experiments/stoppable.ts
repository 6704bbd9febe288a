import type { Console } from './console.ts';
import { close } from './session.ts';
import { Stopped, StopSignal } from './stop.ts';

/**
 * Does a command's work, which opens a GPU where it needs one. Ctrl-C and SIGTERM end it at the next `stop.check()`; however it ends,
 * progress is taken away and the GPU closed. Resolves with the exit code.
 * @param kept what is said after the reason where it was ended
 */
export async function stoppable(
  out: Console,
  work: (stop: StopSignal) => Promise<void>,
  kept = '',
): Promise<number> {
  const stop = new StopSignal(undefined, () => {});
  try {
    await work(stop);
    return 0;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    out.line(`${error.reason}${kept}`);
    return error.exitCode;
  } finally {
    out.endProgress();
    stop.dispose();
    close();
  }
}
