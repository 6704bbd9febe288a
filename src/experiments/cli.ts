import { Command, Option } from 'commander';
import { WeftError } from '../errors.ts';
import { VERSION } from '../tensor/version.ts';
import { Console } from './console.ts';
import { type DoctorOptions, doctor } from './doctor.ts';
import { type EvaluateOptions, evaluateRuns } from './evaluate.ts';
import { experiments, findExperiment } from './index.ts';
import { convertFile } from './modelFiles.ts';
import { listModels } from './models.ts';
import { IMAGE_WORDS } from './namedImages.ts';
import { folderName, positiveNumber, timeSpan, wholeNumber } from './options.ts';
import { type PredictOptions, predict } from './predict.ts';
import { type ProfileOptions, profileStep } from './profile.ts';
import { type TrainOptions, train } from './train.ts';
import { type TuneCommandOptions, tuneExperiment } from './tune.ts';

const out = new Console();

/** What decides a run: a run that is gone on with, or repeated, has it in its manifest. */
const DECIDING = [
  'preset',
  'epochs',
  'repeats',
  'seed',
  'limit',
  'batchSize',
  'lr',
  'augment',
  'tune',
  'fullTest',
  'weights',
  'unfrozen',
];
const PLACE = ['out', 'name'];

const dataOption = () =>
  new Option(
    '--data <path>',
    'folder with the four files of Fashion-MNIST, or a .tar.gz with its two CSV files (default: FASHION_MNIST_DIR, else the cache, else a download)',
  );
const adapterOption = () =>
  new Option(
    '--adapter <choice>',
    'auto, hardware, software, lavapipe, swiftshader or part of a name (default: auto)',
  );
const fullTestOption = () => new Option('--full-test', 'test on all 10,000 test images').conflicts('limit');

/** An option and those that contradict it. */
const option = (
  flags: string,
  description: string,
  read?: (text: string) => unknown,
  conflicts: string[] = [],
) => {
  const made = new Option(flags, description).conflicts(conflicts);
  return read ? made.argParser(read) : made;
};

const names = experiments.map(({ name }) => name).join(', ');

const program = new Command('weft')
  .description('Trains convolutional networks on WebGPU.')
  .version(VERSION)
  .showHelpAfterError('(weft --help lists what there is)');

program
  .command('train')
  .description('train a network on Fashion-MNIST and test it')
  .argument('<experiment>', names)
  .addOption(
    new Option('--preset <name>', 'default: recipe on a hardware GPU, quick on a software adapter').choices([
      'recipe',
      'quick',
    ]),
  )
  .addOption(option('--epochs <n>', 'passes over the training images', wholeNumber(1)))
  .addOption(option('--repeats <n>', 'times to train anew, for mean and ensemble', wholeNumber(1)))
  .addOption(
    option('--seed <n>', 'decides everything random (default: chosen, printed and kept)', wholeNumber(0)),
  )
  .addOption(
    option('--limit <n>', 'at most so many training, validation and test images each', wholeNumber(1)),
  )
  .addOption(option('--batch-size <n>', 'images a step', wholeNumber(1)))
  .addOption(option('--lr <rate>', 'learning rate', positiveNumber))
  .addOption(option('--no-augment', 'train without augmentation, replicated images included'))
  .addOption(option('--weights <file>', 'weights to begin with: .safetensors, or .h5 of Keras'))
  .addOption(option('--unfrozen', 'train all layers from the beginning, without a frozen phase'))
  .addOption(option('--no-tune', 'choose kernels by predicted cost, without timing them'))
  .addOption(option('--max-time <time>', 'checkpoint and end with success after 90s, 10m, 1h', timeSpan))
  .addOption(fullTestOption())
  .addOption(option('--out <dir>', "the run's folder (default: runs/<name>)", undefined, ['name']))
  .addOption(
    option('--name <name>', "the run's folder in runs (default: experiment, date and seed)", folderName),
  )
  .addOption(option('--resume <run>', 'go on with a run', undefined, [...DECIDING, ...PLACE, 'like']))
  .addOption(option('--like <run>', 'do a run again: same seed, flags and choices', undefined, DECIDING))
  .addOption(dataOption())
  .addOption(adapterOption())
  .addOption(option('--allow-other-adapter', 'go on with, or repeat, a run on another adapter than its own'))
  .action((experiment: string, { lr, augment, tune, ...options }) => {
    const noAugment = augment === false || undefined;
    const noTune = tune === false || undefined;
    return finish(
      train(experiment, { ...options, learningRate: lr, noAugment, noTune } as TrainOptions, out),
    );
  });

