import { WeftError } from '../errors.ts';
import type { Model } from '../nn/model.ts';
import { loadModel } from '../nn/modelFile.ts';
import type { Console } from './console.ts';
import { SET_SIZES } from './presets.ts';
import { type Kernels, RunFolder } from './run.ts';
import { close, openData, openGpu, pinKernels } from './session.ts';
import { Stopped, StopSignal } from './stop.ts';
import { printResult, printSummary, summarize, type Tested, test } from './testing.ts';

export interface EvaluateOptions {
  limit?: number;
  fullTest?: boolean;
  data?: string;
  adapter?: string;
}

/** A network that a run trained: the weights of one repeat that its plan tests. */
export interface Member {
  readonly name: string;
  readonly file: Uint8Array;
  readonly kernels: Kernels;
  /** What a byte of 255 becomes in its inputs. */
  readonly pixelScale: number;
}

/** The members of a run. @throws WeftError where it has none yet. */
export async function membersOf(run: RunFolder): Promise<Member[]> {
  const members: Member[] = [];
  const { tested = 'best', pixelScale = 1 } = run.manifest.choices?.plan ?? {};
  for (const folder of run.repeats) {
    const file = await folder[tested]();
    if (file) members.push({ name: folder.path, file, kernels: run.kernels, pixelScale });
  }
  if (members.length > 0) return members;
  const { experiment } = run.manifest;
  throw new WeftError(
    `${run.path} has no weights yet: go on with it first (weft train ${experiment} --resume ${run.path})`,
  );
}

/** Tests the networks of runs, each by itself and, of several, together. Resolves with the exit code. */
export async function evaluateRuns(
  paths: readonly string[],
  options: EvaluateOptions,
  out: Console,
): Promise<number> {
  const runs = await Promise.all(paths.map((path) => RunFolder.open(path)));
  const members = (await Promise.all(runs.map(membersOf))).flat();
  // As many as the runs were tested on: without other words, this repeats their tests.
  const theirs = Math.max(...runs.map(({ manifest }) => manifest.choices?.plan.testImages ?? 0));
  const images = options.fullTest ? SET_SIZES.test : (options.limit ?? theirs);
  const data = await openData(options.data, out);
  const stop = new StopSignal(undefined, () => {});
  let model: Model | undefined;
  try {
    const gpu = await openGpu(options.adapter, out);
    const tested: Tested[] = [];
    for (const { name, file, kernels, pixelScale } of members) {
      pinKernels(gpu, kernels, out);
      model = loadModel(file);
      const onProgress = (done: number, total: number) => {
        out.progress(name, done, total);
        stop.check();
      };
      const result = await test(model, data, { images, batchSize: 128, pixelScale, onProgress });
      model.dispose();
      tested.push(result);
      printResult(name, result.result, data, out);
    }
    if (tested.length > 1) printSummary(summarize(tested, data), data, out);
    return 0;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    out.line(error.reason);
    return error.exitCode;
  } finally {
    out.endProgress();
    stop.dispose();
    close();
  }
}
