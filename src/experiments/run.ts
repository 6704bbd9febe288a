import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { WeftError } from '../errors.ts';
import type { EpochLogs } from '../nn/fit.ts';
import type { Model } from '../nn/model.ts';
import { loadModel } from '../nn/modelFile.ts';
import { atomicWrite, makeFolder } from '../node/files.ts';
import { ManifestFolder } from './folder.ts';
import { inFile } from './inFile.ts';
import { json, readIfThere, readJson } from './jsonFile.ts';
import { type Kernels, MANIFEST, type Manifest, manifestSchema } from './manifest.ts';
import { pathInside } from './pathInside.ts';
import type { Plan } from './plan.ts';
import {
  type History,
  history as historySchema,
  RESULT,
  type RepeatResult,
  repeatResult,
  type Summary,
  summary as summarySchema,
  type TestResult,
} from './results.ts';
import { decodeTested, type Tested } from './testing.ts';

/*
 * A run's folder:
 *
 *   manifest.json            what decides the run; its choices and its adapter come once they are known
 *   checkpoint.safetensors   weights, optimizer state, random counters, data cursor, best-so-far and patience, history: all of
 *                            the training's state in one file, so that one rename takes it from one consistent state to the next;
 *                            a second phase of training has checkpoint-2.safetensors beside it
 *   best.safetensors         the weights of the epoch with the lowest validation loss
 *   last.safetensors         the weights after the newest epoch
 *   history.json, .csv       written after the checkpoint, from what is in it
 *   curves.svg, result.json  at the end, and probabilities.safetensors, the answers to the test images; a repeat with a result
 *                            is done
 *
 * One repeat has its files in the folder itself; of several, each has its own folder repeat-1, repeat-2 …, and the run's folder holds
 * result.json with their mean and ensemble, and best.safetensors of the repeat with the lowest validation loss. Every file is written whole or not at all, and everything that follows a checkpoint
 * can be computed again from it: a run killed between any two writes goes on.
 */

/** Bytes of a history that are read at most: those of twice as many epochs as there may be. */
const MOST_HISTORY_BYTES = 2 ** 26;

const checkpointOf = (phase: number) => `checkpoint${phase === 0 ? '' : `-${phase + 1}`}.safetensors`;

/** The files of one repeat. */
export class RepeatFolder {
  /** @param checkLock called before each write */
  constructor(
    readonly path: string,
    private readonly checkLock: () => Promise<void> = async () => {},
  ) {}

  /** Of a phase, counted from 0. */
  readonly checkpointPath = (phase = 0) => this.file(checkpointOf(phase));
  readonly checkpoint = (phase = 0) => readIfThere(this.checkpointPath(phase));
  readonly last = () => readIfThere(this.file('last.safetensors'));
  readonly best = () => readIfThere(this.file('best.safetensors'));
  /** The network of a file that `best` or `last` gave. @throws WeftError naming the file where it is damaged */
  readonly load = (which: Plan['tested'], file: Uint8Array): Model =>
    inFile(this.file(`${which}.safetensors`), () => loadModel(file));
  readonly saveCheckpoint = (file: Uint8Array, phase = 0) => this.write(checkpointOf(phase), file);
  readonly saveBest = (file: Uint8Array) => this.write('best.safetensors', file);
  readonly saveLast = (file: Uint8Array) => this.write('last.safetensors', file);
  readonly saveProbabilities = (file: Uint8Array) => this.write('probabilities.safetensors', file);
  readonly saveCurves = (svg: string) => this.write('curves.svg', svg);
  readonly saveResult = (result: object) => this.write(RESULT, json(result));

  async saveHistory(history: History): Promise<void> {
    await this.write('history.json', json(history));
    const classified = history.epochs.every(({ accuracy }) => accuracy !== undefined);
    const columns = classified
      ? (['epoch', 'loss', 'accuracy', 'valLoss', 'valAccuracy'] as const)
      : (['epoch', 'loss', 'valLoss'] as const);
    const rows = history.epochs.map((logs: EpochLogs) =>
      columns.map((column) => logs[column] ?? '').join(','),
    );
    await this.write('history.csv', `${[columns.join(','), ...rows].join('\n')}\n`);
  }

