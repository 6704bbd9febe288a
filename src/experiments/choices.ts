import type { TuneRow } from '../tensor/tune.ts';
import { type Console, duration } from './console.ts';
import type { Experiment } from './experiment.ts';
import type { Choices, Flags } from './manifest.ts';
import { Rehearsal, secondsPerImage } from './measure.ts';
import { batchSizes, choosePreset, presetOf, settle, withOverrides } from './presets.ts';
import type { Data, OpenGpu } from './session.ts';
import type { StopSignal } from './stop.ts';
import { describeKernels, kernelsOf, tuneKernels } from './tune.ts';

/** Chooses what the flags leave open, by timing kernels and then a training step. */
export async function makeChoices(
  experiment: Experiment,
  flags: Flags,
  gpu: OpenGpu,
  data: Data,
  stop: StopSignal,
  out: Console,
): Promise<Choices> {
  const { preset, why } = choosePreset(flags.preset, gpu.isSoftware);
  const asked = withOverrides(presetOf(experiment, preset), flags);
  const sizes = batchSizes(asked, flags.limit);
  const rehearsal = new Rehearsal(experiment, data.train, asked);
  try {
    const { rows, seconds } = await tuneKernels(rehearsal, sizes, { time: !flags.noTune }, stop, out);
    const kernels = kernelsOf(rows);
    out.line(`kernels (${howDecided(rows, seconds)}): ${describeKernels(kernels)}`);
    const [batchSize] = sizes.training;
    let steps = 0;
    const perImage = await secondsPerImage(rehearsal, batchSize, () => {
      out.progress(`timing a step of ${batchSize} images`, ++steps, 0);
      stop.check();
    });
    return { plan: settle(experiment, preset, flags, perImage), why, secondsPerImage: perImage, kernels };
  } finally {
    rehearsal.dispose();
  }
}

/** On what grounds kernels were chosen. */
function howDecided(rows: readonly TuneRow[], seconds: number): string {
  const from = (source: TuneRow['source']) =>
    rows.filter((row) => row.chosen && row.source === source).length;
  const parts = [
    from('timed') > 0 && `${from('timed')} timed here in ${duration(seconds)}`,
    from('stored') > 0 && `${from('stored')} from an earlier tuning`,
    from('predicted') > 0 && `${from('predicted')} by predicted cost`,
  ];
  return parts.filter(Boolean).join(', ');
}
