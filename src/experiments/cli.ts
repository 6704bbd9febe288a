import { inspect as inspectError } from 'node:util';
import { Command, Option } from 'commander';
import { WeftError } from '../errors.ts';
import { searchMethods } from '../search/search.ts';
import { VERSION } from '../tensor/version.ts';
import { Console } from './console.ts';
import { type DataReportOptions, dataReport } from './dataReport/dataReport.ts';
import { type DoctorOptions, doctor } from './doctor.ts';
import { type CollapseOptions, collapseRuns } from './ensemble/collapse.ts';
import { type EnsembleOptions, ensembleRuns } from './ensemble/ensemble.ts';
import { type EvaluateOptions, evaluateRuns } from './evaluate.ts';
import { MOST } from './fields.ts';
import { experiments, findExperiment } from './index.ts';
import { type InspectOptions, inspect } from './inspect/inspect.ts';
import { convertFile } from './modelFiles.ts';
import { listModels } from './models.ts';
import { IMAGE_WORDS } from './namedImages.ts';
import { folderName, positiveNumber, setting, timeSpan, wholeNumber } from './options.ts';
import { endWithOutput } from './output.ts';
import { type PredictOptions, predict } from './predict.ts';
import { type ProfileOptions, profileStep } from './profile.ts';
import { type ReportOptions, report } from './report/report.ts';
import { type SearchCommandOptions, searchExperiment } from './search/command.ts';
import { objectives } from './search/folder.ts';
import { settingNames } from './settings.ts';
import { type TrainOptions, train } from './train.ts';
import { type TsneCommandOptions, tsneCommand } from './tsne/command.ts';
import { type TuneCommandOptions, tuneExperiment } from './tune.ts';

endWithOutput();
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
  'set',
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

const testLimitOption = () =>
  option(
    '--limit <n>',
    'test on so many images (default: as many as the runs were tested on)',
    wholeNumber(1),
  );
const toFolderOption = () =>
  option('--out <dir>', 'the folder for what is found (default: runs/<name>)', undefined, ['name']);

/** An option and those that contradict it. */
const option = (
  flags: string,
  description: string,
  // biome-ignore lint/suspicious/noExplicitAny: commander knows nothing of what a reader made of the values before.
  read?: (text: string, before: any) => any,
  conflicts: string[] = [],
) => {
  const made = new Option(flags, description).conflicts(conflicts);
  return read ? made.argParser(read) : made;
};

/* What `train` and `search` take alike. */

const presetOption = () =>
  new Option('--preset <name>', 'default: recipe on a hardware GPU, quick on a software adapter').choices([
    'recipe',
    'quick',
  ]);
const epochsOption = () =>
  option('--epochs <n>', 'passes over the training images', wholeNumber(1, MOST.epochs));
const seedOption = () =>
  option('--seed <n>', 'decides everything random (default: chosen, printed and kept)', wholeNumber(0));
const setOption = () =>
  option(
    '--set <name=value>',
    `change more of the recipe or the network; may be repeated: ${settingNames.join(', ')}`,
    setting,
  );
const noAugmentOption = () =>
  option('--no-augment', 'train without augmentation, replicated images included');
const weightsOption = () =>
  option('--weights <file>', 'weights to begin with: .safetensors, or .h5 of Keras');
const unfrozenOption = () =>
  option('--unfrozen', 'train all layers from the beginning, without a frozen phase');
const noTuneOption = () => option('--no-tune', 'choose kernels by predicted cost, without timing them');
const maxTimeOption = () =>
  option('--max-time <time>', 'checkpoint and end with success after 90s, 10m, 1h', timeSpan);

/** Options as the commands know them: commander says of `--no-augment` that `augment` is false. */
const withoutNegations = ({ augment, tune, ...options }: Record<string, unknown>) => ({
  ...options,
  noAugment: augment === false || undefined,
  noTune: tune === false || undefined,
});

const names = experiments.map(({ name }) => name).join(', ');

const program = new Command('weft')
  .description('Trains convolutional networks on WebGPU.')
  .version(VERSION)
  .configureOutput({ writeOut: (text) => out.write(text), writeErr: (text) => out.error(text) })
  .showHelpAfterError('(weft --help lists what there is)');

