import v5Quick from '../../results/v5-quick-lavapipe.json' with { type: 'json' };

/** A run that is kept in `results/`: see the script there. */
interface KeptRun {
  readonly manifest: {
    readonly experiment: string;
    readonly choices: { readonly plan: { readonly preset: string; readonly epochs: number } };
  };
  readonly epochs: readonly object[];
  readonly result: { readonly test: { readonly samples: number; readonly accuracy: number } };
}

const runs: readonly KeptRun[] = [v5Quick];

/** What was measured with the experiments here, on which adapter and when: `results/` has all of it. */
export const measured = runs.map(({ manifest, epochs, result: { test } }) => ({
  experiment: manifest.experiment,
  test,
  /** By the recipe, to its last epoch, on all test images. */
  isFull:
    manifest.choices.plan.preset === 'recipe' &&
    epochs.length === manifest.choices.plan.epochs &&
    test.samples === 10_000,
}));
