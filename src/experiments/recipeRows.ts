import { describeAugmentation } from '../data/augmentation.ts';
import type { Model } from '../nn/model.ts';
import type { Experiment } from './experiment.ts';
import { describeOptimizer } from './optimizer.ts';

const whole = (n: number): string => n.toLocaleString('en-US');
const distinct = (values: readonly string[]): string => [...new Set(values)].join(', ') || 'none';

/** What an experiment's layers say of one option, each answer once. */
const told = (model: Model, tell: (config: Record<string, unknown>, kind: string) => string | undefined) =>
  distinct(model.layers.flatMap(({ config, kind }) => tell(config as Record<string, unknown>, kind) ?? []));

/** An experiment's recipe and what its layers have of it, option by option. */
export function recipeRows(experiment: Experiment): [option: string, here: string][] {
  const { recipe } = experiment;
  const model = experiment.network(0);
  const { frozenPhase, reduceOnPlateau, augment, replicate, nested, classes } = recipe;
  const phase = frozenPhase
    ? [
        `${describeOptimizer(frozenPhase.optimizer)}, ${frozenPhase.epochs} epochs, the first ${frozenPhase.frozenLayers} layers frozen`,
      ]
    : [];
  return [
    ...phase.map((text): [string, string] => ['first phase', text]),
    ['optimizer', describeOptimizer(recipe.optimizer)],
    ...(recipe.frozenLayers
      ? [['frozen', `the first ${recipe.frozenLayers} layers`] as [string, string]]
      : []),
    [
      'plateau',
      reduceOnPlateau
        ? `rate times ${reduceOnPlateau.factor} after ${reduceOnPlateau.patience} epochs, at least ${reduceOnPlateau.minLearningRate}`
        : 'none',
    ],
    ['batch', `${recipe.batchSize}, ${recipe.batches === 'all' ? 'all of a pass' : 'whole ones'}`],
    [
      'epochs',
      `${recipe.epochs}${recipe.patience === undefined ? '' : `, patience ${recipe.patience} on validation accuracy`}`,
    ],
    [
      'images',
      `${whole(recipe.trainingImages)} to train, ${whole(recipe.validationImages)} to validate, pixels 0 to ${recipe.pixelScale ?? 1}`,
    ],
    ...(classes
      ? [['classes', classes.map((group) => group.join(' + ')).join(', ')] as [string, string]]
      : []),
    [
      'augmentation',
      replicate
        ? `copies made once: ${describeAugmentation(replicate)}`
        : augment
          ? describeAugmentation(augment)
          : 'none',
    ],
    ['tested', recipe.tested === 'last' ? 'the last weights' : 'those of the lowest validation loss'],
    [
      'repeats',
      `${recipe.repeats ?? 1}${nested ? `, each after the first on a part of the one before, ${nested.epochs} epochs` : ''}`,
    ],
    [
      'L2',
      told(model, ({ kernelRegularizer }) =>
        (kernelRegularizer as { l2: number } | undefined)?.l2.toString(),
      ),
    ],
    ['dropout', told(model, ({ rate }) => rate?.toString())],
    [
      'first weights',
      told(model, ({ kernelInitializer = 'glorotUniform' }, kind) =>
        /^(conv2d|dense)/.test(kind) ? String(kernelInitializer) : undefined,
      ),
    ],
    [
      'batch-norm',
      told(model, ({ convention = 'keras' }, kind) =>
        kind === 'batchNormalization' ? String(convention) : undefined,
      ),
    ],
  ];
}
