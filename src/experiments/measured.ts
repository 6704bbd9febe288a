import twoConv from '../../results/twoConv-lavapipe.json' with { type: 'json' };
import twoConvFirst from '../../results/twoConvFirst-lavapipe.json' with { type: 'json' };
import v5Quick from '../../results/v5-quick-lavapipe.json' with { type: 'json' };
import type { Reported } from './experiment.ts';

/** A run that is kept in `results/`: `results/keep.mjs` writes such a file. */
interface KeptRun {
  readonly commit: string;
  readonly date: string;
  readonly manifest: {
    readonly experiment: string;
    readonly adapter: string;
    readonly choices: { readonly plan: { readonly preset: string; readonly epochs: number } };
  };
  readonly epochs: readonly { readonly valAccuracy: number }[];
  readonly result: { readonly test: { readonly samples: number; readonly accuracy: number } };
}

const runs: readonly KeptRun[] = [v5Quick, twoConvFirst, twoConv];

/** What was measured with the experiments here. */
export const measured = runs.map(({ manifest, epochs, result: { test }, ...run }) => ({
  ...run,
  experiment: manifest.experiment,
  adapter: manifest.adapter,
  preset: manifest.choices.plan.preset,
  epochs: epochs.length,
  plannedEpochs: manifest.choices.plan.epochs,
  valAccuracy: epochs[epochs.length - 1].valAccuracy,
  test,
  /** By the recipe, to its last epoch, on all test images. */
  isFull:
    manifest.choices.plan.preset === 'recipe' &&
    epochs.length === manifest.choices.plan.epochs &&
    test.samples === 10_000,
}));

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** A figure that was published, in words. */
export function showReported({ test, validation }: Reported): string {
  if (test !== undefined) return percent(test);
  return validation === undefined ? '' : `${percent(validation)} validation`;
}

/** The table of the README: what was measured beside what was published. */
export function measuredTable(reported: (experiment: string) => Reported): string {
  const rows = measured.map(({ experiment, preset, epochs, plannedEpochs, test, ...run }) => {
    const length = epochs === plannedEpochs ? `${epochs}` : `${epochs} of ${plannedEpochs}`;
    const images = test.samples.toLocaleString('en-US');
    const cells = [experiment, preset, length, `**${percent(test.accuracy)}** of ${images}`];
    return [
      ...cells,
      percent(run.valAccuracy),
      showReported(reported(experiment)),
      `${run.date} at ${run.commit}`,
    ];
  });
  const header = ['network', 'preset', 'epochs', 'test', 'validation', 'published', 'measured on'];
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}
