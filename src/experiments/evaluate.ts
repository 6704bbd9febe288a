import { basename, extname, join } from 'node:path';
import type { Answer } from '../analysis/mistakes.ts';
import type { ImageSet } from '../data/batchSource.ts';
import type { ClassGroups } from '../data/classGroups.ts';
import { WeftError } from '../errors.ts';
import type { Model } from '../nn/model.ts';
import { atomicWrite, makeFolder } from '../node/files.ts';
import { threeDigits } from '../report/numbers.ts';
import { reportPage } from '../report/page.ts';
import { formatShares } from '../report/scores.ts';
import { classificationSection } from '../report/sections/classification.ts';
import { table } from '../report/table.ts';
import type { Console } from './console.ts';
import {
  type Answers,
  answersOf,
  EVALUATION,
  type Evaluation,
  evaluationSection,
  galleriesSection,
  writeEvaluation,
} from './evaluation.ts';
import { type ExperimentSet, groupSets } from './experimentSet.ts';
import { findExperiment } from './index.ts';
import { json } from './jsonFile.ts';
import type { Kernels } from './manifest.ts';
import { isModelFile, readModelFile } from './modelFiles.ts';
import { RunFolder } from './run.ts';
import { type Data, type OpenGpu, openData, openGpu, pinKernels, versions } from './session.ts';
import { shellPath, shellWord } from './shell.ts';
import { measureSpeed, type Speed } from './speed.ts';
import { splitImages } from './splitting.ts';
import type { StopSignal } from './stop.ts';
import { stoppable } from './stoppable.ts';
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
  /** The folder for what is found about a model's file. */
  out?: string;
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
  /** What its outputs stand for, if not for the data set's classes. */
  readonly classes?: ClassGroups;
  /** Of a run: where the network's files are. */
  readonly folder?: string;
  /** Of a run: images that it is tested on. */
  readonly testImages?: number;
  /** Of a run: what it was trained on and what it was validated on, of the training images as it takes them. */
  readonly split?: (train: ExperimentSet) => readonly [training: Uint32Array, validation: Uint32Array];
}

/** Images that are tested at a time. */
export const BATCH = 128;

/** The networks of a run's folder or a model's file. @throws WeftError where there is none */
export async function membersAt(path: string, out: Console): Promise<Member[]> {
  if (!isModelFile(path)) return membersOf(await RunFolder.open(path));
  return [{ name: path, load: () => readModelFile(path, out), kernels: {}, pixelScale: 1, task: 'classify' }];
}

/** The members of a run. @throws WeftError where it has none yet. */
async function membersOf(run: RunFolder): Promise<Member[]> {
  const members: Member[] = [];
  const { choices, seed } = run.manifest;
  const { task = 'classify' } = findExperiment(run.manifest.experiment);
  for (const [i, folder] of run.repeats.entries()) {
    const { plan } = choices!;
    const { tested, pixelScale, classes, testImages } = plan;
    const file = await folder[tested]();
    if (!file) continue;
    const load = async () => folder.load(tested, file);
    const split = (train: ExperimentSet) => splitImages(seed, plan, train, i + 1);
    const about = { name: folder.path, folder: folder.path, kernels: run.kernels, task, classes };
    members.push({ ...about, load, pixelScale, testImages, split });
  }
  if (members.length > 0) return members;
  const { experiment } = run.manifest;
  throw new WeftError(
    `${run.path} has no weights yet: go on with it first (weft train ${shellWord(experiment)} --resume ${shellPath(run.path)})`,
  );
}

/** Tests the networks of runs and files, each by itself and, of several, together. Resolves with the exit code. */
export async function evaluateRuns(
  paths: readonly string[],
  options: EvaluateOptions,
  out: Console,
): Promise<number> {
  const members = (await Promise.all(paths.map((path) => membersAt(path, out)))).flat();
  const whole = await openData(options.data, out);
  return stoppable(out, async (stop) => {
    const gpu = await openGpu(options.adapter, out);
    const classifiers: { tested: Tested; data: Data; classes: string }[] = [];
    const figures: object[] = [];
    for (const member of members) {
      const data = groupSets(whole, member.classes);
      const { evaluation, tested } = await evaluateMember(member, data, imagesToTest(members, options), {
        ...{ gpu, stop, out },
      });
      const { test, speed } = evaluation;
      figures.push({ name: member.name, test, speed });
      if (tested) classifiers.push({ tested, data, classes: data.test.classNames.join() });
      const folder = folderFor(member, members, options.out);
      if (folder === undefined) continue;
      await makeFolder(folder);
      await writeEvaluation(folder, evaluation);
      const page = join(folder, 'evaluation.html');
      await atomicWrite(page, evaluationPage(member.name, evaluation, whole.test));
      out.line(`files: ${join(folder, EVALUATION)}, ${page}\n`);
    }
    if (options.json) await atomicWrite(options.json, json(figures));
    const [first] = classifiers;
    if (classifiers.length < 2) return;
    if (classifiers.every(({ classes }) => classes === first.classes)) {
      const tested = classifiers.map((classifier) => classifier.tested);
      printSummary(summarize(tested, first.data), first.data, out);
    } else out.line('these networks have other classes than each other: nothing is said of them together');
  });
}

