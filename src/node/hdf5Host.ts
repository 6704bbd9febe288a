import { Worker } from 'node:worker_threads';
import { setWorkerHost } from '../formats/hdf5/session.ts';

/** Old generation of the worker's JavaScript heap: texts, not arrays, lie there. */
const MAX_HEAP_MB = 512;

/** Under Node, HDF5's worker is a thread. */
setWorkerHost((program, onAnswer, onEnd) => {
  const worker = new Worker(program, {
    eval: true,
    // What the library prints is in its errors, too.
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  });
  worker.on('message', onAnswer);
  worker.on('error', (error) => onEnd(error.message));
  worker.on('exit', (code) => onEnd(`its worker ended with code ${code}`));
  return { post: (request) => worker.postMessage(request), terminate: () => void worker.terminate() };
});
