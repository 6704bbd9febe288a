import { atomicWrite } from '../node/files.ts';
import { table } from '../report/table.ts';
import { median } from '../tensor/median.ts';
import { byOp, type Profile, type ProfiledDispatch, type ProfiledOp } from '../tensor/profile.ts';
import { type Recorded, record } from '../tensor/record.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import type { Console } from './console.ts';
import type { Experiment } from './experiment.ts';
import { rehearsalOnNoise } from './measure.ts';
import { openGpu } from './session.ts';
import { stoppable } from './stoppable.ts';
import { tuneKernels } from './tune.ts';

export interface ProfileOptions {
  batch: number;
  inference?: boolean;
  /** Where the trace goes. */
  trace?: string;
  /** Where the figures go. */
  json?: string;
  adapter?: string;
}

/** Plain steps that are timed beside the profile. */
const PLAIN_STEPS = 3;
/** Temporaries that are named at the memory's peak. */
const SHOWN_AT_PEAK = 8;

/** Shows what each dispatch of a step takes, on images of noise, and the memory that it needs. Resolves with the exit code. */
export async function profileStep(
  experiment: Pick<Experiment, 'name' | 'network' | 'recipe'>,
  { batch, inference = false, trace, json, adapter: choice }: ProfileOptions,
  out: Console,
): Promise<number> {
  return stoppable(out, async (stop) => {
    const { gpu } = await openGpu(choice, out);
    const rehearsal = rehearsalOnNoise(experiment, batch);
    const sizes = inference ? { training: [], inference: [batch] } : { training: [batch], inference: [] };
    await tuneKernels(rehearsal, sizes, {}, stop, out);
    const step: Recorded<[Tensor], Tensor> = record((indices: Tensor) =>
      inference ? rehearsal.predict(indices) : rehearsal.train(indices),
    );
    const indices = tensor(Uint32Array.from({ length: batch }, (_, i) => i));
    const profile = await step.profile(indices);
    const times: number[] = [];
    for (let i = 0; i < PLAIN_STEPS; i++) {
      const start = performance.now();
      await step(indices);
      await gpu.sync();
      times.push(performance.now() - start);
    }
    const figures: Figures = {
      experiment: experiment.name,
      step: inference ? 'inference' : 'training',
      batch,
      adapter: gpu.adapterName,
      shareOf3x3: shareOf3x3(profile.dispatches),
      plainStepMs: median(times),
      memory: { ...step.memory, allocatedBytes: step.allocatedBytes },
      ...profile,
    };
    out.line(`\n${formatProfile(figures)}`);
    if (trace) await write(trace, chromeTrace(figures));
    if (json) await write(json, figures);
  });
}

/** What a profile comes to; the file of `--json`. */
export interface Figures extends Profile {
  readonly experiment: string;
  readonly step: 'training' | 'inference';
  readonly batch: number;
  readonly adapter: string;
  /** Of the time in dispatches, what 3x3 convolutions take with all that is fused into them: 0 to 1. */
  readonly shareOf3x3: number;
  /** Median time of a step whose dispatches aren't timed, with submission and waiting. */
  readonly plainStepMs: number;
  readonly memory: Recorded<[], void>['memory'] & { readonly allocatedBytes: number };
}

const write = (path: string, contents: object): Promise<void> =>
  atomicWrite(path, `${JSON.stringify(contents, null, 1)}\n`);

const MiB = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const percent = (part: number, whole: number): string => `${((100 * part) / whole || 0).toFixed(1)} %`;
/** A rate in units of 10^9 a second; what took no time that the clock can tell has none. */
const rate = (count: number | undefined, ms: number): string =>
  count === undefined || ms === 0 ? '' : (count / ms / 1e6).toFixed(1);
const titleOf = ({ op, pass }: ProfiledOp | ProfiledDispatch): string => (pass ? `${op}, ${pass}` : op);

/** Convolutions with 3x3 filters, by the name that their op gives them. */
const is3x3 = ({ op }: ProfiledOp): boolean => /\bconv2d\b.* 3x3 /.test(op);

const sumOf = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

function shareOf3x3(dispatches: readonly ProfiledDispatch[]): number {
  const ops = byOp(dispatches);
  return sumOf(ops.filter(is3x3), ({ ms }) => ms) / sumOf(ops, ({ ms }) => ms);
}

/** Splits dispatches where one isn't like the one before it: a piece of work may issue the same one many times. */
function runsOf(dispatches: readonly ProfiledDispatch[]): ProfiledDispatch[][] {
  const runs: ProfiledDispatch[][] = [];
  for (const dispatch of dispatches) {
    const last = runs.at(-1);
    // A piece of work has one op and pass.
    if (last && (['work', 'kernel', 'workgroups'] as const).every((key) => last[0][key] === dispatch[key]))
      last.push(dispatch);
    else runs.push([dispatch]);
  }
  return runs;
}