program
  .command('train')
  .description('train a network on Fashion-MNIST and test it')
  .argument('<experiment>', names)
  .addOption(presetOption())
  .addOption(epochsOption())
  .addOption(
    option('--repeats <n>', 'times to train anew, for mean and ensemble', wholeNumber(1, MOST.repeats)),
  )
  .addOption(seedOption())
  .addOption(
    option('--limit <n>', 'at most so many training, validation and test images each', wholeNumber(1)),
  )
  .addOption(option('--batch-size <n>', 'images a step', wholeNumber(1, MOST.images)))
  .addOption(option('--lr <rate>', 'learning rate', positiveNumber))
  .addOption(setOption())
  .addOption(noAugmentOption())
  .addOption(weightsOption())
  .addOption(unfrozenOption())
  .addOption(noTuneOption())
  .addOption(maxTimeOption())
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
  .action((experiment: string, { lr, ...options }) =>
    finish(train(experiment, { ...withoutNegations(options), learningRate: lr } as TrainOptions, out)),
  );

program
  .command('search')
  .description('search for the settings with which a network validates best')
  .argument('<experiment>', names)
  .addOption(option('--method <name>', 'how to search (default: tpe)').choices(searchMethods))
  .addOption(
    option('--trials <n>', 'networks to train (default: 20; of a grid, all)', wholeNumber(1, MOST.trials)),
  )
  .addOption(option('--space <file>', "JSON: settings with their dimensions (default: the recipe's own)"))
  .addOption(option('--objective <name>', 'what to compare (default: val-accuracy)').choices(objectives))
  .addOption(presetOption())
  .addOption(epochsOption())
  .addOption(option('--limit <n>', 'at most so many training and validation images each', wholeNumber(1)))
  .addOption(seedOption())
  .addOption(setOption())
  .addOption(noAugmentOption())
  .addOption(weightsOption())
  .addOption(unfrozenOption())
  .addOption(noTuneOption())
  .addOption(maxTimeOption())
  .addOption(option('--out <dir>', "the search's folder (default: runs/<name>)", undefined, ['name']))
  .addOption(
    option(
      '--name <name>',
      "the search's folder in runs (default: search, experiment, date and seed)",
      folderName,
    ),
  )
  .addOption(
    option('--resume <search>', 'go on with a search, with --trials to a new number', undefined, [
      ...DECIDING,
      ...PLACE,
      ...['method', 'space', 'objective'],
    ]),
  )
  .addOption(dataOption())
  .addOption(adapterOption())
  .addOption(option('--allow-other-adapter', 'go on with a search on another adapter than its own'))
  .action((experiment: string, options) =>
    finish(searchExperiment(experiment, withoutNegations(options) as SearchCommandOptions, out)),
  );

program
  .command('models')
  .description('list the networks: source, size, reported and measured accuracy')
  .argument('[name]', 'shows the layers and the recipe of one')
  .action((name: string | undefined) => finish((async () => listModels(name, out))()));

program
  .command('tune')
  .description('time the variants of the kernels on this adapter, and keep which are fastest')
  .argument('<experiment>', names)
  .addOption(option('--batch-size <n>', "images a step (default: the preset's)", wholeNumber(1, MOST.images)))
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
  .addOption(testLimitOption())
  .addOption(fullTestOption())
  .addOption(
    option('--out <dir>', "where evaluation.json of a model's file goes (a run's goes to its folder)"),
  )
  .addOption(option('--json <file>', 'write the figures to a file, too'))
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((runs: string[], options: EvaluateOptions) => finish(evaluateRuns(runs, options, out)));

program
  .command('report')
  .description('write one HTML page of what runs came to')
  .argument('<path...>', 'folders of runs, searches, ensembles and t-SNE maps')
  .addOption(
    option('--out <file>', 'the page (default: report.html in the folder, of several runs/report-DATE.html)'),
  )
  .addOption(option('--title <text>', "the page's title (default: the folders' names)"))
  .addOption(dataOption())
  .action((paths: string[], options: ReportOptions) => finish(report(paths, options, out)));

program
  .command('ensemble')
  .description(
    'test networks together: by votes, by averages, and by a meta-learner that is fitted to what none was trained on',
  )
  .argument(
    '<run...>',
    "runs' folders, or files with models (.h5, .safetensors); every network of each is a member",
  )
  .addOption(
    option(
      '--stacking-images <n>',
      'images that the meta-learner is fitted to, at most',
      wholeNumber(1),
    ).default(10_000),
  )
  .addOption(testLimitOption())
  .addOption(fullTestOption())
  .addOption(
    option(
      '--seed <n>',
      'decides which images the meta-learner is fitted to (default: chosen and kept)',
      wholeNumber(0),
    ),
  )
  .addOption(toFolderOption())
  .addOption(option('--name <name>', 'the folder in runs (default: ensemble, date and seed)', folderName))
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((runs: string[], options: EnsembleOptions) => finish(ensembleRuns(runs, options, out)));

