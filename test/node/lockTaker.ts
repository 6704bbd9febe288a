import { takeLock } from '../../src/node/lock.ts';

/* A process that takes locks: told which and at what moment, it answers with what came of it. */

process.on('message', async ({ file, at }: { file: string; at: number }) => {
  while (Date.now() < at);
  try {
    await takeLock(file, 'the work');
    process.send!('taken');
  } catch (error) {
    process.send!((error as Error).message);
  }
});
process.send!('ready');
