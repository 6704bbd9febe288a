import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { setHdf5Host } from '../formats/hdf5/session.ts';
import { bundledH5wasm } from './bundledH5wasm.ts';

/** Old generation of the worker's JavaScript heap: texts, not arrays, lie there. */
const MAX_HEAP_MB = 512;

/** Under Node, HDF5's worker is a thread, and h5wasm the package beside this one or in the project that the process runs in. */
setHdf5Host({
  start(program, onAnswer, onEnd) {
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
  },
  findModule: () => bundledH5wasm() ?? installedH5wasm(),
});

function installedH5wasm(): string | undefined {
  for (const base of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href]) {
    // Not `resolve`: the package offers itself to `import` alone.
    for (const folder of createRequire(base).resolve.paths('h5wasm') ?? []) {
      const file = join(folder, 'h5wasm', 'package.json');
      if (!existsSync(file)) continue;
      const { exports } = JSON.parse(readFileSync(file, 'utf8'));
      return pathToFileURL(join(folder, 'h5wasm', exports['.'].import)).href;
    }
  }
  return undefined;
}
