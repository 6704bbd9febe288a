import { WeftError } from '../errors.ts';
import type { Model } from '../nn/model.ts';
import { loadModel } from '../nn/modelFile.ts';
import { atomicWrite } from '../node/files.ts';
import type { Console } from './console.ts';
import { findExperiment } from './index.ts';
import { isModelFile, readModelFile } from './modelFiles.ts';
import { SET_SIZES } from './presets.ts';
import { type Kernels, RunFolder } from './run.ts';
import { close, openData, openGpu, pinKernels } from './session.ts';
import { Stopped, StopSignal } from './stop.ts';
import type { Task } from './task.ts';
import {
  printReconstruction,
  printResult,
  printSummary,
  summarize,
  type Tested,
  test,
  testReconstruction,
} from './testing.ts';

export interface EvaluateOptions {
  limit?: number;
  fullTest?: boolean;
  /** Where the figures go. */
  json?: string;
  data?: string;
  adapter?: string;
}

/** A network: that of a file, or one that a run trained, with the weights of one repeat that its plan tests. */
export interface Member {
  readonly name: string;
  readonly load: () => Promise<Model>;
  /** Those that the run was made with. */
  readonly kernels: Kernels;
  /** What a byte of 255 becomes in its inputs. */
  readonly pixelScale: number;
  readonly task: Task;
}

/** The networks of a run's folder or a model's file. @throws WeftError where there is none */
export async function membersAt(path: string, out: Console): Promise<Member[]> {
  if (!isModelFile(path)) return membersOf(await RunFolder.open(path));
  return [{ name: path, load: () => readModelFile(path, out), kernels: {}, pixelScale: 1, task: 'classify' }];
}

/** The members of a run. @throws WeftError where it has none yet. */
async function membersOf(run: RunFolder): Promise<Member[]> {
  const members: Member[] = [];
  const { tested = 'best', pixelScale = 1 } = run.manifest.choices?.plan ?? {};
  const { task = 'classify' } = findExperiment(run.manifest.experiment);
  for (const folder of run.repeats) {
    const file = await folder[tested]();
    if (!file) continue;
    const load = async () => loadModel(file);
    members.push({ name: folder.path, load, kernels: run.kernels, pixelScale, task });
  }
  if (members.length > 0) return members;
  const { experiment } = run.manifest;
  throw new WeftError(
    `${run.path} has no weights yet: go on with it first (weft train ${experiment} --resume ${run.path})`,
  );
}

/** Tests the networks of runs and files, each by itself and, of several, together. Resolves with the exit code. */
export async function evaluateRuns(
  paths: readonly string[],
  options: EvaluateOptions,
  out: Console,
): Promise<number> {
  const members = (await Promise.all(paths.map((path) => membersAt(path, out)))).flat();
  const runs = await Promise.all(
    paths.filter((path) => !isModelFile(path)).map((path) => RunFolder.open(path)),
  );
  // As many as the runs were tested on: without other words, this repeats their tests.
  const runsImages = Math.max(...runs.map(({ manifest }) => manifest.choices?.plan.testImages ?? 0));
  const theirs = runs.length > 0 ? runsImages : SET_SIZES.test;
  const images = options.fullTest ? SET_SIZES.test : (options.limit ?? theirs);
  const data = await openData(options.data, out);
  const stop = new StopSignal(undefined, () => {});
  let model: Model | undefined;
  try {
    const gpu = await openGpu(options.adapter, out);
    const tested: Tested[] = [];
    const figures: object[] = [];
    for (const { name, load, kernels, pixelScale, task } of members) {
      pinKernels(gpu, kernels, out);
      model = await load();
      const onProgress = (done: number, total: number) => {
        out.progress(name, done, total);
        stop.check();
      };
      const how = { images, batchSize: 128, pixelScale, onProgress };
      if (task === 'reconstruct') {
        const result = await testReconstruction(model, data, how);
        printReconstruction(name, result, out);
        figures.push({ name, test: result });
      } else {
        const member = await test(model, data, how);
        printResult(name, member.result, data, out);
        tested.push(member);
        figures.push({ name, test: member.result });
      }
      model.dispose();
    }
    if (options.json) await atomicWrite(options.json, `${JSON.stringify(figures, null, 2)}\n`);
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
