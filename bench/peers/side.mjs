import { execFileSync, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export const here = fileURLToPath(new URL('.', import.meta.url));
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** Installs the peers where they aren't yet. */
export function installPeers() {
  const installed = ['@tensorflow/tfjs-core', '@jax-js/jax'].every((name) =>
    existsSync(`${here}node_modules/${name}`),
  );
  if (installed) return;
  console.log('installing the peers (once) ...');
  execFileSync('npm', ['ci'], { cwd: here, stdio: 'inherit' });
}

/** Weft's sides: by the name of what is built, the file in a checkout. */
export const WEFT = { weft: 'bench/peers/weft.ts', weftConvolution: 'bench/peers/weftConvolution.ts' };

/** Builds files of a checkout: `name.mjs` for each. */
export const bundle = (checkout, files, outdir) =>
  build({
    absWorkingDir: checkout,
    entryPoints: files,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['webgpu'],
    logLevel: 'warning',
  });

/** Builds sides of Weft as it is, and returns the environment that finds the adapter. */
export async function prepareWeft(files, outdir) {
  await bundle(root, { ...files, adapter: 'src/node/adapter.ts' }, outdir);
  const { adapterEnvironment } = await import(pathToFileURL(join(outdir, 'adapter.mjs')).href);
  return { ...process.env, ...(await adapterEnvironment()) };
}

/** A process that runs one side. */
export class Side {
  /** @param module the side's file */
  constructor(module, env) {
    this.process = fork(`${here}worker.mjs`, [module], {
      env,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    this.stderr = '';
    this.process.stderr.on('data', (text) => {
      this.stderr += text;
    });
    this.ready = this.answer();
  }

  answer() {
    return new Promise((resolve, reject) => {
      const ended = (code) => reject(new Error(`the process ended with ${code}: ${this.stderr}`));
      this.process.once('exit', ended);
      this.process.once('message', ({ result, error }) => {
        this.process.off('exit', ended);
        if (error) reject(new Error(error));
        else resolve(result);
      });
    });
  }

  async call(call, argument) {
    await this.ready;
    const answer = this.answer();
    this.process.send({ call, argument });
    return answer;
  }

  close() {
    this.process.kill();
  }
}