  async history(): Promise<History | undefined> {
    return readJson(this.file('history.json'), historySchema, { mostBytes: MOST_HISTORY_BYTES });
  }

  /** What the repeat came to, where it is finished. */
  async result(): Promise<RepeatResult | undefined> {
    return readJson(this.file(RESULT), repeatResult);
  }

  /** What the repeat answered to the test images, where it was kept. */
  async tested(result: TestResult): Promise<Tested | undefined> {
    const file = await readIfThere(this.file('probabilities.safetensors'));
    return file && inFile(this.file('probabilities.safetensors'), () => decodeTested(file, result));
  }

  private async write(name: string, contents: Uint8Array | string): Promise<void> {
    // A folder that was deleted isn't made anew: what was in it is lost.
    await this.checkLock();
    await makeFolder(this.path);
    await atomicWrite(this.file(name), contents);
  }

  private file(name: string): string {
    return join(this.path, name);
  }
}

export class RunFolder extends ManifestFolder<Manifest> {
  private constructor(path: string, manifest: Manifest) {
    super(path, MANIFEST, manifest);
  }

  /**
   * Makes the folder of a new run and writes its manifest.
   * @throws WeftError where something is there already.
   */
  static async create(path: string, manifest: Manifest): Promise<RunFolder> {
    const run = new RunFolder(path, manifest);
    await run.begin();
    return run;
  }

  /** @throws WeftError where there is no run, its manifest is damaged, or a repeat's folder is a link to elsewhere */
  static async open(path: string): Promise<RunFolder> {
    const run = new RunFolder(path, await readManifest(path));
    for (const repeat of run.repeats) if (repeat.path !== path) await pathInside(path, basename(repeat.path));
    return run;
  }

  /** The kernels that the run is made with; none before its choices are made. */
  get kernels(): Kernels {
    return this.manifest.choices?.kernels ?? {};
  }

  /** The files of a repeat, counted from 1, of as many as the run has. */
  repeat(number: number): RepeatFolder {
    const repeats = this.manifest.choices?.plan.repeats ?? 1;
    return this.files(repeats === 1 ? this.path : join(this.path, `repeat-${number}`));
  }

  get repeats(): RepeatFolder[] {
    const { choices } = this.manifest;
    return choices ? Array.from({ length: choices.plan.repeats }, (_, i) => this.repeat(i + 1)) : [];
  }

  /** What several repeats came to together. */
  async summary(): Promise<Summary | undefined> {
    return readJson(join(this.path, RESULT), summarySchema);
  }

  /** Keeps the weights of the best of several repeats. */
  async saveWinner(weights: Uint8Array): Promise<void> {
    await this.files(this.path).saveBest(weights);
  }

  /** Writes what the repeats come to together. */
  async saveSummary(summary: object): Promise<void> {
    await this.files(this.path).saveResult(summary);
  }

  protected override read(): Promise<Manifest> {
    return readManifest(this.path);
  }

  private files(path: string): RepeatFolder {
    return new RepeatFolder(path, () => this.checkLock());
  }

  protected override get folders(): string[] {
    return [this.path, ...this.repeats.map((repeat) => repeat.path)];
  }
}

/** Bytes of a manifest that are read at most. */
const MOST_MANIFEST_BYTES = 2 ** 22;

/** Reads the manifest of a run, given by its folder or the manifest itself. @throws WeftError where there is none, or it is damaged */
export async function readManifest(path: string): Promise<Manifest> {
  const file = path.endsWith('.json') ? path : join(path, MANIFEST);
  const manifest = await readJson(file, manifestSchema, { mostBytes: MOST_MANIFEST_BYTES });
  if (manifest) return manifest;
  throw new WeftError(`${path} is no run: there is no ${file}`);
}

/** A folder for a new run: the one asked for, else `runs/v5-2026-01-31-SEED`, numbered where that is taken. */
export function newRunPath(
  experiment: string,
  seed: number,
  { out, name }: { out?: string; name?: string },
): string {
  if (out) return out;
  if (name) return join('runs', name);
  const base = join('runs', `${experiment}-${new Date().toISOString().slice(0, 10)}-${seed}`);
  for (let number = 1; ; number++) {
    const path = number === 1 ? base : `${base}-${number}`;
    if (!existsSync(resolve(path))) return path;
  }
}
