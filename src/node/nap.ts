/*
 * While an answer of the GPU is due, Dawn's Node binding asks for it in every turn of the event loop, and turns follow each other
 * without a pause. That keeps a core busy, and on a software adapter it is one of those that compute. So the loop is slowed down.
 */

/** Of the time that an answer has been due, each turn sleeps so much: it comes that much later at most. */
const SHARE = 0.1;
/** Timers and I/O wait no longer than this. */
const LONGEST_MS = 1;
const SHORTEST_MS = 0.02;

const never = new Int32Array(new SharedArrayBuffer(4));
let due = 0;
/** Whether a turn is to come: there is never more than one, or their naps would add up. */
let turning = false;
/** When the last answer came, or the first one that is due was asked for. */
let since = 0;

function turn(): void {
  turning = due > 0;
  if (!turning) return;
  const ms = Math.min(SHARE * (performance.now() - since), LONGEST_MS);
  if (ms >= SHORTEST_MS) Atomics.wait(never, 0, 0, ms);
  // It is for others to keep the process alive.
  setImmediate(turn).unref();
}

/** Slows the event loop down until the answer is there. */
export function napUntil(answer: Promise<unknown>): void {
  const answered = () => {
    due--;
    since = performance.now();
  };
  answer.then(answered, answered);
  if (due++ === 0) since = performance.now();
  if (turning) return;
  turning = true;
  setImmediate(turn).unref();
}
