import { expect, test } from 'vitest';
import { napUntil } from '../../src/node/nap.ts';

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Turns of the event loop until a promise settles, as Dawn would take them. */
async function turnsUntil(answer: Promise<unknown>): Promise<number> {
  let turns = 0;
  let settled = false;
  const end = () => {
    settled = true;
  };
  answer.then(end, end);
  while (!settled) {
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return turns;
}

test('a wait takes few turns of the event loop, and hardly longer', async () => {
  const awake = await turnsUntil(after(300));
  const answer = after(300);
  const start = performance.now();
  napUntil(answer);
  const asleep = await turnsUntil(answer);
  expect(performance.now() - start).toBeGreaterThan(290);
  expect(asleep).toBeGreaterThan(20);
  expect(asleep).toBeLessThan(awake / 5);
});

test('once all answers are there, failed ones among them, the loop is as quick as before', async () => {
  const failing = after(20).then(() => Promise.reject(new Error('lost')));
  const answer = after(200);
  napUntil(failing);
  napUntil(answer);
  await expect(failing).rejects.toThrow('lost');
  const slow = await turnsUntil(after(100));
  await answer;
  const quick = await turnsUntil(after(100));
  expect(quick).toBeGreaterThan(5 * slow);
});

test('answers that follow one another make no turn longer', async () => {
  for (let i = 0; i < 500; i++) {
    const answer = new Promise((resolve) => setImmediate(resolve));
    napUntil(answer);
    await answer;
  }
  const answer = after(300);
  napUntil(answer);
  expect(await turnsUntil(answer)).toBeGreaterThan(20);
});