/** How many test images networks are tested on: without other words as many as their runs were, which repeats those tests. */
export function imagesToTest(
  members: readonly Member[],
  { limit, fullTest }: Pick<EvaluateOptions, 'limit' | 'fullTest'>,
): number {
  const theirs = Math.max(...members.map(({ testImages }) => testImages ?? 0)) || Number.POSITIVE_INFINITY;
  return fullTest ? Number.POSITIVE_INFINITY : (limit ?? theirs);
}

/** Where a member's evaluation goes: beside its weights, or of a file where the user says; several each have a folder there. */
function folderFor(
  { name, folder }: Member,
  members: readonly Member[],
  out: string | undefined,
): string | undefined {
  if (folder || out === undefined) return folder;
  const files = members.filter((member) => !member.folder);
  return files.length === 1 ? out : join(out, basename(name, extname(name)));
}

async function evaluateMember(
  { name, load, kernels, pixelScale, task }: Member,
  data: Data,
  images: number,
  { gpu, stop, out }: { gpu: OpenGpu; stop: StopSignal; out: Console },
): Promise<{ evaluation: Evaluation; tested?: Tested }> {
  pinKernels(gpu, kernels, out);
  const model = await load();
  try {
    const onProgress = (done: number, total: number) => {
      out.progress(name, done, total);
      stop.check();
    };
    const how = { images, batchSize: BATCH, pixelScale, onProgress };
    const speed = async () => {
      const timing = { pixelScale, check: () => stop.check() };
      const single = await measureSpeed(model, data.test, 1, timing);
      const batch = await measureSpeed(model, data.test, BATCH, timing);
      out.line(`${showSpeed(single)}; ${showSpeed(batch)}`);
      return { single, batch };
    };
    const about = {
      format: 1,
      made: new Date().toISOString(),
      versions: versions(),
      adapter: gpu.name,
    } as const;
    if (task === 'reconstruct') {
      const result = await testReconstruction(model, data, how);
      printReconstruction(name, result, out);
      return { evaluation: { ...about, test: result, speed: await speed() } };
    }
    const tested = await test(model, data, how);
    const { result } = tested;
    printResult(name, result, data, out);
    const answers = answersOf(tested, data.test);
    printAnswers(answers, data.test.classNames, out);
    return { evaluation: { ...about, test: result, speed: await speed(), answers }, tested };
  } finally {
    model.dispose();
  }
}

/** What was found, with pictures. @param images the whole test set */
function evaluationPage(name: string, evaluation: Evaluation, images: ImageSet): string {
  const { test, answers } = evaluation;
  const sections = [evaluationSection(evaluation)];
  if (answers && 'classes' in test) {
    const classNames = test.classes.map((scores) => scores.name);
    const galleries = galleriesSection(answers, images, classNames, 'Mistakes and right answers');
    sections.unshift(classificationSection(test), galleries);
  }
  return reportPage({ title: `${name} on test images`, sections });
}

const showSpeed = ({ batch, imagesPerSecond, msPerImage }: Speed): string =>
  `${batch === 1 ? 'one image at a time' : `${batch} at a time`}: ${threeDigits(imagesPerSecond)} images/s (${threeDigits(msPerImage)} ms an image)`;

function printAnswers(answers: Answers, classNames: readonly string[], out: Console): void {
  const { confusionByTrueClass, mostConfidentMistakes, firstRight, firstWrong } = answers;
  out.line(`shares of each true class\n${formatShares(classNames, confusionByTrueClass)}\n`);
  const rows = mostConfidentMistakes.map(({ index, label, predicted, probability }) => [
    ...[`test:${index}`, classNames[label], classNames[predicted]],
    probability.toFixed(4),
  ]);
  if (rows.length > 0)
    out.line(`most confident mistakes\n${table(['image', 'true', 'predicted', 'probability'], rows)}\n`);
  const list = (shown: readonly Answer[]) => shown.map(({ index }) => `test:${index}`).join(', ') || 'none';
  out.line(`first right: ${list(firstRight)}\nfirst wrong: ${list(firstWrong)}`);
}