program
  .command('collapse')
  .description(
    'put a network of groups of classes and its specialist together, and test them beside plain networks',
  )
  .argument('<general>', 'a run whose network takes some classes for one: v5-8')
  .argument('<specialist>', 'a run whose network tells those classes apart: v5-3')
  .requiredOption('--beside <run...>', 'runs of plain networks, or their files')
  .addOption(testLimitOption())
  .addOption(fullTestOption())
  .addOption(toFolderOption())
  .addOption(option('--name <name>', 'the folder in runs (default: collapse and date)', folderName))
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((general: string, specialist: string, options: CollapseOptions) =>
    finish(collapseRuns(general, specialist, options, out)),
  );

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
  .command('inspect')
  .description('look inside the networks of a run: feature maps, filters, dead channels')
  .argument('<run>', "a run's folder, or a file with a model (.h5, .safetensors)")
  .addOption(option('--images <image...>', `${IMAGE_WORDS} (default: test:0 test:1)`))
  .addOption(option('--layer <name...>', 'layers to look at (default: every convolution)'))
  .addOption(
    option('--limit <n>', 'look for dead channels on so many test images', wholeNumber(1)).default(1000),
  )
  .addOption(option('--out <dir>', "where a file's pictures go (default: beside it)"))
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((run: string, options: InspectOptions) => finish(inspect(run, options, out)));

program
  .command('data-report')
  .description('write a page about the data set: classes, mean images, augmentation, outliers')
  .addOption(option('--out <file>', 'the page').default('data-report.html'))
  .addOption(
    option('--autoencoder <run>', "ranks outliers: a run of 'autoencoder', or an autoencoder's file"),
  )
  .addOption(option('--augment <experiment...>', 'whose augmentation to show (default: v5)'))
  .addOption(option('--images <image...>', `to augment: ${IMAGE_WORDS} (default: six training images)`))
  .addOption(
    option('--limit <n>', 'look for outliers among so many training images (default: all)', wholeNumber(1)),
  )
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((options: DataReportOptions) => finish(dataReport(options, out)));

program
  .command('tsne')
  .description(
    'place images in the plane by their pixels, or by what a layer gives for them, similar ones together',
  )
  .argument('[run]', "a run's folder, or a file with a model (default: none, and pixels)")
  .addOption(option('--layer <name>', 'whose values count (default: the layer before the logits)'))
  .addOption(option('--images <n>', 'how many, of every class as many (default: 5000)', wholeNumber(2)))
  .addOption(new Option('--set <name>', 'of which set (default: test)').choices(['train', 'test']))
  .addOption(
    option('--perplexity <n>', 'about how many neighbours of an image count (default: 30)', positiveNumber),
  )
  .addOption(option('--learning-rate <rate>', 'default: images / 48, at least 50', positiveNumber))
  .addOption(option('--iterations <n>', 'steps at most (default: 1000)', wholeNumber(1)))
  .addOption(option('--seed <n>', 'decides the first places (default: 0)', wholeNumber(0)))
  .addOption(
    option(
      '--out <dir>',
      "where the files go (default: a run's folder, else runs/tsne-<layer>-<date>-<seed>)",
    ),
  )
  .addOption(dataOption())
  .addOption(adapterOption())
  .action((run: string | undefined, options: TsneCommandOptions) => finish(tsneCommand(run, options, out)));

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

/** Sets the exit code, and tells what went wrong. */
async function finish(work: Promise<number>): Promise<void> {
  try {
    process.exitCode = await work;
  } catch (error) {
    fail(error);
  }
}

/** Tells what went wrong in one message; what weft didn't foresee is its own fault. */
function fail(error: unknown): void {
  const wantsStack = process.env.WEFT_STACK === '1';
  const hint =
    error instanceof WeftError
      ? ''
      : `. This is a fault of weft ${VERSION}: please report it${wantsStack ? '' : ', with what WEFT_STACK=1 shows beside it'}`;
  const what = error instanceof WeftError ? error.message : String(error).replaceAll(/\s+/g, ' ');
  out.error(`error: ${what}${hint}\n${wantsStack ? `${inspectError(error)}\n` : ''}`);
  process.exitCode = 1;
}

process.on('uncaughtException', (error) => {
  fail(error);
  process.exit();
});

await program.parseAsync();