/** The tables that `weft profile` prints. */
export function formatProfile(figures: Figures): string {
  const { experiment, step, batch, dispatches, clock, repetitions, memory, plainStepMs } = figures;
  const ops = byOp(dispatches);
  const total = sumOf(dispatches, ({ ms }) => ms);
  const rates = new Map(ops.map((op) => [titleOf(op), rate(op.flops, op.ms)]));
  const cells = (
    dispatches: number,
    parts: readonly Pick<ProfiledOp, 'ms' | 'bytes'>[],
    flopsRate: string,
  ): string[] => {
    const ms = sumOf(parts, (part) => part.ms);
    const bytes = sumOf(parts, (part) => part.bytes);
    return [
      String(dispatches),
      ms.toFixed(3),
      percent(ms, total),
      (bytes / 1e6).toFixed(2),
      rate(bytes, ms),
      flopsRate,
    ];
  };
  const columns = ['dispatches', 'ms', 'share', 'MB', 'GB/s', 'GFLOP/s'];
  const each = table(
    ['op, pass: kernel', 'workgroups each', ...columns],
    runsOf(dispatches).map((run) => [
      `${titleOf(run[0])}: ${run[0].kernel}`,
      String(run[0].workgroups),
      ...cells(run.length, run, rates.get(titleOf(run[0])) ?? ''),
    ]),
  );
  const row = (title: string, part: readonly ProfiledOp[], flopsRate: string) => [
    title,
    ...cells(
      sumOf(part, (op) => op.dispatches),
      part,
      flopsRate,
    ),
  ];
  const summary = table(
    ['op, pass', ...columns],
    [
      ...[...ops].sort((a, b) => b.ms - a.ms).map((op) => row(titleOf(op), [op], rate(op.flops, op.ms))),
      [],
      row('3x3 convolutions', ops.filter(is3x3), effective(ops.filter(is3x3))),
      row(
        'all else',
        ops.filter((op) => !is3x3(op)),
        '',
      ),
      row('all', ops, ''),
    ],
  );
  const peak = memory.atPeak
    .slice(0, SHOWN_AT_PEAK)
    .map(({ bytes, users }) => `${MiB(bytes).padStart(10)}  ${users.join('; ')}`);
  const arenas = memory.arenas.map(MiB).join(', ');
  const clocks = {
    gpu: "the GPU's timestamps, each dispatch in a pass of its own",
    cpu: "the CPU's clock, each dispatch submitted and waited for alone",
  };
  return [
    `${experiment}, ${step} step, batch ${batch}: each dispatch, equal ones in a row as one, and the rate of its op and pass as direct convolution or product`,
    '',
    each,
    '',
    summary,
    '',
    `clock: ${clocks[clock]}; medians of ${repetitions} steps`,
    ...(clock === 'cpu'
      ? [
          'warning: this adapter has no timestamps (timestamp-query). Every time holds the submission of its dispatch: shares of short dispatches are too large.',
        ]
      : []),
    `a step: ${total.toFixed(1)} ms in dispatches; ${plainStepMs.toFixed(1)} ms untimed, with submission and waiting`,
    `memory: ${MiB(memory.livePeakBytes)} in use at the peak, ${MiB(memory.allocatedBytes)} allocated (buffers of ${arenas})`,
    `the largest in use at the peak, in ${memory.peakCommand}, each with what uses it:`,
    ...peak,
  ].join('\n');
}

/** The rate of several ops together, of those that count their operations. */
const effective = (ops: readonly ProfiledOp[]): string => {
  const counted = ops.filter(({ flops }) => flops !== undefined);
  return rate(
    sumOf(counted, ({ flops }) => flops!),
    sumOf(counted, ({ ms }) => ms),
  );
};

/**
 * A trace in Chrome's JSON format ("Trace Event Format"), complete events in microseconds: the dispatches one after the other, with
 * a row for each op and pass. Gaps between dispatches weren't measured and aren't shown.
 */
export function chromeTrace({ experiment, step, adapter, clock, dispatches }: Figures): object {
  const rows = [...new Set(dispatches.map(titleOf))];
  const named = (name: string, tid: number, value: string) => ({
    name,
    ph: 'M',
    pid: 1,
    tid,
    args: { name: value },
  });
  let ts = 0;
  const events = dispatches.map((dispatch) => {
    const { kernel, ms, bytes, workgroups, flops } = dispatch;
    const event = {
      name: kernel,
      cat: dispatch.pass || 'other',
      ph: 'X',
      ts,
      dur: ms * 1000,
      pid: 1,
      tid: rows.indexOf(titleOf(dispatch)) + 1,
      args: {
        op: dispatch.op,
        pass: dispatch.pass,
        bytes,
        workgroups,
        ...(flops !== undefined && { flops }),
      },
    };
    ts += event.dur;
    return event;
  });
  return {
    displayTimeUnit: 'ms',
    otherData: { adapter, clock },
    traceEvents: [
      named('process_name', 0, `${experiment}, ${step} step`),
      ...rows.map((title, i) => named('thread_name', i + 1, title)),
      ...events,
    ],
  };
}
