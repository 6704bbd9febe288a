import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { WeftError } from '../errors.ts';
import type { EpochLogs } from '../nn/fit.ts';
import { atomicWrite, writeError } from '../node/files.ts';
import { json, ManifestFolder, parseJson, readIfThere } from './folder.ts';
import type { Overrides, Plan } from './presets.ts';

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

export const MANIFEST = 'manifest.json';

/** Which candidate ops take, by what is decided; see `tune`. */
export type Kernels = Readonly<Record<string, string>>;

/** What was chosen when the run began, on what grounds. */
export interface Choices {
  readonly plan: Plan;
  readonly why: string;
  /** Seconds a training image takes, by which sizes were chosen. */
  readonly secondsPerImage: number;
  /** The kernels that the run is made with. */
  readonly kernels: Kernels;
}

export interface Flags extends Overrides {
  data?: string;
  adapter?: string;
}

export interface Versions {
  readonly weft: string;
  readonly node: string;
  readonly webgpu: string;
}

export interface Manifest {
  readonly format: 1;
  readonly experiment: string;
  readonly seed: number;
  readonly created: string;
  readonly flags: Flags;
  readonly versions: Versions;
  /** The manifest that this run repeats. */
  readonly like?: string;
  readonly adapter: string | null;
  readonly dataFrom: string | null;
  readonly choices: Choices | null;
  /** Each time that the run was gone on with. */
  readonly resumed: readonly { at: string; adapter: string; versions: Versions }[];
}

/** What is in the history of one repeat. */
export interface History {
  readonly epochs: readonly EpochLogs[];
  /** Training loss and accuracy over stretches within epochs; `epoch` says where a stretch ends: 0.5 is half of the first. */
  readonly stretches: readonly { epoch: number; loss: number; accuracy?: number }[];
}

const checkpointOf = (phase: number) => `checkpoint${phase === 0 ? '' : `-${phase + 1}`}.safetensors`;

/** The files of one repeat. */
export class RepeatFolder {
  /** @param checkLock called before each write */
  constructor(
    readonly path: string,
    private readonly checkLock: () => Promise<void> = async () => {},
  ) {}

  /** Of a phase, counted from 0. */
  readonly checkpoint = (phase = 0) => readIfThere(this.file(checkpointOf(phase)));
  readonly last = () => readIfThere(this.file('last.safetensors'));
  readonly best = () => readIfThere(this.file('best.safetensors'));
  readonly saveCheckpoint = (file: Uint8Array, phase = 0) => this.write(checkpointOf(phase), file);
  readonly saveBest = (file: Uint8Array) => this.write('best.safetensors', file);
  readonly saveLast = (file: Uint8Array) => this.write('last.safetensors', file);
  readonly saveProbabilities = (file: Uint8Array) => this.write('probabilities.safetensors', file);
  readonly probabilities = () => readIfThere(this.file('probabilities.safetensors'));
  readonly saveCurves = (svg: string) => this.write('curves.svg', svg);
  readonly saveResult = (result: object) => this.write('result.json', json(result));

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
    const file = await readIfThere(this.file('history.json'));
    return file && parseJson<History>(this.file('history.json'), file);
  }

  async result<T>(): Promise<T | undefined> {
    const file = await readIfThere(this.file('result.json'));
    return file && parseJson<T>(this.file('result.json'), file);
  }

  private async write(name: string, contents: Uint8Array | string): Promise<void> {
    // A folder that was deleted isn't made anew: what was in it is lost.
    await this.checkLock();
    try {
      await fs.mkdir(this.path, { recursive: true });
    } catch (error) {
      throw writeError(this.path, error);
    }
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

  /** @throws WeftError where there is no run, or its manifest is damaged. */
  static async open(path: string): Promise<RunFolder> {
    return new RunFolder(path, await readManifest(path));
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

  /** What the repeats came to together; of a single one, its result. */
  async summary(): Promise<object | undefined> {
    return this.files(this.path).result();
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

/** Reads the manifest of a run, given by its folder or the manifest itself. */
export async function readManifest(path: string): Promise<Manifest> {
  const file = path.endsWith('.json') ? path : join(path, MANIFEST);
  const bytes = await readIfThere(file);
  if (!bytes) throw new WeftError(`${path} is no run: there is no ${file}`);
  const manifest = parseJson<Manifest>(file, bytes);
  if (
    manifest?.format !== 1 ||
    !Number.isSafeInteger(manifest.seed) ||
    typeof manifest.experiment !== 'string'
  ) {
    throw new WeftError(`${file} is no manifest of a run that this version of weft can read`);
  }
  return manifest;
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