program
  .command('models')
  .description('list the networks: source, size, reported and measured accuracy')
  .argument('[name]', 'shows the layers and the recipe of one')
  .action((name: string | undefined) => finish((async () => listModels(name, out))()));

program
  .command('tune')
  .description('time the variants of the kernels on this adapter, and keep which are fastest')
  .argument('<experiment>', names)
  .addOption(option('--batch-size <n>', "images a step (default: the preset's)", wholeNumber(1)))
  .addOption(option('--retune', 'time again what was decided by an earlier tuning'))
  .addOption(option('--json <file>', 'write the table to a file, too'))
  .addOption(adapterOption())
  .action((experiment: string, options: TuneCommandOptions) =>
    finish(tuneExperiment(experiment, options, out)),
  );

program
  .command('evaluate')
  .description('test the networks of runs and of files, and of several their ensemble')
  .argument('<run...>', "runs' folders, or files with models (.h5, .safetensors)")
  .addOption(
    option(
      '--limit <n>',
      'test on so many images (default: as many as the runs were tested on)',
      wholeNumber(1),
    ),
  )
  .addOption(fullTestOption())
  .addOption(
    option('--out <dir>', "where evaluation.json of a model's file goes (a run's goes to its folder)"),
  )
  .addOption(option('--json <file>', 'write the figures to a file, too'))
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((runs: string[], options: EvaluateOptions) => finish(evaluateRuns(runs, options, out)));

program
  .command('predict')
  .description('say what images show')
  .argument('<run>', "a run's folder, or a file with a model (.h5, .safetensors)")
  .argument('<image...>', IMAGE_WORDS)
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((run: string, images: string[], options: PredictOptions) =>
    finish(predict(run, images, options, out)),
  );

program
  .command('convert')
  .description('write a model, or weights, in the format of another program')
  .argument('<from>', 'a model: .h5 (Keras) or .safetensors; or weights alone: .npz')
  .argument('<to>', 'the file to write; its extension says the format')
  .action((from: string, to: string) => finish(convertFile(from, to, out)));

program
  .command('profile')
  .description('show what each dispatch of a step takes, and the memory that a step needs')
  .argument('<experiment>', names)
  .addOption(option('--batch <n>', 'images a step', wholeNumber(1)).default(64))
  .addOption(option('--inference', 'a step of inference instead of training'))
  .addOption(option('--trace <file>', 'write a trace for chrome://tracing or Perfetto'))
  .addOption(option('--json <file>', 'write the figures'))
  .addOption(adapterOption())
  .action((experiment: string, options: ProfileOptions) =>
    finish((async () => profileStep(findExperiment(experiment), options, out))()),
  );

program
  .command('doctor')
  .description('show adapter, limits, features and data, what is missing and how to get it')
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((options: DoctorOptions) => finish(doctor(options, out)));

/** Sets the exit code; what went wrong is told in one message, with a stack only where it is weft's own fault. */
async function finish(work: Promise<number>): Promise<void> {
  try {
    process.exitCode = await work;
  } catch (error) {
    out.endProgress();
    const isKnown = error instanceof WeftError;
    process.stderr.write(`error: ${isKnown ? error.message : ((error as Error).stack ?? error)}\n`);
    process.exitCode = 1;
  }
}

await program.parseAsync();
