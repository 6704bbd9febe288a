import type { Model } from '../nn/model.ts';
import { table } from '../report/table.ts';
import type { Console } from './console.ts';
import type { Experiment } from './experiment.ts';
import { experiments, findExperiment } from './index.ts';
import { measured, showReported } from './measured.ts';
import { recipeRows } from './recipeRows.ts';

/** The networks that there are: made without a device. */
export function modelTable(): string {
  const titleWidth = Math.max(...experiments.map(({ title }) => title.length));
  const rows = experiments.map((experiment) => {
    const model = experiment.network(0);
    const parameters = countParameters(experiment, model);
    return [
      experiment.name,
      experiment.project,
      String(model.layers.filter(hasKernel).length),
      whole(parameters),
      difference(experiment, parameters),
      `${(model.multiplyAdds / 1e6).toFixed(1)} M`,
      showReported(experiment.reported),
      best(experiment.name),
      experiment.title.padEnd(titleWidth),
    ];
  });
  const header = ['name', 'project', 'layers', 'parameters', 'published', 'multiply-adds'];
  return table([...header, 'reported', 'measured', 'network'.padEnd(titleWidth)], rows);
}

/** Shows the networks, or all of one of them. Returns the exit code. */
export function listModels(name: string | undefined, out: Console): number {
  if (name !== undefined) {
    showModel(findExperiment(name), out);
    return 0;
  }
  out.line(modelTable());
  out.line(`
layers: convolutions and dense layers; published: how the count differs from the published one
multiply-adds: of a forward pass for one image, by the direct method
accuracies: on the test images unless it says validation; measured ones are from results/: * by another preset, not to the last epoch, or on part of the test images`);
  return 0;
}

function showModel(experiment: Experiment, out: Console): void {
  const { name, title, project, chosen = [] } = experiment;
  out.line(`${name}: ${title} (${project})\n\n${experiment.network(0).summary()}\n`);
  for (const [option, here] of recipeRows(experiment)) out.line(`${option.padEnd(14)} ${here}`);
  if (chosen.length > 0) out.line('\nthe specification leaves open, and was chosen:');
  for (const line of chosen) out.line(`- ${line}`);
}

/** As the experiment's framework counts them: Keras with moving statistics, PyTorch without. */
export function countParameters({ project }: Experiment, model: Model): number {
  const counted = project === 'quah' ? model.trainableParameters : model.parameters;
  return counted.reduce((total, { size }) => total + size, 0);
}

const hasKernel = ({ parameters }: { parameters: readonly { ownName: string }[] }): boolean =>
  parameters.some(({ ownName }) => ownName === 'kernel');

const whole = (n: number): string => n.toLocaleString('en-US');
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

function difference({ parameters: specified, reported }: Experiment, parameters: number): string {
  const published = reported.parameters ?? specified;
  if (published === undefined) return 'none';
  return published === parameters
    ? 'same'
    : `${parameters > published ? '+' : '-'}${whole(Math.abs(parameters - published))}`;
}

/** The best of what was measured, the full recipe before anything else. */
function best(name: string): string {
  const found = measured.filter(({ experiment }) => experiment === name);
  const [first] = found.sort(
    (a, b) => Number(b.isFull) - Number(a.isFull) || b.test.accuracy - a.test.accuracy,
  );
  return first ? `${percent(first.test.accuracy)}${first.isFull ? '' : ' *'}` : '';
}
