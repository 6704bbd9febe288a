/**
 * Writes what docs/performance.md says of each adapter that was measured, from the newest results/hardware-*.json of each.
 *
 *   npm run bench:page
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = `${root}docs/performance.md`;
export const START = '<!-- hardware: written by `npm run bench:page` -->';
export const END = '<!-- hardware end -->';

const short = (value) =>
  value === null || value === undefined
    ? ''
    : Math.abs(value) >= 1000
      ? Math.round(value).toLocaleString('en-US')
      : Number(value.toPrecision(3)).toString();
const percent = (share) => (share === null ? '' : `${short(100 * share)} %`);
const table = (header, rows) => {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
};
/** What stands in the place of a table that has no rows. */
const orNothing = (rows, make) => (rows && rows.length > 0 ? make(rows) : 'Not measured: there was no time.');

function adapterText({ adapter }) {
  const { driver, info, extensions, host } = adapter;
  const [plain, unsafe] = extensions ?? [];
  const offered = Object.keys(plain ?? {}).filter((name) => typeof plain[name] === 'boolean');
  const rows = offered.map((name) => [
    `\`${name}\``,
    plain[name] ? 'yes' : 'no',
    unsafe ? (unsafe[name] ? 'yes' : 'no') : '',
  ]);
  const matrices = unsafe?.subgroupMatrices.length ?? 0;
  return [
    `${driver}; subgroups of ${info.subgroupMinSize} to ${info.subgroupMaxSize}; ${host.processor}, ${host.cores} cores; Node ${host.node}, Dawn ${host.dawn}.`,
    table(
      [
        'extension',
        'offered',
        `with ${(unsafe?.dawnFeatures ?? []).map((name) => `\`${name}\``).join(', ')}`,
      ],
      rows,
    ),
    ...(matrices > 0 ? [`${matrices} configurations of subgroup matrices.`] : []),
  ].join('\n\n');
}

function correctText({ correct: { passed, cases, cut } }) {
  if (!cases) return 'Nothing was checked: there was no time.';
  const wrong = cases.filter(({ failure }) => failure !== null);
  const sum = `${passed} of ${cases.length} checks against f64 references passed${cut ? '; then the time was over' : ''}.`;
  const failures = wrong.map(
    ({ name, variant, failure }) =>
      `- ${name}${variant ? ` by \`${variant}\`` : ''}: ${failure.split('\n')[0]}`,
  );
  return [sum, ...(failures.length > 0 ? [failures.join('\n')] : [])].join('\n\n');
}

const CEILINGS = {
  teraflops: 'float32 multiply-adds, TFLOP/s',
  copyGBps: 'copy, read and written, GB/s',
  workgroupGBps: 'workgroup memory, GB/s',
  dispatchMicroseconds: 'one of 1,000 dependent dispatches, µs',
  encodeMicroseconds: 'encoding one of them, µs',
  readBackMicroseconds: 'reading four bytes back, µs',
  readBackGBps: 'reading a large buffer back, GB/s',
  uploadGBps: 'upload, GB/s',
};

function ceilingsText({ ceilings: { checked, unchecked } }) {
  return table(
    ['', 'as it is', 'without bounds checks'],
    Object.entries(CEILINGS).map(([key, name]) => [name, short(checked?.[key]), short(unchecked?.[key])]),
  );
}

/** Far above any variant's round-off. */
const WRONG = 1e-3;
const isRight = ({ ms, error }) => ms !== null && typeof error === 'number' && error < WRONG;

function kernelsText({ kernels: { rows, tuner, failures } }) {
  const tuned = tuner
    ? `The tuner took ${short(tuner.seconds)} s for v5 and ResNet-18.`
    : 'Nothing was tuned.';
  const groups = new Map();
  for (const row of rows ?? []) {
    const key = `${row.network}, ${row.kernel}, batch ${row.batch}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const lines = [...groups].map(([key, variants]) => {
    const timed = variants.filter(isRight).sort((a, b) => a.ms.median - b.ms.median);
    const [best, ...others] = timed;
    const wrong = variants
      .filter((row) => !isRight(row))
      .map(({ variant, ms }) => `\`${variant}\` ${ms ? 'is wrong' : "doesn't compile"}`);
    if (!best) return [key, 'none', '', '', '', '', wrong.join(', ')];
    const { variant, ms, teraflops, shareOfCeiling, error } = best;
    return [
      key,
      `\`${variant}\``,
      short(ms.median),
      short(teraflops),
      percent(shareOfCeiling),
      error.toExponential(1),
      [
        ...others.map((other) => `\`${other.variant}\` ${short(other.ms.median / ms.median)}x`),
        ...wrong,
      ].join(', '),
    ];
  });
  const header = ['kernel', 'fastest', 'ms', 'TFLOP/s', 'share of the ceiling', 'error', 'others take'];
  const failed = (failures ?? []).map(
    ({ network, kernel, batch, failure }) =>
      `- ${network}, ${kernel}, batch ${batch}, failed: ${failure.split('\n')[0]}`,
  );
  return [
    tuned,
    orNothing(lines, () => table(header, lines)),
    ...(failed.length > 0 ? [failed.join('\n')] : []),
  ].join('\n\n');
}

function stepsText({ steps: { training, inference, pytorch, tensorflowjs } }) {
  const from = (name, rows, step) => (rows ?? []).map((row) => ({ name, step, ...row }));
  const all = [
    ...from('Weft', training, 'training'),
    ...from('Weft', inference, 'inference'),
    ...(pytorch?.rows ?? []).map((row) => ({ name: `PyTorch ${pytorch.version}, ${row.mode}`, ...row })),
    ...from(tensorflowjs?.name, tensorflowjs?.rows),
  ];
  // What only some of them measure is empty for the others.
  const lines = all.map(({ name, step, batch, imagesPerSecond, stepMs, gpuMs, cpuMs, memoryMiB }) => [
    name,
    step,
    batch,
    ...[imagesPerSecond, stepMs, gpuMs, cpuMs, memoryMiB].map(short),
  ]);
  const header = ['', 'step of v5', 'batch', 'images/s', 'ms', 'ms in dispatches', 'ms to encode', 'MiB'];
  const notes = [
    "A training step of Weft's also gathers and augments its batch on the GPU. TensorFlow.js' reads loss and accuracy back. Of predictions, the answers are read.",
    ...(pytorch?.missing ? [`No PyTorch beside it: ${pytorch.missing}.`] : []),
    ...(pytorch?.failures ?? []).map(
      ({ mode, error }) => `PyTorch, ${mode}, failed: ${error.split('\n')[0]}`,
    ),
    ...(pytorch?.skipped?.length ? [`No time was left for PyTorch's ${pytorch.skipped.join('; ')}.`] : []),
  ];
  return [orNothing(lines, () => table(header, lines)), ...notes].join('\n\n');
}

function trainingText({ training: { epochs, accuracy, testImages, weights, finished, history } }) {
  if (epochs === null) return 'v5 was not trained: there was no time.';
  const validated = history?.at(-1)?.valAccuracy;
  const parts = [
    `${epochs} epochs of v5's recipe${finished ? ', to its end' : ' in the time there was'}`,
    ...(validated === undefined ? [] : [`validation accuracy ${percent(validated)}`]),
    ...(accuracy === null
      ? []
      : [`accuracy **${percent(accuracy)}** on ${short(testImages)} test images (${weights} weights)`]),
  ];
  return `${parts.join('; ')}.`;
}

/** What one file says, as Markdown. */
export function textOf(report) {
  const { adapter, commit, date, minutes } = report;
  const failed = Object.entries(report).filter(([, part]) => part?.error);
  return [
    `### ${adapter.name}`,
    `${date.slice(0, 10)} at ${commit}, \`--minutes ${minutes}\`. ${adapterText(report)}`,
    ...failed.map(([name, { error }]) => `The part \`${name}\` failed: ${error.split('\n')[0]}`),
    '#### Is it right there?',
    correctText(report),
    '#### Ceilings',
    ceilingsText(report),
    '#### Kernels',
    kernelsText(report),
    '#### Steps',
    stepsText(report),
    '#### Training',
    trainingText(report),
  ].join('\n\n');
}

/** All adapters that were measured: GPUs first, of each the newest file. */
export function sectionOf(reports) {
  const newest = new Map();
  for (const report of reports.toSorted((a, b) => a.date.localeCompare(b.date)))
    newest.set(report.adapter.name, report);
  const ordered = [...newest.values()].sort(
    (a, b) => a.adapter.isSoftware - b.adapter.isSoftware || a.adapter.name.localeCompare(b.adapter.name),
  );
  return ordered.map(textOf).join('\n\n');
}

export function readReports(folder = `${root}results/`) {
  return readdirSync(folder)
    .filter((name) => /^hardware-.*\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(folder + name, 'utf8')));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = readFileSync(PAGE, 'utf8');
  const [start, end] = [page.indexOf(START), page.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${PAGE} has no place for the section: ${START} ... ${END}`);
  const section = sectionOf(readReports());
  writeFileSync(PAGE, `${page.slice(0, start + START.length)}\n\n${section}\n\n${page.slice(end)}`);
  console.log(`wrote ${PAGE}`);
}
